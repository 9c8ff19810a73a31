//! A running gateway, seen from its REST API.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use portcullis_core::ApiKey;
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use super::exit::CommandError;
use super::output::printable;

/// Talks to one gateway with one key.
#[derive(Clone, Debug)]
pub struct GatewayClient {
    http: Arc<dyn HttpClient>,
    base: Url,
    key: Option<ApiKey>,
    policy: EgressPolicy,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body if it was JSON, else null.
    pub body: Value,
    /// The body as it came.
    pub bytes: Bytes,
}

/// A page of the audit trail.
#[derive(Debug, Deserialize)]
pub struct AuditPage {
    /// Events, character by character as they came.
    pub events: Vec<Box<RawValue>>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl GatewayClient {
    /// A client for the gateway at `base`. Plain http beyond this machine needs
    /// `allow_insecure_http`.
    pub fn new(
        http: Arc<dyn HttpClient>,
        base: Url,
        key: Option<ApiKey>,
        allow_insecure_http: bool,
    ) -> Result<Self, CommandError> {
        if base.cannot_be_a_base() || !base.username().is_empty() || base.password().is_some() {
            let what = "the gateway's URL must be http(s) and hold no credentials";
            return Err(CommandError::Usage(what.to_owned()));
        }
        let policy = EgressPolicy {
            // A tool may take its time, and results may be large.
            head_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(1),
            max_body: Some(64 * 1024 * 1024),
            ..EgressPolicy::document(Destination::Operator {
                allow_insecure_http,
            })
        };
        Ok(Self {
            http,
            base,
            key,
            policy,
        })
    }

    /// The same gateway with another key.
    #[must_use]
    pub fn with_key(&self, key: ApiKey) -> Self {
        Self {
            key: Some(key),
            ..self.clone()
        }
    }

    /// The gateway's base URL, without a slash at its end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET /mcp-rest/tools/list`.
    pub async fn tools(&self, server: Option<&str>) -> Result<Value, CommandError> {
        let query: Vec<_> = server.map(|id| ("server_id", id)).into_iter().collect();
        self.get("/mcp-rest/tools/list", &query).await
    }

    /// `POST /mcp-rest/tools/call`.
    pub async fn call_tool(
        &self,
        server: Option<&str>,
        name: &str,
        arguments: &Value,
    ) -> Result<Value, CommandError> {
        let mut body = json!({ "name": name, "arguments": arguments });
        if let (Some(server), Some(members)) = (server, body.as_object_mut()) {
            members.insert("server_id".to_owned(), server.into());
        }
        self.post("/mcp-rest/tools/call", &body).await
    }

    /// `POST /key/generate`.
    pub async fn generate_key(&self, wanted: &Value) -> Result<Value, CommandError> {
        self.post("/key/generate", wanted).await
    }

    /// `GET /key/list`.
    pub async fn keys(&self) -> Result<Value, CommandError> {
        self.get("/key/list", &[]).await
    }

    /// `GET /key/info`.
    pub async fn key_info(&self, id: &str) -> Result<Value, CommandError> {
        self.get("/key/info", &[("key_id", id)]).await
    }

    /// `POST /key/delete`.
    pub async fn delete_key(&self, id: &str) -> Result<Value, CommandError> {
        self.post("/key/delete", &json!({ "keys": [id] })).await
    }

    /// `POST /v1/revocations`.
    pub async fn revoke(&self, wanted: &Value) -> Result<Value, CommandError> {
        self.post("/v1/revocations", wanted).await
    }

    /// `GET /v1/revocations`, page by page, as one answer.
    pub async fn revocations(&self) -> Result<Value, CommandError> {
        let (mut entries, mut damaged) = (Vec::new(), Vec::new());
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", "1000")];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let mut page = self.get("/v1/revocations", &query).await?;
            for (at, all) in [("/revocations", &mut entries), ("/damaged", &mut damaged)] {
                if let Some(Value::Array(items)) = page.pointer_mut(at).map(Value::take) {
                    all.extend(items);
                }
            }
            let next = page.pointer("/next").and_then(Value::as_str);
            match next {
                Some(next) if after.as_deref() != Some(next) => after = Some(next.to_owned()),
                _ => {
                    return Ok(json!({"revocations": entries, "damaged": damaged, "next": null}));
                }
            }
        }
    }

    /// `DELETE /v1/revocations/{id}`.
    pub async fn lift_revocation(&self, id: &str, altered: bool) -> Result<Value, CommandError> {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let path = format!("/v1/revocations/{id}");
        let query: &[(&str, &str)] = if altered { &[("altered", "true")] } else { &[] };
        let answer = self.send(Method::DELETE, &path, query, &[], None).await?;
        self.success(answer)
    }

    /// `GET /v1/approvals`, page by page, as one answer: those that are pending, or all.
    pub async fn approvals(&self, all: bool) -> Result<Value, CommandError> {
        let mut listed = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", "1000")];
            if !all {
                query.push(("status", "pending"));
            }
            query.extend(after.as_deref().map(|after| ("after", after)));
            let mut page = self.get("/v1/approvals", &query).await?;
            if let Some(Value::Array(items)) = page.pointer_mut("/approvals").map(Value::take) {
                listed.extend(items);
            }
            let next = page.pointer("/next").and_then(Value::as_str);
            match next {
                Some(next) if after.as_deref() != Some(next) => after = Some(next.to_owned()),
                _ => return Ok(json!({"approvals": listed, "next": null})),
            }
        }
    }

    /// `GET /v1/approvals/{id}`.
    pub async fn approval(&self, id: &str) -> Result<Value, CommandError> {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.get(&format!("/v1/approvals/{id}"), &[]).await
    }

    /// `POST /v1/approvals/{id}/approve`, or `/deny`.
    pub async fn decide_approval(
        &self,
        id: &str,
        verb: &str,
        body: &Value,
    ) -> Result<Value, CommandError> {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.post(&format!("/v1/approvals/{id}/{verb}"), body).await
    }

    /// `GET /v1/pins`, page by page, as one answer.
    pub async fn pins(
        &self,
        server: Option<&str>,
        state: Option<&str>,
    ) -> Result<Value, CommandError> {
        let mut listed = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", "1000")];
            query.extend(server.map(|server| ("server", server)));
            query.extend(state.map(|state| ("state", state)));
            query.extend(after.as_deref().map(|after| ("after", after)));
            let mut page = self.get("/v1/pins", &query).await?;
            if let Some(Value::Array(items)) = page.pointer_mut("/pins").map(Value::take) {
                listed.extend(items);
            }
            let next = page.pointer("/next").and_then(Value::as_str);
            match next {
                Some(next) if after.as_deref() != Some(next) => after = Some(next.to_owned()),
                _ => return Ok(json!({"pins": listed, "next": null})),
            }
        }
    }

    /// `GET /v1/pins/{server}/{tool}`.
    pub async fn pin(&self, server: &str, tool: &str) -> Result<Value, CommandError> {
        self.get(&pin_path(server, tool), &[]).await
    }

    /// `POST /v1/pins/{server}/{tool}/approve`.
    pub async fn approve_pin(
        &self,
        server: &str,
        tool: &str,
        hash: &str,
    ) -> Result<Value, CommandError> {
        let path = format!("{}/approve", pin_path(server, tool));
        self.post(&path, &json!({"hash": hash})).await
    }

    /// `DELETE /v1/pins/{server}/{tool}`.
    pub async fn forget_pin(&self, server: &str, tool: &str) -> Result<Value, CommandError> {
        let path = pin_path(server, tool);
        let answer = self.send(Method::DELETE, &path, &[], &[], None).await?;
        self.success(answer)
    }

    /// `GET /v1/mcp/server`.
    pub async fn servers(&self) -> Result<Value, CommandError> {
        self.get("/v1/mcp/server", &[]).await
    }

    /// `GET /v1/audit`.
    pub async fn audit(&self, query: &[(&str, &str)]) -> Result<Value, CommandError> {
        self.get("/v1/audit", query).await
    }

    /// `GET /v1/audit`, each event as it was recorded.
    pub async fn audit_page(&self, query: &[(&str, &str)]) -> Result<AuditPage, CommandError> {
        let answer = self
            .send(Method::GET, "/v1/audit", query, &[], None)
            .await?;
        let bytes = answer.bytes.clone();
        self.success(answer)?;
        let page = serde_json::from_slice(&bytes);
        Ok(page.context("the gateway's answer holds no events")?)
    }

    /// A GET whose answer must be a success.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, CommandError> {
        let answer = self.send(Method::GET, path, query, &[], None).await?;
        self.success(answer)
    }

    /// A POST whose answer must be a success.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, CommandError> {
        let answer = self.send(Method::POST, path, &[], &[], Some(body)).await?;
        self.success(answer)
    }

    /// A PUT or DELETE whose answer must be a success.
    pub async fn change(
        &self,
        method: Method,
        path: &str,
        fields: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let answer = self.send(method, path, &[], fields, body).await?;
        self.success(answer)
    }

    /// Any request; an answer of any status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        fields: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, CommandError> {
        let mut url = format!("{}{path}", self.base());
        if !query.is_empty() {
            let mut encoded = url::form_urlencoded::Serializer::new(String::new());
            encoded.extend_pairs(query);
            url.push('?');
            url.push_str(&encoded.finish());
        }
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, "application/json, text/event-stream");
        if let Some(key) = &self.key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                .map_err(|_| CommandError::Usage("the key holds impossible characters".into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let bytes = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
        };
        let request = request
            .body(RequestBody::new(bytes))
            .context("cannot build the request")?;
        let unreachable = |source| CommandError::Unreachable {
            url: self.base().to_owned(),
            source,
        };
        let response = self
            .http
            .send(request, &self.policy)
            .await
            .map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(unreachable)?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: parse(&bytes),
            bytes,
        })
    }

    fn success(&self, answer: Answer) -> Result<Value, CommandError> {
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        if answer.status == StatusCode::UNAUTHORIZED && self.key.is_none() {
            return Err(CommandError::NoKey);
        }
        let message = explanation(&answer.body);
        let status = answer.status.as_u16();
        if matches!(
            answer.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Err(CommandError::Refused { status, message });
        }
        Err(anyhow::anyhow!("the gateway answered {status}: {message}").into())
    }
}

/// Names may hold anything: each is one segment of the path (RFC 3986 §3.3).
fn pin_path(server: &str, tool: &str) -> String {
    let mut path = String::from("/v1/pins");
    for name in [server, tool] {
        path.push('/');
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

/// JSON, or the one JSON message inside an event stream.
fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .ok()
        .or_else(|| {
            let text = std::str::from_utf8(bytes).ok()?;
            text.lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .find_map(|data| {
                    let message: Value = serde_json::from_str(data.trim_start()).ok()?;
                    message.get("id").is_some().then_some(message)
                })
        })
        .unwrap_or(Value::Null)
}

/// What an error body says: problem+json, LiteLLM's two shapes, OAuth's.
pub(crate) fn explanation(body: &Value) -> String {
    [
        "/detail",
        "/detail/message",
        "/error/message",
        "/error_description",
        "/message",
        "/title",
        "/error",
    ]
    .into_iter()
    .find_map(|at| body.pointer(at)?.as_str())
    .map_or_else(|| "no explanation".to_owned(), printable)
}
