//! A gateway in this process and stateless callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::BytesMut;
use http::{Method, Request};
use http_body_util::BodyExt;
use portcullis_config::CommandLine;
use portcullis_core::{ManualClock, Role, ServerGrants};
use portcullis_gateway::wire::Embedded;
use portcullis_identity::CreatedKey;
use portcullis_server::Guarded;
use portcullis_store::AuditFilter;
use portcullis_testkit::PATIENCE;
use portcullis_testkit::upstream::FakeUpstream;
pub(crate) use portcullis_testkit::upstream::member as raw;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub(crate) const MODERN: &str = "2026-07-28";
/// What a client declares that can answer everything.
pub(crate) const ABLE: &str =
    r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{},"extensions":{"x":{}}}"#;
/// What an operator writes who lets a server ask everything.
pub(crate) const ASKS: &[&str] = &["allow_sampling: true", "allow_elicitation: true"];

pub(crate) struct House {
    pub(crate) embedded: Embedded,
    router: Guarded,
    asked: Arc<AtomicUsize>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

pub(crate) fn server(name: &str, upstream: &FakeUpstream, more: &[&str]) -> String {
    let more: String = more.iter().flat_map(|line| ["    ", line, "\n"]).collect();
    format!("  {name}:\n    url: \"{}\"\n{more}", upstream.url())
}

impl House {
    pub(crate) async fn of(servers: &[String]) -> Self {
        Self::by_clock(None, servers).await
    }

    /// By a clock that the story moves.
    pub(crate) async fn by_clock(clock: Option<Arc<ManualClock>>, servers: &[String]) -> Self {
        let text = format!("mcp_servers:\n{}", servers.concat());
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let line = CommandLine::default();
        let embedded = match clock {
            Some(clock) => Embedded::start_at(clock, &text, line, &tracker, &stop).await,
            None => Embedded::start(&text, line, &tracker, &stop).await,
        };
        let embedded = embedded.unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self {
            router: embedded.router(),
            embedded,
            asked: Arc::default(),
            tracker,
            stop,
        }
    }

    pub(crate) async fn key(&self, name: &str) -> CreatedKey {
        let grants = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        self.embedded.mint(name, Role::User, grants).await.unwrap()
    }

    pub(crate) async fn caller(&self, name: &str) -> Client {
        let key = self.key(name).await;
        self.client(&key, "/mcp/a")
    }

    pub(crate) fn client(&self, key: &CreatedKey, path: &str) -> Client {
        Client {
            router: self.router.clone(),
            asked: Arc::clone(&self.asked),
            key: key.key.expose().to_owned(),
            path: path.to_owned(),
            able: ABLE.to_owned(),
        }
    }

    /// The events of requests.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.embedded.gateway().audit().flush().await.unwrap();
        let audit = &self.embedded.stores().audit;
        let rows = audit.latest(&AuditFilter::default(), 100_000).await;
        let mut events: Vec<Value> = rows
            .unwrap()
            .iter()
            .rev()
            .map(|row| serde_json::from_str(&row.event).unwrap())
            .collect();
        events.retain(|event| event["surface"] == "mcp");
        events
    }

    /// Ends the gateway: nothing may be left running, and every request has its one event.
    pub(crate) async fn end(self) -> Vec<Value> {
        let asked = self.asked.load(Ordering::SeqCst);
        let closed = async || self.events().await.len() >= asked;
        portcullis_testkit::eventually("every request is on record", closed).await;
        let events = self.events().await;
        assert_eq!(events.len(), asked, "requests and audit events differ");
        drop(self.router);
        self.embedded.end().await;
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::time::timeout(PATIENCE, self.tracker.wait()).await;
        assert!(ended.is_ok(), "tasks are left: {}", self.tracker.len());
        events
    }
}

/// A stateless caller.
#[derive(Clone)]
pub(crate) struct Client {
    router: Guarded,
    asked: Arc<AtomicUsize>,
    key: String,
    pub(crate) path: String,
    able: String,
}

impl Client {
    #[must_use]
    pub(crate) fn at(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    #[must_use]
    pub(crate) fn able(&self, capabilities: &str) -> Self {
        Self {
            able: capabilities.to_owned(),
            ..self.clone()
        }
    }

    /// A request whose id is a number; `meta` are further members of `_meta`.
    pub(crate) async fn open(&self, id: u32, method: &str, members: &str, meta: &str) -> Opened {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let comma = |text: &str| if text.is_empty() { "" } else { "," };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}{}"_meta":{{{meta}{}"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{}}}}}}}"#,
            comma(members),
            comma(meta),
            self.able
        );
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.key))
            .header("host", "localhost")
            .header("traceparent", "00-1-2-01")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        let named = match method {
            "tools/call" | "prompts/get" => raw(&body, &["params", "name"]),
            "resources/read" => raw(&body, &["params", "uri"]),
            _ => None,
        };
        if let Some(name) = named {
            request = request.header("mcp-name", name.trim_matches('"'));
        }
        let request = request.body(Body::from(body)).unwrap();
        let sent = self.router.clone().oneshot(request);
        let response = tokio::time::timeout(PATIENCE * 3, sent).await;
        let (parts, body) = response.expect("no answer").unwrap().into_parts();
        Opened {
            status: parts.status.as_u16(),
            body,
            read: BytesMut::new(),
        }
    }

    pub(crate) async fn ask(&self, method: &str, members: &str) -> Answer {
        self.open(1, method, members, "").await.whole().await
    }

    pub(crate) async fn call(&self, members: &str) -> Answer {
        let members = format!(r#""name":"echo"{members}"#);
        self.ask("tools/call", &members).await
    }

    /// The call again, with answers to what was asked.
    pub(crate) async fn answer(&self, asked: &Answer, responses: &str) -> Answer {
        let state = asked.raw(&["result", "requestState"]);
        self.call(&format!(
            r#","inputResponses":{responses},"requestState":{state}"#
        ))
        .await
    }
}

/// A response whose body is still coming.
pub(crate) struct Opened {
    pub(crate) status: u16,
    body: Body,
    read: BytesMut,
}

impl Opened {
    /// The next event's data; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<String> {
        loop {
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block = self.read.split_to(end + 2);
                let block = std::str::from_utf8(&block).unwrap();
                let mut lines = block.lines();
                if let Some(data) = lines.find_map(|line| line.strip_prefix("data:")) {
                    return Some(data.trim_start().to_owned());
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("a silent stream")?;
            if let Ok(data) = frame.unwrap().into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }

    /// The next message, streamed or not.
    pub(crate) async fn message(&mut self) -> Option<String> {
        if let Some(data) = self.event().await {
            return Some(data);
        }
        let rest = String::from_utf8(self.read.split().to_vec()).unwrap();
        Some(rest).filter(|rest| !rest.is_empty())
    }

    pub(crate) async fn data(&mut self) -> String {
        self.event().await.expect("an event")
    }

    /// The last message, streamed or not.
    pub(crate) async fn whole(mut self) -> Answer {
        let mut text = String::new();
        while let Some(message) = self.message().await {
            text = message;
        }
        Answer {
            status: self.status,
            text,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn raw(&self, path: &[&str]) -> String {
        raw(&self.text, path).unwrap_or_else(|| panic!("no {path:?} in {self:?}"))
    }

    /// The JSON-RPC error code.
    pub(crate) fn code(&self) -> i64 {
        self.raw(&["error", "code"]).parse().unwrap()
    }

    /// `inputRequests`, as JSON text.
    #[track_caller]
    pub(crate) fn questions(&self) -> String {
        assert_eq!(self.raw(&["result", "resultType"]), "\"input_required\"");
        self.raw(&["result", "inputRequests"])
    }

    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert_eq!(self.raw(&["result", "resultType"]), "\"complete\"");
    }
}
