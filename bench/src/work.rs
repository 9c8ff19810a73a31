//! The kinds of work, as the requests that they are on the wire.

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::{Method, Request, header};
use serde_json::json;

/// What one request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// `tools/call` in a session at the aggregate endpoint, tool name with its prefix.
    Aggregate,
    /// `tools/call` in a session at the server's own endpoint.
    Named,
    /// Stateless `tools/call` (2026-07-28) at the server's own endpoint.
    Stateless,
    /// `subscriptions/listen` (2026-07-28) at the aggregate endpoint.
    Listen,
    /// `POST /mcp-rest/tools/call`.
    Rest,
    /// `tools/call` in a session, for the mock and the floor.
    PlainSession,
    /// Stateless `tools/call`, for the mock and the floor.
    PlainStateless,
}

impl Work {
    /// What the gateway is asked to do.
    pub(crate) const GATEWAY: [Self; 4] =
        [Self::Aggregate, Self::Named, Self::Stateless, Self::Rest];

    /// The same work without a gateway's names and paths.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Stateless | Self::PlainStateless => Self::PlainStateless,
            _ => Self::PlainSession,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aggregate => "/mcp tools/call",
            Self::Named => "/{name}/mcp tools/call",
            Self::Stateless => "/{name}/mcp 2026-07-28",
            Self::Listen => "/mcp subscriptions/listen",
            Self::Rest => "/mcp-rest/tools/call",
            Self::PlainSession => "session",
            Self::PlainStateless => "stateless",
        }
    }

    pub(crate) fn has_session(self) -> bool {
        matches!(self, Self::Aggregate | Self::Named | Self::PlainSession)
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Aggregate | Self::Listen | Self::PlainSession | Self::PlainStateless => "/mcp",
            Self::Named | Self::Stateless => "/bench/mcp",
            Self::Rest => "/mcp-rest/tools/call",
        }
    }

    /// The body that carries `number` there and expects it back.
    pub(crate) fn body(self, number: u64) -> String {
        match self {
            Self::Rest => format!(
                r#"{{"server_id":"bench","name":"echo","arguments":{{"number":{number}}}}}"#
            ),
            Self::Listen => format!(
                r#"{{"jsonrpc":"2.0","id":{number},"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}}}}}}}}"#
            ),
            Self::Stateless | Self::PlainStateless => format!(
                r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"echo","arguments":{{"number":{number}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}}}}}}}}"#
            ),
            _ => format!(
                r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"{}","arguments":{{"number":{number}}}}}}}"#,
                if self == Self::Aggregate {
                    "bench-echo"
                } else {
                    "echo"
                }
            ),
        }
    }

    /// `initialize` and the notification that follows it.
    pub(crate) fn opening() -> [String; 2] {
        [
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"}}})
            .to_string(),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        ]
    }

    pub(crate) fn request(
        self,
        port: u16,
        credential: &str,
        session: Option<&header::HeaderValue>,
        body: String,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.path())
            .header(header::HOST, format!("127.0.0.1:{port}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::AUTHORIZATION, format!("Bearer {credential}"));
        if self == Self::Listen {
            request = request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "subscriptions/listen");
        }
        if matches!(self, Self::Stateless | Self::PlainStateless) {
            request = request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "echo");
        }
        if let Some(session) = session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
        }
        Ok(request.body(Full::from(body))?)
    }
}
