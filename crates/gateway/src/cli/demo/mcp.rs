//! The smallest MCP client: enough to show that the gateway is an MCP server.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::client::{Answer, GatewayClient};
use crate::cli::exit::CommandError;

const REVISION: &str = "2025-11-25";
const SESSION_ID: &str = "mcp-session-id";

/// A session at `POST /mcp`.
#[derive(Debug)]
pub struct McpSession<'c> {
    client: &'c GatewayClient,
    session: Option<String>,
}

impl<'c> McpSession<'c> {
    /// `initialize`, and the notification that ends it.
    pub async fn open(client: &'c GatewayClient) -> Result<Self, CommandError> {
        let mut session = Self {
            client,
            session: None,
        };
        let params = json!({
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": { "name": "portcullis-demo", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = session.post("initialize", Some(1), params).await?;
        if answer.status != StatusCode::OK || answer.body.pointer("/result").is_none() {
            return Err(unexpected("initialize", &answer));
        }
        session.session = answer
            .headers
            .get(SESSION_ID)
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        session
            .post("notifications/initialized", None, json!({}))
            .await?;
        Ok(session)
    }

    /// The names of all tools.
    pub async fn tool_names(&self) -> Result<Vec<String>, CommandError> {
        let answer = self.post("tools/list", Some(2), json!({})).await?;
        let tools = answer
            .body
            .pointer("/result/tools")
            .and_then(Value::as_array)
            .ok_or_else(|| unexpected("tools/list", &answer))?;
        Ok(tools
            .iter()
            .filter_map(|tool| tool.pointer("/name")?.as_str().map(str::to_owned))
            .collect())
    }

    /// `tools/call`; the JSON-RPC answer as it came.
    pub async fn call(&self, name: &str, arguments: &Value) -> Result<Answer, CommandError> {
        let params = json!({ "name": name, "arguments": arguments });
        self.post("tools/call", Some(3), params).await
    }

    /// Ends the session.
    pub async fn close(self) -> Result<(), CommandError> {
        if let Some(id) = &self.session {
            let fields = [(SESSION_ID, id.as_str())];
            self.client
                .send(Method::DELETE, "/mcp", &[], &fields, None)
                .await?;
        }
        Ok(())
    }

    async fn post(
        &self,
        method: &str,
        id: Option<u32>,
        params: Value,
    ) -> Result<Answer, CommandError> {
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let (Some(id), Some(members)) = (id, message.as_object_mut()) {
            members.insert("id".to_owned(), id.into());
        }
        let mut fields = Vec::new();
        if method != "initialize" {
            fields.push(("mcp-protocol-version", REVISION));
        }
        if let Some(id) = &self.session {
            fields.push((SESSION_ID, id.as_str()));
        }
        self.client
            .send(Method::POST, "/mcp", &[], &fields, Some(&message))
            .await
    }
}

fn unexpected(what: &str, answer: &Answer) -> CommandError {
    let why = crate::cli::client::explanation(&answer.body);
    anyhow::anyhow!("{what} was answered with {}: {why}", answer.status).into()
}
