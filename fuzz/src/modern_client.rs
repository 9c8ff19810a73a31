//! A stateless client over a server of sessions: whatever either says, in any order.

use std::collections::HashMap;

use portcullis_mcp::{
    ClientCapabilities, Envelope, Kind, Method, PushPolicy,
    eras::modern_client::{Conversation, Heard, Introduction, LogLevel, Terms, input_required, request},
};
use serde_json::{Value, value::RawValue};

/// The client's own words, which no frame of the server may replace.
const ID: &str = r#""client-id""#;
const TOKEN: &str = r#""client-token""#;
/// More than a call may keep, with room for what holds it together.
const MOST_KEPT: usize = 2 * 1024 * 1024;
const MOST_OPEN: usize = 16;
/// Everything that a client can say it is able to.
const ABLE: &str = r#"{"sampling":{},"roots":{},"elicitation":{"form":{},"url":{}}}"#;

/// Frames, one on a line, of a call whose first line says what is called and by whom. `>` is from the
/// server, `<` are the client's `inputResponses`, `!` gives up, `?` begins another round; anything else is
/// read as a request and as an introduction.
pub fn modern_client(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.lines();
    let mut call = Call::begin(lines.next().unwrap_or_default());
    for line in lines {
        let mut chars = line.chars();
        match (chars.next(), chars.as_str()) {
            (Some('>'), frame) => call.server(frame),
            (Some('<'), answers) => call.client(answers),
            (Some('!'), _) => call.give_up(),
            (Some('?'), round) => call.conversation.goes_on(terms(round)),
            _ => alone(line),
        }
        call.stays_small();
    }
}

struct Call {
    conversation: Conversation,
    /// The server's ids of what it asked and nobody answered, with how often each stands open.
    open: HashMap<String, usize>,
}

fn terms(words: &str) -> Terms {
    let allowed = !words.contains("forbidden");
    let push = PushPolicy { sampling: allowed, elicitation: allowed };
    let declared = if words.contains("unable") { "{}" } else { ABLE };
    Terms {
        id: ID.to_owned(),
        progress_token: (!words.contains("silent")).then(|| TOKEN.to_owned()),
        level: words.split(' ').find_map(LogLevel::parse),
        declared: ClientCapabilities::narrowed(declared, push).expect("an object"),
        push,
    }
}

impl Call {
    fn begin(words: &str) -> Self {
        let methods = [Method::ToolsCall, Method::ResourcesRead, Method::ToolsList, Method::PromptsGet];
        let method = methods[words.len() % methods.len()];
        let server = Introduction::of(r#"{"serverInfo":{"name":"s","version":"1"}}"#);
        Self {
            conversation: Conversation::new(method, "subject".to_owned(), server, terms(words)),
            open: HashMap::new(),
        }
    }

    fn server(&mut self, frame: &str) {
        let asked = match Envelope::parse(frame.as_bytes()).map(|envelope| envelope.kind) {
            Ok(Kind::Request { id, .. }) => Some(id.as_json().to_owned()),
            _ => None,
        };
        match self.conversation.hears(frame) {
            Heard::Tell(text) => {
                let message = object(&text);
                assert!(message.get("id").is_none(), "a notification with an id: {text}");
                if let Some(token) = message.pointer("/params/progressToken")
                    && message["method"] == "notifications/progress"
                {
                    assert_eq!(token.to_string(), TOKEN, "progress under a stranger's token");
                }
            }
            Heard::Answer(text, _) => {
                let message = object(&text);
                assert_eq!(message["id"].to_string(), ID, "an answer to somebody else");
                assert!(message.get("method").is_none());
            }
            Heard::Respond(text) => responds_to(&text, asked.as_deref()),
            Heard::Unable { respond: Some(text), .. } => responds_to(&text, asked.as_deref()),
            Heard::Asked => {
                if let Some(id) = asked {
                    *self.open.entry(id).or_default() += 1;
                }
            }
            Heard::OpenFirst | Heard::Nothing | Heard::Unable { .. } | Heard::Forbidden(_) | Heard::Unreadable => {}
        }
    }

    fn client(&mut self, answers: &str) {
        let raw = serde_json::from_str::<&RawValue>(answers).ok();
        for given in self.conversation.answered(raw).unwrap_or_default() {
            self.closes(given.response);
        }
    }

    fn give_up(&mut self) {
        for refusal in self.conversation.given_up() {
            self.closes(Some(refusal));
        }
        assert!(!self.conversation.waits(), "given up, and still waiting");
        self.open.clear();
    }

    /// A response to the server answers a question that it asked, and no question twice.
    fn closes(&mut self, response: Option<String>) {
        let Some(response) = response else { return };
        object(&response);
        let envelope = Envelope::parse(response.as_bytes()).expect("a message to the server");
        let Kind::Response { id, .. } = envelope.kind else {
            panic!("no response: {response}");
        };
        let left = self.open.get_mut(id.as_json()).expect("an answer to a question that was asked");
        assert!(*left > 0, "a question was answered twice: {response}");
        *left -= 1;
    }

    fn stays_small(&self) {
        let requests = self.conversation.requests();
        assert!(requests.len() <= MOST_KEPT, "{} bytes are kept", requests.len());
        let questions = object(&requests);
        let count = questions.as_object().map_or(0, serde_json::Map::len);
        assert!(count <= MOST_OPEN, "{count} questions wait");
        assert_eq!(count > 0, self.conversation.waits());
        let answer = object(&input_required(ID, &requests, "state"));
        assert_eq!(answer["id"].to_string(), ID);
    }
}

fn responds_to(text: &str, asked: Option<&str>) {
    object(text);
    let envelope = Envelope::parse(text.as_bytes()).expect("a message to the server");
    let Kind::Response { id, .. } = envelope.kind else {
        panic!("no response: {text}");
    };
    assert_eq!(Some(id.as_json()), asked, "an answer to what was not asked");
}

/// What is made of a single text, whoever wrote it.
fn alone(text: &str) {
    if let Some(made) = request(text) {
        let made = object(&made);
        let leftover = made.pointer("/params/inputResponses").or(made.pointer("/params/requestState"));
        assert!(leftover.is_none(), "a session has no {leftover:?}");
    }
    if let Some(made) = Introduction::discover(text) {
        assert!(object(&made).get("capabilities").is_some());
    }
}

fn object(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.is_object(), "no object: {text}");
    value
}
