//! A gateway on a socket, and clients of HTTP+SSE that read their stream event by event.

use portcullis_testkit::gateway::{Actor, Ask, Connection, Reply, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
pub(crate) use portcullis_testkit::upstream::member as raw;
use serde_json::Value;

/// A gateway in front of these servers; further keys of each as YAML lines.
pub(crate) async fn gateway(servers: &[(&str, &FakeUpstream)], more: &[&str]) -> TestGateway {
    let mut yaml = "mcp_servers:\n".to_owned();
    for (name, upstream) in servers {
        yaml.extend(["  ", name, ":\n    url: ", &upstream.url(), "\n"]);
        for line in more {
            yaml.extend(["    ", line, "\n"]);
        }
    }
    TestGateway::start(&yaml).await
}

/// A JSON-RPC request.
pub(crate) fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// A tool call.
pub(crate) fn call(id: &str, tool: &str) -> String {
    request(
        id,
        "tools/call",
        &format!(r#"{{"name":"{tool}","arguments":{{}}}}"#),
    )
}

/// `initialize` of this revision.
pub(crate) fn initialize(revision: &str, capabilities: &str) -> String {
    let info = r#"{"name":"story","version":"1"}"#;
    request(
        "0",
        "initialize",
        &format!(
            r#"{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{info}}}"#
        ),
    )
}

/// An event stream that is being read.
pub(crate) struct Events {
    connection: Connection,
    /// How much of what was heard is in `body`.
    taken: usize,
    /// What came in chunks and was not read.
    body: String,
    over: bool,
}

impl Events {
    pub(crate) async fn begin(gateway: &TestGateway, ask: &Ask) -> Self {
        let mut connection = Connection::begin(gateway.address(), ask).await;
        assert!(connection.until("\r\n\r\n").await, "no answer");
        let head = String::from_utf8_lossy(connection.heard()).into_owned();
        assert!(head.contains("text/event-stream"), "no stream: {head}");
        Self {
            taken: head.find("\r\n\r\n").unwrap() + 4,
            connection,
            body: String::new(),
            over: false,
        }
    }

    /// Takes the chunks that came whole.
    fn take(&mut self) {
        loop {
            let rest = &self.connection.heard()[self.taken..];
            let Some(line) = rest.windows(2).position(|end| end == b"\r\n") else {
                return;
            };
            let size = std::str::from_utf8(&rest[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let Some(chunk) = rest.get(line + 2..line + 4 + size) else {
                return;
            };
            let text = std::str::from_utf8(&chunk[..size]).unwrap();
            self.body.push_str(&text.replace("\r\n", "\n"));
            self.over |= size == 0;
            self.taken += line + 4 + size;
        }
    }

    /// The type and the data of the next event; `None`: the stream ended.
    pub(crate) async fn event(&mut self) -> Option<(String, String)> {
        loop {
            self.take();
            while let Some(end) = self.body.find("\n\n") {
                let block: String = self.body.drain(..end + 2).collect();
                let field = |name: &str| -> String {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
                };
                if !block.starts_with(':') {
                    let id = field("id:");
                    assert_eq!(id, "", "there is nothing to come back to");
                    return Some((field("event:"), field("data:")));
                }
            }
            if self.over || !self.connection.more().await {
                return None;
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> String {
        let (kind, data) = self.event().await.expect("a message");
        assert!(matches!(kind.as_str(), "message" | ""), "{kind}: {data}");
        data
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) {
        while self.event().await.is_some() {}
    }
}

/// A client of HTTP+SSE.
pub(crate) struct SseClient {
    pub(crate) actor: Actor,
    pub(crate) events: Events,
    /// Where it was told to send messages.
    pub(crate) endpoint: String,
}

impl SseClient {
    /// Opens a stream.
    pub(crate) async fn open(gateway: &TestGateway, actor: &Actor, path: &str) -> Self {
        let ask = actor.sign(Ask::get(path).header("accept", "text/event-stream"));
        let mut events = Events::begin(gateway, &ask).await;
        let (kind, endpoint) = events.event().await.expect("an event");
        assert_eq!(kind, "endpoint", "{endpoint}");
        Self {
            actor: actor.clone(),
            events,
            endpoint,
        }
    }

    /// Opens a stream and says hello.
    pub(crate) async fn ready(gateway: &TestGateway, actor: &Actor, path: &str) -> Self {
        let mut client = Self::open(gateway, actor, path).await;
        client
            .hello("2025-11-25", r#"{"sampling":{},"elicitation":{}}"#)
            .await;
        client
    }

    /// Says hello; what the server says.
    pub(crate) async fn hello(&mut self, revision: &str, capabilities: &str) -> Value {
        let answer = self.ask(&initialize(revision, capabilities)).await;
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(self.send(initialized).await.status, 202);
        serde_json::from_str(&answer).unwrap()
    }

    /// Sends a message.
    pub(crate) async fn send(&self, message: &str) -> Reply {
        self.actor.ask(posted(&self.endpoint, message)).await
    }

    /// Sends a request and reads the next message.
    pub(crate) async fn ask(&mut self, request: &str) -> String {
        let taken = self.send(request).await;
        assert_eq!(
            (taken.status, taken.text()),
            (202, String::new()),
            "{taken:?}"
        );
        self.events.message().await
    }
}

/// A message to this address.
pub(crate) fn posted(endpoint: &str, message: &str) -> Ask {
    Ask::new("POST", endpoint)
        .header("content-type", "application/json")
        .body(message)
}
