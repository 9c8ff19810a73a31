//! HTTP+SSE.

use std::sync::Arc;

use anyhow::{Context, bail};
use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::{Method, header};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    PATIENCE, Way,
    http::{Caller, take},
    inbox::Inbox,
    line::{Line, Reading},
};
use crate::sse::Reader;

#[derive(Debug)]
pub(super) struct Sse {
    caller: Caller,
    endpoint: String,
    answers: mpsc::UnboundedSender<Value>,
    _reading: DropGuard,
}

impl Sse {
    /// Opens the stream and waits for the address to post to.
    pub(super) async fn open(way: &Way, inbox: Arc<Inbox>) -> anyhow::Result<Self> {
        let caller = Caller::new(way);
        let path = format!("/mcp/{}/sse", way.server);
        let accept = [("accept", "text/event-stream".to_owned())];
        let response = caller
            .call(Method::GET, &path, &accept, String::new())
            .await?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        let streams = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if !response.status().is_success() || !streams {
            bail!("GET {path} is answered {} {kind:?}", response.status());
        }
        let stop = CancellationToken::new();
        let (stopped, (found, endpoint)) = (stop.clone(), oneshot::channel());
        let tasks = tokio_util::task::TaskTracker::new();
        tasks.spawn(async move {
            let mut body = response.into_body();
            let mut reader = Reader::default();
            let mut found = Some(found);
            let reading = async {
                while let Some(Ok(frame)) = body.frame().await {
                    for event in frame
                        .data_ref()
                        .map(|data| reader.push(data))
                        .unwrap_or_default()
                    {
                        match found.take() {
                            Some(found) => {
                                let _ = found.send(event);
                            }
                            None => take(&inbox, &event.data),
                        }
                    }
                }
            };
            stopped.run_until_cancelled(reading).await;
        });
        let first = tokio::time::timeout(PATIENCE, endpoint)
            .await
            .context("no endpoint")??;
        if first.name != "endpoint" {
            bail!("the first event is {first:?}");
        }
        let origin = format!("http://127.0.0.1:{}", way.port);
        let endpoint = first
            .data
            .strip_prefix(&origin)
            .unwrap_or(&first.data)
            .to_owned();
        let (answers, mut outgoing) = mpsc::unbounded_channel::<Value>();
        let (sender, target) = (caller.clone(), endpoint.clone());
        tasks.spawn(async move {
            while let Some(answer) = outgoing.recv().await {
                let _ = post(&sender, &target, &answer).await;
            }
        });
        Ok(Self {
            caller,
            endpoint,
            answers,
            _reading: stop.drop_guard(),
        })
    }
}

async fn post(caller: &Caller, endpoint: &str, message: &Value) -> anyhow::Result<()> {
    let kind = [("content-type", "application/json".to_owned())];
    let response = caller
        .call(Method::POST, endpoint, &kind, message.to_string())
        .await?;
    let status = response.status();
    if status.as_u16() != 202 {
        let body = response.into_body().collect().await?.to_bytes();
        bail!("{status} for {message}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

#[async_trait]
impl Line for Sse {
    async fn send(&self, message: Value) -> anyhow::Result<Reading> {
        post(&self.caller, &self.endpoint, &message)
            .await
            .map(|()| None)
    }

    fn answering(&self) -> mpsc::UnboundedSender<Value> {
        self.answers.clone()
    }

    async fn close(&self) {}
}
