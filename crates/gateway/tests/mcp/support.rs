//! A gateway in this process, its callers, and what they read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::BytesMut;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use portcullis_config::CommandLine;
use portcullis_core::{Clock, ManualClock, Role, ServerGrants};
use portcullis_gateway::wire::{Embedded, Presenting};
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

/// A gateway and the count of what was asked of it.
pub(crate) struct House {
    pub(crate) embedded: Embedded,
    router: Guarded,
    asked: Arc<AtomicUsize>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// One server of the file: further keys as indented YAML lines.
pub(crate) fn server(name: &str, upstream: &FakeUpstream, more: &[&str]) -> String {
    let mut text = format!("  {name}:\n    url: \"{}\"\n", upstream.url());
    for line in more {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The client-credentials keys of a server whose token endpoint the same fake is.
pub(crate) fn m2m(upstream: &FakeUpstream) -> Vec<String> {
    vec![
        "auth_type: oauth2".to_owned(),
        "oauth2_flow: client_credentials".to_owned(),
        "client_id: \"the-client\"".to_owned(),
        "client_secret: \"the-client-secret\"".to_owned(),
        format!("token_url: \"{}\"", upstream.token_url()),
    ]
}

impl House {
    /// A gateway in front of these servers.
    pub(crate) async fn of(servers: &[String]) -> Self {
        let text = format!("mcp_servers:\n{}", servers.concat());
        let tracker = TaskTracker::new();
        let stop = CancellationToken::new();
        let embedded = Embedded::start(&text, CommandLine::default(), &tracker, &stop)
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        Self::around(embedded, tracker, stop)
    }

    /// A gateway that says where it is, with something between it and its credentials.
    pub(crate) async fn presenting(
        clock: Arc<dyn Clock>,
        servers: &[String],
        between: Presenting,
    ) -> Self {
        let text = format!(
            "server: {{public_url: 'https://gw.test'}}\nmcp_servers:\n{}",
            servers.concat()
        );
        let tracker = TaskTracker::new();
        let stop = CancellationToken::new();
        let embedded = Embedded::start_presenting(clock, &text, &tracker, &stop, between)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self::around(embedded, tracker, stop)
    }

    /// One of several gateways that share a database and its key ring.
    pub(crate) async fn beside(database: &Path, servers: &[String]) -> Self {
        Self::beside_with(database, "", servers).await
    }

    /// The same with further sections of the file.
    pub(crate) async fn beside_with(database: &Path, sections: &str, servers: &[String]) -> Self {
        let text = format!("{sections}mcp_servers:\n{}", servers.concat());
        let tracker = TaskTracker::new();
        let stop = CancellationToken::new();
        let command_line = CommandLine::default();
        let embedded = Embedded::start_on(database, &text, command_line, &tracker, &stop)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self::around(embedded, tracker, stop)
    }

    /// The same, by a clock that the story moves, with further sections of the file.
    pub(crate) async fn by_clock(
        clock: Arc<ManualClock>,
        sections: &str,
        servers: &[String],
    ) -> Self {
        let text = format!("{sections}mcp_servers:\n{}", servers.concat());
        let tracker = TaskTracker::new();
        let stop = CancellationToken::new();
        let line = CommandLine::default();
        let embedded = Embedded::start_at(clock, &text, line, &tracker, &stop)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self::around(embedded, tracker, stop)
    }

    fn around(embedded: Embedded, tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            router: embedded.router(),
            embedded,
            asked: Arc::default(),
            tracker,
            stop,
        }
    }

    pub(crate) async fn mint(&self, name: &str, grants: ServerGrants) -> CreatedKey {
        self.embedded.mint(name, Role::User, grants).await.unwrap()
    }

    /// Somebody who may see everything.
    pub(crate) async fn caller(&self, name: &str) -> Client {
        let grants = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        let key = self.mint(name, grants).await.key;
        self.client(key.expose())
    }

    /// Somebody who may see these servers.
    pub(crate) async fn limited(&self, name: &str, servers: &[&str], groups: &[&str]) -> Client {
        let grants = ServerGrants {
            servers: servers.iter().map(|&server| server.into()).collect(),
            access_groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..ServerGrants::default()
        };
        let key = self.mint(name, grants).await.key;
        self.client(key.expose())
    }

    /// Somebody with this key.
    pub(crate) fn client(&self, key: &str) -> Client {
        Client {
            router: self.router.clone(),
            asked: Arc::clone(&self.asked),
            key: key.to_owned(),
            path: "/mcp".to_owned(),
            session: None,
            version: None,
            extra: Vec::new(),
        }
    }

    /// Somebody without any credential.
    pub(crate) fn stranger(&self) -> Client {
        self.client("")
    }

    /// How many requests were made of it.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn router(&self) -> Guarded {
        self.router.clone()
    }

    /// A request that is no governed one: nothing of it is on record.
    pub(crate) fn forget_one(&self) {
        self.asked.fetch_sub(1, Ordering::SeqCst);
    }

    /// Requests that no [`Client`] counted.
    pub(crate) fn also_asked(&self, requests: usize) {
        self.asked.fetch_add(requests, Ordering::SeqCst);
    }

    pub(crate) async fn events(&self) -> Vec<Value> {
        self.embedded.gateway().audit().flush().await.unwrap();
        let rows = self
            .embedded
            .stores()
            .audit
            .latest(&AuditFilter::default(), 100_000)
            .await
            .unwrap();
        rows.iter()
            .rev()
            .map(|row| serde_json::from_str(&row.event).unwrap())
            .collect()
    }

    /// The events of requests, administration left out.
    pub(crate) async fn request_events(&self) -> Vec<Value> {
        let mut events = self.events().await;
        events.retain(|event| event["surface"] == "mcp" || event["surface"] == "rest");
        events
    }

    /// Ends the gateway: nothing may be left running, and every request has its one event.
    pub(crate) async fn end(self) {
        let asked = self.asked.load(Ordering::SeqCst);
        // Streams that a story dropped close their event when the body is gone.
        let closed = async || self.request_events().await.len() >= asked;
        portcullis_testkit::eventually("every request is on record", closed).await;
        let events = self.request_events().await;
        let ids: std::collections::BTreeSet<&str> = events
            .iter()
            .map(|event| event["request_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), events.len(), "a request has two events");
        assert_eq!(events.len(), asked, "requests and audit events differ");
        drop(self.router);
        self.embedded.end().await;
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::time::timeout(PATIENCE, self.tracker.wait()).await;
        assert!(ended.is_ok(), "tasks are left: {}", self.tracker.len());
    }
}

/// A caller.
#[derive(Clone)]
pub(crate) struct Client {
    router: Guarded,
    asked: Arc<AtomicUsize>,
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) session: Option<String>,
    pub(crate) version: Option<&'static str>,
    pub(crate) extra: Vec<(String, String)>,
}

impl Client {
    #[must_use]
    pub(crate) fn at(&self, path: &str) -> Self {
        let mut client = self.clone();
        client.path = path.to_owned();
        client.session = None;
        client
    }

    #[must_use]
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.extra.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same key, in LiteLLM's header, and a token of the caller's own beside it.
    #[must_use]
    pub(crate) fn bringing(&self, token: &str) -> Self {
        let key = self.key.clone();
        self.with("x-litellm-api-key", &key)
            .with("authorization", &format!("Bearer {token}"))
    }

    /// The same key in LiteLLM's header, and nothing in its usual place.
    #[must_use]
    pub(crate) fn by_key_header(&self) -> Self {
        let mut client = self.with("x-litellm-api-key", &self.key.clone());
        client.key.clear();
        client
    }

    /// The same session in somebody else's hands.
    #[must_use]
    pub(crate) fn in_session_of(&self, other: &Self) -> Self {
        let mut client = self.clone();
        client.session.clone_from(&other.session);
        client
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Opened {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&self.path)
            .header("accept", "application/json, text/event-stream");
        if !self.key.is_empty() && !self.extra.iter().any(|(name, _)| name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        if method == Method::POST {
            request = request.header("content-type", "application/json");
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(version) = self.version {
            request = request.header("mcp-protocol-version", version);
        }
        let extra = self
            .extra
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in extra.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let sent = self.router.clone().oneshot(request);
        let response = tokio::time::timeout(PATIENCE * 3, sent)
            .await
            .expect("no answer")
            .unwrap();
        let (parts, body) = response.into_parts();
        Opened {
            status: parts.status,
            headers: parts.headers,
            body,
            read: BytesMut::new(),
        }
    }

    /// POSTs a message and reads everything.
    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.request(Method::POST, body, &[]).await.whole().await
    }

    /// POSTs a message and leaves the body open.
    pub(crate) async fn open(&self, body: &str) -> Opened {
        self.request(Method::POST, body, &[]).await
    }

    pub(crate) async fn get(&self, headers: &[(&str, &str)]) -> Opened {
        self.request(Method::GET, "", headers).await
    }

    /// Opens a session and keeps its id.
    pub(crate) async fn initialize(&mut self, capabilities: &str) -> Answer {
        self.session = None;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"story","version":"1"}}}}}}"#
        );
        let answer = self.post(&body).await;
        self.session = answer
            .headers
            .get("mcp-session-id")
            .map(|value| value.to_str().unwrap().to_owned());
        self.version = Some("2025-11-25");
        answer
    }

    /// A legacy request with id 1.
    pub(crate) async fn rpc(&self, method: &str, params: &str) -> Answer {
        self.post(&legacy(method, params)).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Answer {
        self.rpc("tools/call", &call_params(tool, arguments)).await
    }

    /// A request of 2026-07-28, its headers as they should be.
    pub(crate) async fn modern(&self, method: &str, members: &str) -> Answer {
        self.modern_open(method, members, "{}").await.whole().await
    }

    pub(crate) async fn modern_open(
        &self,
        method: &str,
        members: &str,
        capabilities: &str,
    ) -> Opened {
        let body = modern_body(method, members, capabilities);
        let name = name_of(&body);
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        if let Some(name) = &name {
            headers.push(("mcp-name", name));
        }
        self.request(Method::POST, &body, &headers).await
    }

    pub(crate) async fn modern_call(&self, tool: &str, arguments: &str) -> Answer {
        self.modern(
            "tools/call",
            &format!(r#""name":"{tool}","arguments":{arguments}"#),
        )
        .await
    }
}

pub(crate) const MODERN: &str = "2026-07-28";

pub(crate) fn legacy(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

pub(crate) fn call_params(tool: &str, arguments: &str) -> String {
    format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#)
}

pub(crate) fn modern_body(method: &str, members: &str, capabilities: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{members}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    )
}

/// What `Mcp-Name` mirrors.
fn name_of(body: &str) -> Option<String> {
    let params = raw(body, &["params"])?;
    let method: String = serde_json::from_str(&raw(body, &["method"])?).unwrap();
    let member = match method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/cancel" | "tasks/update" => "taskId",
        _ => return None,
    };
    serde_json::from_str(&raw(&params, &[member])?).ok()
}

/// What is lost or changed by whoever reads JSON into values and prints it again.
pub(crate) const AWKWARD: &str = r#"{"n":123456789012345678901234567890,"e":1e400,"d":0.10000000000000000555,"s":"\u00e9\/\ud83d\ude00","u":{"x-unknown":[null,-0,1.0]},"":1}"#;

/// A response whose body is still coming.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Body,
    read: BytesMut,
}

/// A server-sent event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Opened {
    pub(crate) fn is_stream(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|value| value == "text/event-stream")
    }

    /// The next event with data; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block = self.read.split_to(end + 2);
                let block = std::str::from_utf8(&block).unwrap();
                let fields = |name: &str| -> Vec<&str> {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::trim_start).collect()
                };
                let id = fields("id:").first().map(|&id| id.to_owned());
                let data = fields("data:");
                if !data.is_empty() {
                    let data = data.join("\n");
                    return Some(Event { id, data });
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("a silent stream")?;
            if let Ok(data) = frame.unwrap().into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }

    /// The data of the next event, which must come.
    pub(crate) async fn data(&mut self) -> String {
        self.event().await.expect("an event").data
    }

    /// Whether the stream ends; what comes before is dropped.
    pub(crate) async fn ends(&mut self) {
        while self.event().await.is_some() {}
    }

    /// Everything that comes; of a stream, the last event that has data.
    pub(crate) async fn whole(mut self) -> Answer {
        let mut text = String::new();
        if self.is_stream() {
            while let Some(event) = self.event().await {
                text = event.data;
            }
        } else {
            let collected = tokio::time::timeout(PATIENCE, self.body.collect())
                .await
                .expect("a body");
            text.push_str(std::str::from_utf8(&collected.unwrap().to_bytes()).unwrap());
        }
        Answer {
            status: self.status.as_u16(),
            headers: self.headers,
            text,
        }
    }
}

/// Waits for something that happens elsewhere and can be seen at once.
pub(crate) async fn eventually(what: &str, happened: impl Fn() -> bool) {
    portcullis_testkit::eventually(what, async || happened()).await;
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The bytes of a member.
    pub(crate) fn raw(&self, path: &[&str]) -> String {
        raw(&self.text, path).unwrap_or_else(|| panic!("no {path:?} in {self:?}"))
    }

    /// The JSON-RPC error code.
    pub(crate) fn code(&self) -> i64 {
        raw(&self.text, &["error", "code"])
            .unwrap_or_else(|| panic!("no error in {self:?}"))
            .parse()
            .unwrap()
    }

    /// The names in a list of tools or prompts.
    pub(crate) fn names(&self) -> Vec<String> {
        let json = self.json();
        let result = if json["result"].is_object() {
            &json["result"]
        } else {
            &json
        };
        let list = ["tools", "prompts"]
            .iter()
            .find_map(|member| result[*member].as_array());
        list.unwrap_or_else(|| panic!("no list in {}", self.text))
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }
}
