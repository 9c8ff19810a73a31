//! A strict client of exactly one revision.

mod http;
mod inbox;
mod line;
mod sse;
mod stdio;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{
    revision::{Face, Revision, Transport},
    schema::Judge,
};

use self::{inbox::Inbox, line::Line};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// More often nobody needs to be asked.
const ROUNDS: usize = 8;
const META: &str = "io.modelcontextprotocol/";

/// Where a client finds the gateway.
#[derive(Debug, Clone)]
pub struct Way {
    /// The port of the gateway on loopback.
    pub port: u16,
    /// The server behind it.
    pub server: String,
    /// The key that opens it.
    pub key: String,
    /// The gateway's own program, which is the bridge for clients of stdio.
    pub program: std::path::PathBuf,
}

/// A request that failed.
#[derive(Debug)]
pub struct Refused(pub Value);

/// A request that is under way.
pub struct Asked {
    id: Value,
    method: String,
    answer: tokio::sync::oneshot::Receiver<Value>,
    /// Reads the answer's stream, where it has one of its own.
    reading: line::Reading,
}

impl Asked {
    /// The id of the request.
    pub fn id(&self) -> &Value {
        &self.id
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A client that said hello.
#[derive(Debug)]
pub struct Client {
    face: Face,
    inbox: Arc<Inbox>,
    line: Box<dyn Line>,
}

impl Client {
    /// Connects and does what its revision does first.
    pub async fn connect(face: Face, way: &Way) -> anyhow::Result<Self> {
        let inbox = Arc::new(Inbox::new(face.revision, Judge::of(face.revision)?));
        let line: Box<dyn Line> = match face.transport {
            Transport::Http => Box::new(http::Http::new(face.revision, way, Arc::clone(&inbox))),
            Transport::Sse => Box::new(sse::Sse::open(way, Arc::clone(&inbox)).await?),
            Transport::Stdio => Box::new(stdio::Stdio::start(way, Arc::clone(&inbox))?),
        };
        inbox.answers_by(line.answering());
        let client = Self { face, inbox, line };
        client.hello().await?;
        Ok(client)
    }

    async fn hello(&self) -> anyhow::Result<()> {
        let wanted = self.face.revision.as_str();
        if self.face.revision.is_modern() {
            let found = self.request("server/discover", json!({})).await?;
            let versions = found.get("supportedVersions").and_then(Value::as_array);
            if !versions.is_some_and(|all| all.contains(&json!(wanted))) {
                bail!("it does not support {wanted}: {found}");
            }
            return Ok(());
        }
        let params = json!({"protocolVersion": wanted, "capabilities": self.inbox.capabilities(),
            "clientInfo": {"name": "era-client", "version": "1"}});
        let found = self.request("initialize", params).await?;
        if found.get("protocolVersion") != Some(&json!(wanted)) {
            bail!("it does not speak {wanted}: {found}");
        }
        self.notify("notifications/initialized", json!({})).await?;
        self.line.listen().await
    }

    /// What it speaks.
    pub fn revision(&self) -> Revision {
        self.face.revision
    }

    /// Sends a request and does not wait for its answer.
    pub async fn begin(&self, method: &str, mut params: Value) -> anyhow::Result<Asked> {
        if self.face.revision.is_modern() {
            let mut meta = params.get("_meta").cloned().unwrap_or_else(|| json!({}));
            meta[format!("{META}protocolVersion")] = json!(self.face.revision.as_str());
            meta[format!("{META}clientCapabilities")] = self.inbox.capabilities();
            meta[format!("{META}clientInfo")] = json!({"name": "era-client", "version": "1"});
            params["_meta"] = meta;
        }
        let (id, answer) = self.inbox.expect(method);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let reading = self.line.send(message).await?;
        Ok(Asked {
            id,
            method: method.to_owned(),
            answer,
            reading,
        })
    }

    /// Waits for an answer.
    pub async fn answer(&self, asked: Asked) -> anyhow::Result<Result<Value, Refused>> {
        let waited = tokio::time::timeout(PATIENCE, asked.answer).await;
        let answer = waited.with_context(|| format!("no answer to {}", asked.method))??;
        drop(asked.reading);
        Ok(match (answer.get("result"), answer.get("error")) {
            (Some(result), None) => Ok(result.clone()),
            (_, error) => Err(Refused(error.cloned().unwrap_or_default())),
        })
    }

    /// Sends a request, answers what the server asks on the way, and takes the result.
    pub async fn request(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        match self.attempt(method, params).await? {
            Ok(result) => Ok(result),
            Err(Refused(error)) => bail!("{method} was refused: {error}"),
        }
    }

    /// The same where a refusal is of interest.
    pub async fn attempt(
        &self,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Result<Value, Refused>> {
        let mut round = params.clone();
        for _ in 0..ROUNDS {
            let asked = self.begin(method, round).await?;
            let result = match self.answer(asked).await? {
                Ok(result) => result,
                refused => return Ok(refused),
            };
            let needs_input = self.face.revision.is_modern()
                && result.get("resultType") == Some(&json!("input_required"));
            if !needs_input {
                return Ok(Ok(result));
            }
            round = params.clone();
            let questions = result.get("inputRequests").and_then(Value::as_object);
            let mut answers = json!({});
            for (key, question) in questions.into_iter().flatten() {
                answers[key] = Inbox::reply(question)?;
            }
            round["inputResponses"] = answers;
            if let Some(state) = result.get("requestState") {
                round["requestState"] = state.clone();
            }
        }
        bail!("{method} asks and asks")
    }

    /// Calls a tool that says one text.
    pub async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<String> {
        let result = self
            .request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await?;
        said(&result)
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: Value) -> anyhow::Result<()> {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.line.send(message).await.map(drop)
    }

    /// Gives up a request in the way of its revision and transport.
    pub async fn give_up(&self, asked: Asked) -> anyhow::Result<()> {
        let stream_says_it =
            self.face.revision.is_modern() && self.face.transport == Transport::Http;
        if stream_says_it {
            drop(asked.reading);
            return Ok(());
        }
        let params = json!({"requestId": asked.id, "reason": "no longer needed"});
        self.notify("notifications/cancelled", params).await
    }

    /// Waits for a notification that fits, of those that came after `since`.
    pub async fn heard(
        &self,
        since: usize,
        method: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut heard = self.inbox.heard();
        let found = async {
            loop {
                let found = heard
                    .borrow_and_update()
                    .iter()
                    .skip(since)
                    .find_map(|message| {
                        let own = message.get("method") == Some(&json!(method));
                        let params = message.get("params").cloned().unwrap_or_default();
                        (own && fits(&params)).then_some(params)
                    });
                if let Some(found) = found {
                    return Ok(found);
                }
                heard.changed().await?;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, found).await;
        waited.with_context(|| format!("{method} was not heard"))?
    }

    /// How many notifications came so far.
    pub fn heard_so_far(&self) -> usize {
        self.inbox.heard().borrow().len()
    }

    /// The params of notifications that came since then.
    pub fn all_heard(&self, since: usize, method: &str) -> Vec<Value> {
        let heard = self.inbox.heard();
        let heard = heard.borrow();
        let own = heard
            .iter()
            .skip(since)
            .filter(|message| message.get("method") == Some(&json!(method)));
        own.map(|message| message.get("params").cloned().unwrap_or_default())
            .collect()
    }

    /// What was wrong with messages that came.
    pub fn complaints(&self) -> Vec<String> {
        self.inbox.complaints()
    }

    /// Says goodbye in the way of its transport.
    pub async fn close(self) {
        self.line.close().await;
    }
}

/// The one text of a tool's result, which is not an error.
pub fn said(result: &Value) -> anyhow::Result<String> {
    if result.get("isError") == Some(&json!(true)) {
        bail!("the tool failed: {result}");
    }
    let text = result.pointer("/content/0/text").and_then(Value::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("no text in {result}"))
}
