//! An API on loopback that remembers what it was asked, and callers of every surface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use portcullis_server::listen::{Bound, ListenSettings, Stop};
use portcullis_testkit::gateway::{Actor, Ask, Reply, TestGateway};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

/// What the API was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What the API says at one path.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Says {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.into(),
        }
    }
}

#[derive(Debug, Default)]
struct Memory {
    asked: Vec<Asked>,
    says: BTreeMap<String, Vec<Says>>,
}

/// The API.
#[derive(Debug)]
pub(crate) struct Api {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    stop: Stop,
    tasks: TaskTracker,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&memory));
        let bound = Bound::bind("127.0.0.1", 0, ListenSettings::default())
            .await
            .unwrap();
        let address = bound.local_addr();
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.spawn(async move { bound.serve(router, stopped).await });
        Self {
            address,
            memory,
            stop,
            tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it says this at this path: one after the other, the last for ever.
    pub(crate) fn says(&self, path: &str, answers: &[Says]) {
        let mut memory = self.memory.lock().unwrap();
        memory.says.insert(path.to_owned(), answers.to_vec());
    }

    /// Everything but fetches of its document.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let memory = self.memory.lock().unwrap();
        let calls = memory.asked.iter();
        calls
            .filter(|asked| !asked.target.starts_with("/openapi"))
            .cloned()
            .collect()
    }

    pub(crate) fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }

    pub(crate) fn fetches(&self) -> usize {
        let memory = self.memory.lock().unwrap();
        let fetches = memory.asked.iter();
        fetches
            .filter(|asked| asked.target.starts_with("/openapi"))
            .count()
    }

    pub(crate) async fn end(self) {
        self.stop.soft.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn answer(State(memory): State<Arc<Mutex<Memory>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let asked = Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    let mut memory = memory.lock().unwrap();
    memory.asked.push(asked.clone());
    let scripted = memory.says.get_mut(parts.uri.path());
    let said = match scripted {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => Says::json(200, &json!({"method": asked.method, "target": asked.target, "body": String::from_utf8_lossy(&asked.body)}).to_string()),
    };
    let mut response = Response::builder().status(said.status);
    for (name, value) in said.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(said.body)).unwrap()
}

/// The document of these stories.
pub(crate) const PETS: &str = r##"{
  "openapi": "3.1.0",
  "info": {"title": "Pets", "version": "1"},
  "paths": {
    "/pets/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
      "get": {
        "operationId": "getPet", "summary": "One pet",
        "parameters": [
          {"name": "verbose", "in": "query", "schema": {"type": "boolean"}},
          {"name": "X-Tenant", "in": "header", "schema": {"type": "string"}},
          {"name": "X-API-Key", "in": "header", "schema": {"type": "string"}},
          {"name": "flavour", "in": "cookie", "schema": {"type": "string"}}
        ]
      },
      "delete": {"operationId": "deletePet"}
    },
    "/pets": {
      "post": {
        "operationId": "addPet",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
        "responses": {"201": {"description": "made", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
      }
    },
    "/upload": {
      "post": {
        "operationId": "upload",
        "requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}}}
      }
    }
  },
  "components": {"schemas": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}, "mother": {"$ref": "#/components/schemas/Pet"}}}}}
}"##;

/// Arguments of `addPet` that a rebuilt message would change.
pub(crate) const AWKWARD: &str =
    r#"{"name": "\u00e4", "weight": 123456789012345678901234567890, "old": false, "age": 0}"#;

/// A gateway with the API as `pets`, described by a file; `keys` are further lines of the entry.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) api: Api,
    pub(crate) gateway: TestGateway,
    pub(crate) alice: Actor,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn with(keys: &[&str]) -> Self {
        Self::of(PETS, keys).await
    }

    pub(crate) async fn of(document: &str, keys: &[&str]) -> Self {
        let api = Api::start().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pets.json");
        std::fs::write(&path, document).unwrap();
        let entry = entry("pets", &path.display().to_string(), &api.url(), keys);
        let gateway = TestGateway::start(&format!("mcp_servers:\n{entry}")).await;
        let alice = gateway.key("alice", &["pets"]).await;
        Self {
            api,
            gateway,
            alice,
            _folder: folder,
        }
    }

    /// `tools/call` of a stateless client on the server's own endpoint.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Reply {
        call(&self.alice, "/mcp/pets", tool, arguments).await
    }

    pub(crate) async fn end(self) {
        Box::pin(self.gateway.stands()).await;
        self.api.end().await;
    }
}

pub(crate) fn entry(name: &str, spec: &str, url: &str, keys: &[&str]) -> String {
    let mut entry = format!("  {name}:\n    spec_path: {spec}\n    url: {url}/v1\n");
    for key in keys {
        entry.extend([format!("    {key}\n")]);
    }
    entry
}

/// A request of a 2026-07-28 client.
pub(crate) async fn modern(
    actor: &Actor,
    path: &str,
    method: &str,
    params: &str,
    name: Option<&str>,
) -> Reply {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let comma = if params.is_empty() { "" } else { "," };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}{meta}}}}}"#
    );
    let mut ask = Ask::new("POST", path)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .body(body);
    if let Some(name) = name {
        ask = ask.header("mcp-name", name);
    }
    actor.ask(ask).await
}

pub(crate) async fn call(actor: &Actor, path: &str, tool: &str, arguments: &str) -> Reply {
    let params = format!(r#""name":"{tool}","arguments":{arguments}"#);
    modern(actor, path, "tools/call", &params, Some(tool)).await
}

/// The names of the tools that are listed at a path.
pub(crate) async fn tools(actor: &Actor, path: &str) -> Vec<String> {
    let listed = modern(actor, path, "tools/list", "", None).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let listed = listed.json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The same after the clock was moved, as soon as the gateway has followed it.
pub(crate) async fn later_tools(actor: &Actor, path: &str) -> Vec<String> {
    portcullis_testkit::eventually("the gateway answers again", async || {
        modern(actor, path, "tools/list", "", None).await.status == 200
    })
    .await;
    tools(actor, path).await
}

/// The text of a result, and whether it is an error.
pub(crate) fn told(reply: &Reply) -> (String, bool) {
    let answer: Value = reply.json();
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("no text: {reply:?}"));
    (text.to_owned(), result["isError"] == true)
}
