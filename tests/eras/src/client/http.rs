//! Streamable HTTP, with a session or without.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    Way,
    inbox::Inbox,
    line::{Line, Reading},
};
use crate::{revision::Revision, sse::Reader};

const SESSION: &str = "mcp-session-id";

/// Sends requests on connections of their own.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    port: u16,
    key: String,
    tasks: TaskTracker,
}

impl Caller {
    pub(super) fn new(way: &Way) -> Self {
        Self {
            port: way.port,
            key: way.key.clone(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> anyhow::Result<Response<Incoming>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, format!("127.0.0.1:{}", self.port))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        Ok(sender.send_request(request).await?)
    }

    /// Reads messages of a stream into the inbox until either ends.
    pub(super) fn read(&self, response: Response<Incoming>, inbox: Arc<Inbox>) -> DropGuard {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            let mut body = response.into_body();
            let mut reader = Reader::default();
            let reading = async {
                while let Some(Ok(frame)) = body.frame().await {
                    for event in frame
                        .data_ref()
                        .map(|data| reader.push(data))
                        .unwrap_or_default()
                    {
                        take(&inbox, &event.data);
                    }
                }
            };
            stopped.run_until_cancelled(reading).await;
        });
        stop.drop_guard()
    }
}

pub(super) fn take(inbox: &Inbox, text: &str) {
    match serde_json::from_str(text) {
        Ok(message) => inbox.take(message),
        Err(_) => inbox.complain(format!("not a message: {text}")),
    }
}

pub(super) struct Http {
    revision: Revision,
    path: String,
    caller: Caller,
    inbox: Arc<Inbox>,
    session: Mutex<Option<String>>,
    listening: Mutex<Reading>,
    answers: tokio::sync::mpsc::UnboundedSender<Value>,
    outgoing: Mutex<Option<tokio::sync::mpsc::UnboundedReceiver<Value>>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(revision: Revision, way: &Way, inbox: Arc<Inbox>) -> Self {
        let (answers, outgoing) = tokio::sync::mpsc::unbounded_channel();
        Self {
            revision,
            path: format!("/mcp/{}", way.server),
            caller: Caller::new(way),
            inbox,
            session: Mutex::default(),
            listening: Mutex::default(),
            answers,
            outgoing: Mutex::new(Some(outgoing)),
        }
    }

    fn session(&self) -> Option<String> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn headers(&self, message: &Value) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
        ];
        if let Some(session) = self.session() {
            headers.push((SESSION, session));
        }
        let begun = message.get("method") != Some(&json!("initialize"));
        if self.revision.has_header() && begun {
            headers.push(("mcp-protocol-version", self.revision.as_str().to_owned()));
        }
        if self.revision.is_modern() && message.get("id").is_some() {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
            let method = text(message.get("method"));
            let name = match method.as_deref() {
                Some("tools/call" | "prompts/get") => text(message.pointer("/params/name")),
                Some("resources/read") => text(message.pointer("/params/uri")),
                _ => None,
            };
            headers.extend(method.map(|method| ("mcp-method", method)));
            headers.extend(name.map(|name| ("mcp-name", name)));
        }
        headers
    }
}

#[async_trait]
impl Line for Http {
    async fn send(&self, message: Value) -> anyhow::Result<Reading> {
        let headers = self.headers(&message);
        let sent = self
            .caller
            .call(Method::POST, &self.path, &headers, message.to_string())
            .await;
        let response = sent?;
        let status = response.status();
        if let Some(id) = response.headers().get(SESSION) {
            let id = id.to_str().context("a session id that is not text")?;
            *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
        }
        let kind = response.headers().get(header::CONTENT_TYPE).cloned();
        let kind = kind
            .as_ref()
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return Ok(Some(self.caller.read(response, Arc::clone(&self.inbox))));
        }
        let body = response.into_body().collect().await?.to_bytes();
        if message.get("id").is_some() && message.get("method").is_some() {
            if body.is_empty() {
                bail!("{status} without an answer");
            }
            take(&self.inbox, std::str::from_utf8(&body)?);
        } else if status != StatusCode::ACCEPTED {
            bail!("{status} for {message}: {}", String::from_utf8_lossy(&body));
        }
        Ok(None)
    }

    fn answering(&self) -> tokio::sync::mpsc::UnboundedSender<Value> {
        self.answers.clone()
    }

    async fn listen(&self) -> anyhow::Result<()> {
        let mut headers = self.headers(&json!({}));
        headers.retain(|(name, _)| *name != "content-type" && *name != "accept");
        headers.push(("accept", "text/event-stream".to_owned()));
        let session = headers.clone();
        let stream = self
            .caller
            .call(Method::GET, &self.path, &headers, String::new())
            .await?;
        if !stream.status().is_success() {
            bail!("GET is answered {}", stream.status());
        }
        let reading = self.caller.read(stream, Arc::clone(&self.inbox));
        *self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reading);
        let outgoing = self
            .outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (caller, path, inbox) = (
            self.caller.clone(),
            self.path.clone(),
            Arc::clone(&self.inbox),
        );
        self.caller.tasks.spawn(async move {
            let mut headers = session;
            headers.retain(|(name, _)| *name != "accept");
            headers.push(("content-type", "application/json".to_owned()));
            headers.push(("accept", "application/json, text/event-stream".to_owned()));
            let Some(mut outgoing) = outgoing else { return };
            while let Some(answer) = outgoing.recv().await {
                let sent = caller
                    .call(Method::POST, &path, &headers, answer.to_string())
                    .await;
                match sent.map(|response| response.status()) {
                    Ok(StatusCode::ACCEPTED) => {}
                    other => inbox.complain(format!("an answer is answered {other:?}")),
                }
            }
        });
        Ok(())
    }

    async fn close(&self) {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if self.session().is_some() {
            let headers = self.headers(&json!({}));
            let ended = self
                .caller
                .call(Method::DELETE, &self.path, &headers, String::new())
                .await;
            drop(ended);
        }
    }
}
