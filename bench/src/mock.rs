//! The upstream: MCP of both eras in plain JSON answers, behind a token from its own `/token`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode, body::Incoming, header};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::http::{self, Answer, TOKEN};

#[derive(Debug, Default)]
struct Counts {
    tools: usize,
    calls: AtomicU64,
    wrong: AtomicU64,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    arguments: Option<Arguments>,
    #[serde(default, rename = "protocolVersion")]
    protocol_version: Option<String>,
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    number: u64,
}

pub(crate) async fn serve(port: u16, tools: usize) -> anyhow::Result<()> {
    let counts = Arc::new(Counts {
        tools,
        ..Counts::default()
    });
    http::serve(port, move |request| answer(request, Arc::clone(&counts))).await
}

async fn answer(request: Request<Incoming>, counts: Arc<Counts>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/health") | (&Method::DELETE, "/mcp") => http::empty(StatusCode::OK),
        (&Method::GET, "/counts") => {
            let (calls, wrong) = (&counts.calls, &counts.wrong);
            http::json(
                json!({"calls": calls.load(Ordering::Relaxed), "wrong": wrong.load(Ordering::Relaxed)})
                    .to_string(),
            )
        }
        (&Method::POST, "/token") => http::json(
            json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}).to_string(),
        ),
        (&Method::POST, "/mcp") => mcp(request, &counts).await,
        (_, "/mcp") => http::empty(StatusCode::METHOD_NOT_ALLOWED),
        _ => http::empty(StatusCode::NOT_FOUND),
    }
}

async fn mcp(request: Request<Incoming>, counts: &Counts) -> Answer {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let trusted = authorization
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .is_some_and(|token| token == TOKEN.as_bytes());
    if !trusted {
        counts.wrong.fetch_add(1, Ordering::Relaxed);
        return http::empty(StatusCode::UNAUTHORIZED);
    }
    let modern = request
        .headers()
        .get("mcp-protocol-version")
        .is_some_and(|version| version.as_bytes() >= b"2026-07-28".as_slice());
    let Ok(body) = request.into_body().collect().await else {
        return http::empty(StatusCode::BAD_REQUEST);
    };
    let body = body.to_bytes();
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        return http::empty(StatusCode::BAD_REQUEST);
    };
    let Some(id) = envelope.id else {
        return http::empty(StatusCode::ACCEPTED);
    };
    if envelope.method == "tools/call" {
        counts.calls.fetch_add(1, Ordering::Relaxed);
        let arguments = envelope.params.and_then(|params| params.arguments);
        let number = arguments.map_or(0, |arguments| arguments.number);
        let result_type = if modern {
            r#""resultType":"complete","#
        } else {
            ""
        };
        return http::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{{result_type}"content":[{{"type":"text","text":"number {number}."}}]}}}}"#
        ));
    }
    if modern && envelope.method == "subscriptions/listen" {
        return http::held(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
        ));
    }
    other(&envelope, id, modern, counts.tools)
}

fn other(envelope: &Envelope<'_>, id: &RawValue, modern: bool, tools: usize) -> Answer {
    let asked = envelope
        .params
        .as_ref()
        .and_then(|params| params.protocol_version.as_deref());
    let info = json!({"name": "bench", "version": "1"});
    let mut result = match envelope.method.as_str() {
        "initialize" if !modern => json!({
            "protocolVersion": asked.filter(|asked| *asked < "2026").unwrap_or("2025-11-25"),
            "capabilities": {"tools": {}}, "serverInfo": info}),
        "server/discover" => json!({
            "supportedVersions": ["2025-11-25", "2026-07-28"], "capabilities": {"tools": {"listChanged": true}},
            "ttlMs": 60_000, "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": info}}),
        "ping" if !modern => json!({}),
        "tools/list" => {
            let others = (1..tools).map(|number| format!("echo{number}"));
            let all: Vec<Value> = std::iter::once("echo".to_owned())
                .chain(others)
                .map(|name| json!({"name": name, "description": "Says the number again",
                    "inputSchema": {"type": "object", "properties": {"number": {"type": "integer"}}}}))
                .collect();
            json!({"tools": all})
        }
        _ => {
            let error = json!({"jsonrpc": "2.0", "id": id,
                "error": {"code": -32601, "message": "method not found"}});
            let mut answer = http::json(error.to_string());
            if modern {
                *answer.status_mut() = StatusCode::NOT_FOUND;
            }
            return answer;
        }
    };
    if let (true, Value::Object(result)) = (modern, &mut result) {
        result.insert("resultType".to_owned(), json!("complete"));
        result.entry("ttlMs").or_insert(json!(60_000));
        result.entry("cacheScope").or_insert(json!("public"));
    }
    let mut answer = http::json(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    if envelope.method == "initialize" {
        let session = header::HeaderValue::from_static("bench-session");
        answer.headers_mut().insert("mcp-session-id", session);
    }
    answer
}
