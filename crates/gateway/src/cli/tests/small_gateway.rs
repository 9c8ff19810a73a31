//! Just enough of a gateway, in front of the real mock server, to show the client and the demo
//! something true: one key, one server, a token that is kept (or not), an audit trail.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Request, StatusCode, header};
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody};
use portcullis_server::listen::{Bound, ListenSettings, Stop};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::loopback::Loopback;
use crate::mock;

pub(super) const KEY: &str = "sk-right";
const PREFIX: &str = "support-";

pub(super) struct SmallGateway {
    pub(super) base: String,
    pub(super) mock: String,
}

struct Inside {
    mock: String,
    keeps_token: bool,
    token: Mutex<Option<String>>,
    trail: Mutex<Vec<Value>>,
}

impl SmallGateway {
    pub(super) async fn start() -> Self {
        Self::with(true).await
    }

    pub(super) async fn wasteful() -> Self {
        Self::with(false).await
    }

    async fn with(keeps_token: bool) -> Self {
        let tasks = TaskTracker::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mock = format!("http://{}", listener.local_addr().unwrap());
        tasks.spawn(mock::serve(
            listener,
            mock::Settings::default(),
            Stop::default(),
        ));
        let inside = Arc::new(Inside {
            mock: mock.clone(),
            keeps_token,
            token: Mutex::default(),
            trail: Mutex::default(),
        });
        let router = Router::new()
            .route("/mcp", post(mcp).delete(mcp))
            .route("/mcp-rest/tools/list", get(list))
            .route("/mcp-rest/tools/call", post(call))
            .route("/v1/mcp/server", get(servers))
            .route("/v1/audit", get(audit))
            .with_state(inside);
        let bound = Bound::bind("127.0.0.1", 0, ListenSettings::default())
            .await
            .unwrap();
        let base = format!("http://{}", bound.local_addr());
        tasks.spawn(bound.serve(router, Stop::default()));
        Self { base, mock }
    }
}

impl Inside {
    fn admit(&self, headers: &HeaderMap, what: &str) -> Option<Response> {
        let right = headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value == format!("Bearer {KEY}").as_str());
        let mut trail = self.trail.lock().unwrap();
        let id = format!("r{}", trail.len());
        trail.push(json!({ "event": "request", "request_id": id, "surface": what, "at": "2026-11-21T07:53:00.000Z" }));
        (!right).then(|| {
            let body = Json(json!({ "error": { "message": "invalid key" } }));
            (StatusCode::UNAUTHORIZED, body).into_response()
        })
    }

    async fn token(&self) -> String {
        let kept = self.token.lock().unwrap().clone();
        if let Some(token) = kept.filter(|_| self.keeps_token) {
            return token;
        }
        let form = "grant_type=client_credentials&client_id=test-client&client_secret=test-secret";
        let request = Request::post(format!("{}/oauth/token", self.mock))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(RequestBody::new(Bytes::from_static(form.as_bytes())))
            .unwrap();
        let answer: Value = serde_json::from_slice(&send(request).await.2).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        *self.token.lock().unwrap() = Some(token.clone());
        token
    }

    async fn upstream(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = Request::post(format!("{}/mcp", self.mock))
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.token().await),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
            .body(RequestBody::new(Bytes::from(message.to_string())))
            .unwrap();
        serde_json::from_slice(&send(request).await.2).unwrap()
    }
}

async fn send(request: Request<RequestBody>) -> (StatusCode, HeaderMap, Bytes) {
    let policy = EgressPolicy::document(Destination::Operator {
        allow_insecure_http: false,
    });
    let (parts, body) = Loopback.send(request, &policy).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap())
}

/// Passes sessions through, with names and credential exchanged.
async fn mcp(
    State(inside): State<Arc<Inside>>,
    method: http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let what = message["method"].as_str().unwrap_or("DELETE").to_owned();
    if let Some(refusal) = inside.admit(&headers, &what) {
        return refusal;
    }
    if let Some(name) = message.pointer_mut("/params/name") {
        *name = name.as_str().unwrap().trim_start_matches(PREFIX).into();
    }
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}/mcp", inside.mock));
    for name in [
        "content-type",
        "accept",
        "mcp-session-id",
        "mcp-protocol-version",
    ] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let body = if body.is_empty() {
        body
    } else {
        Bytes::from(message.to_string())
    };
    let token = inside.token().await;
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    let (status, fields, body) = send(request.body(RequestBody::new(body)).unwrap()).await;
    let mut response = Response::builder().status(status);
    if let Some(session) = fields.get("mcp-session-id") {
        response = response.header("mcp-session-id", session);
    }
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(mut answer) => {
            prefix(answer.pointer_mut("/result/tools"));
            Body::from(answer.to_string())
        }
        Err(_) => Body::from(body),
    };
    response.body(body).unwrap()
}

fn prefix(tools: Option<&mut Value>) {
    for tool in tools.and_then(Value::as_array_mut).into_iter().flatten() {
        tool["name"] = format!("{PREFIX}{}", tool["name"].as_str().unwrap()).into();
    }
}

async fn list(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = inside.admit(&headers, "tools/list") {
        return refusal;
    }
    let mut answer = inside.upstream("tools/list", json!({})).await;
    prefix(answer.pointer_mut("/result/tools"));
    Json(json!({ "tools": answer["result"]["tools"], "error": null })).into_response()
}

async fn call(
    State(inside): State<Arc<Inside>>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Response {
    if let Some(refusal) = inside.admit(&headers, "tools/call") {
        return refusal;
    }
    body["name"] = body["name"]
        .as_str()
        .unwrap()
        .trim_start_matches(PREFIX)
        .into();
    let answer = inside.upstream("tools/call", body).await;
    match answer.get("result") {
        Some(result) => Json(result.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(answer)).into_response(),
    }
}

async fn servers(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    inside
        .admit(&headers, "servers")
        .unwrap_or_else(|| Json(json!([{ "server_name": "support" }])).into_response())
}

async fn audit(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = inside.admit(&headers, "audit") {
        return refusal;
    }
    let mut events = inside.trail.lock().unwrap().clone();
    events.reverse();
    Json(json!({ "events": events })).into_response()
}
