//! A client of sessions over a stateless server: whatever either says, in any order.

use std::collections::BTreeSet;

use portcullis_mcp::{
    ClientCapabilities, Envelope, Kind, Method, PushPolicy, Revision,
    eras::legacy_client::{
        Asked, Hello, Listened, MOST_QUESTIONS, Reading, Retry, Stamp, acknowledged, changes, hello, listen,
        news, plain, read, request,
    },
};
use serde_json::Value;

/// The client's own id, which no frame of the server may replace.
const ID: &str = r#""client-id""#;
/// Ours, towards the server.
const OURS: i64 = 41;
/// Our id of a pushed question.
const PUSHED: &str = "77";
const REVISIONS: [Revision; 3] = [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];
/// What only a stateless client may see.
const STATELESS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
const RESERVED: &str = "io.modelcontextprotocol/";
const CALL: &str = r#"{"jsonrpc":"2.0","id":"client-id","method":"tools/call","params":{"name":"x","requestState":"stale","_meta":{"progressToken":5}}}"#;

/// Frames, one on a line, of a call whose first line says what is called and by whom. `>` is an answer of
/// the server, `<` a response of the client to whatever it is asked, `~` news of the server.
pub fn legacy_client(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.lines();
    let words = lines.next().unwrap_or_default();
    let mut call = Call {
        method: [Method::ToolsCall, Method::ResourcesRead, Method::ToolsList][words.len() % 3],
        revision: REVISIONS[words.split(' ').count() % REVISIONS.len()],
        capabilities: capabilities(words),
        response: String::new(),
        listened: Listened::default(),
    };
    for line in lines {
        let mut chars = line.chars();
        match (chars.next(), chars.as_str()) {
            (Some('>'), frame) => call.server(frame),
            (Some('<'), response) => response.clone_into(&mut call.response),
            (Some('~'), frame) => call.news(frame),
            _ => call.alone(line),
        }
    }
}

fn capabilities(words: &str) -> ClientCapabilities {
    let declared = if words.contains("unable") {
        "{}"
    } else {
        r#"{"sampling":{},"roots":{},"elicitation":{"form":{},"url":{}}}"#
    };
    let push = PushPolicy { sampling: true, elicitation: true };
    ClientCapabilities::narrowed(declared, push).expect("an object")
}

struct Call {
    method: Method,
    revision: Revision,
    capabilities: ClientCapabilities,
    /// What the client says to whatever it is asked.
    response: String,
    listened: Listened,
}

impl Call {
    fn stamp(&self) -> Stamp<'_> {
        Stamp {
            id: OURS,
            capabilities: &self.capabilities,
            client_info: r#"{"name":"g","version":"1"}"#,
            level: None,
        }
    }

    fn server(&mut self, frame: &str) {
        match read(self.method, frame, ID) {
            Ok(Reading::Answer(text)) => {
                let message = object(&text);
                assert_eq!(message["id"].to_string(), ID, "an answer to somebody else");
                assert!(message.get("method").is_none());
                if let Some(result) = message.get("result") {
                    legible(result, &text);
                }
            }
            Ok(Reading::Asks(asked)) => self.asked(asked),
            Ok(Reading::HeadersRefused | Reading::RevisionRefused { .. }) | Err(_) => {}
        }
    }

    fn asked(&self, asked: Asked) {
        let count = asked.questions.len();
        assert!(count <= MOST_QUESTIONS, "{count} questions at once");
        let response = Envelope::parse(self.response.as_bytes()).ok();
        let mut answers = Vec::new();
        for question in &asked.questions {
            if question.askable(&self.capabilities, self.revision).is_ok() {
                let pushed = question.request(PUSHED, self.revision, "elicitation-1");
                let envelope = Envelope::parse(pushed.as_bytes()).expect("a message to the client");
                let Kind::Request { id, method } = envelope.kind else {
                    panic!("no request: {pushed}");
                };
                assert_eq!((id.as_json(), method), (PUSHED, question.method()));
            }
            let answer = response.as_ref().and_then(|response| question.answer(response).ok());
            answers.extend(answer);
        }
        if answers.len() < count {
            return;
        }
        let retry = asked.retry(&answers);
        let again = self.outward(CALL, &retry);
        let given = again.pointer("/params/inputResponses").and_then(Value::as_object);
        assert_eq!(given.map_or(0, serde_json::Map::len), count, "not every question has its answer");
    }

    /// A request to the server says who asks in its own words and nothing of the client's.
    fn outward(&self, text: &str, retry: &Retry) -> Value {
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return Value::Null;
        };
        let made = object(&request(self.method, &envelope, &self.stamp(), retry));
        assert_eq!(made["id"], OURS, "under a stranger's id");
        assert_eq!(made["method"], self.method.as_str());
        let revision = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
        assert_eq!(made.pointer(revision), Some(&"2026-07-28".into()));
        assert_ne!(made.pointer("/params/requestState"), Some(&"stale".into()));
        made
    }

    fn news(&mut self, frame: &str) {
        if let Ok(listened) = acknowledged(frame) {
            self.listened = listened;
        }
        if let Some(text) = news(frame, &self.listened) {
            let message = object(&text);
            assert!(message.get("id").is_none(), "news with an id: {text}");
            if let Some(uri) = message.pointer("/params/uri").filter(|_| message["method"] == "notifications/resources/updated") {
                let uri = uri.as_str().expect("a text");
                assert!(self.listened.resources.contains(uri), "news that nobody asked for");
            }
            legible(&message["params"], &text);
        }
        for change in changes(&self.listened) {
            assert!(object(&change).get("id").is_none());
        }
    }

    fn alone(&self, line: &str) {
        self.outward(line, &Retry::default());
        if let Some(text) = plain(line) {
            let message = object(&text);
            if message.get("method").is_some() && message.get("id").is_none() {
                legible(&message["params"], &text);
            }
        }
        if let Ok(Hello::Result(text)) = hello(line, self.revision, "name") {
            let said = object(&text);
            assert_eq!(said["protocolVersion"], self.revision.as_str());
            assert!(said.pointer("/capabilities/tasks").is_none());
        }
        let wanted = BTreeSet::from([line.to_owned()]);
        object(&listen(&self.stamp(), &wanted));
    }
}

/// Nothing of the other era is left.
fn legible(value: &Value, text: &str) {
    for name in STATELESS {
        assert!(value.get(name).is_none() || text.contains("\"method\""), "{name} is left in {text}");
    }
    let meta = value.get("_meta").and_then(Value::as_object);
    for name in meta.into_iter().flat_map(serde_json::Map::keys) {
        assert!(!name.starts_with(RESERVED), "{name} is left in {text}");
    }
}

fn object(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.is_object(), "no object: {text}");
    value
}
