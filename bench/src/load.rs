//! The load generator: closed loop, keep-alive, every answer checked.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{self, HeaderValue},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{http::connect, work::Work};

/// What to send, where, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) work: Work,
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: u64,
    #[arg(long, default_value_t = 1000)]
    pub(crate) requests: u64,
    /// Sent as `Authorization: Bearer`.
    #[arg(long)]
    pub(crate) credential: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let mut connections = JoinSet::new();
    let each = settings.requests.div_ceil(settings.connections);
    let begun = now();
    for connection in 0..settings.connections {
        connections.spawn(one_connection(settings.clone(), connection * each, each));
    }
    let mut times = Vec::new();
    while let Some(joined) = connections.join_next().await {
        times.extend(joined??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a few thousand times"
        )]
        let index = (times.len() as f64 * share) as usize;
        times
            .get(index.min(times.len().saturating_sub(1)))
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let requests = each * settings.connections;
    Ok(Outcome {
        requests,
        seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
    })
}

async fn one_connection(
    settings: Settings,
    first: u64,
    count: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut caller = Caller::connect(&settings).await?;
    let mut times = Vec::new();
    for number in first..first + count {
        let sent = now();
        caller.call(number).await?;
        times.push(sent.elapsed());
    }
    Ok(times)
}

/// What came for one call.
pub(crate) struct Answer {
    /// Whether it was a success that carried the call's number.
    pub(crate) right: bool,
    pub(crate) status: StatusCode,
    /// As the answer's header says; empty without one.
    pub(crate) request_id: String,
    body: Bytes,
}

/// One keep-alive connection, with its session where the work has one.
pub(crate) struct Caller {
    settings: Settings,
    sender: SendRequest<Full<Bytes>>,
    session: Option<HeaderValue>,
    _connection: JoinSet<()>,
}

impl Caller {
    pub(crate) async fn connect(settings: &Settings) -> anyhow::Result<Self> {
        let (sender, driving) = connect(settings.port).await?;
        let settings = settings.clone();
        let mut caller = Self {
            settings,
            sender,
            session: None,
            _connection: driving,
        };
        if caller.settings.work.has_session() {
            caller.open().await?;
        }
        Ok(caller)
    }

    async fn open(&mut self) -> anyhow::Result<()> {
        let [initialize, initialized] = Work::opening();
        let opened = self.send(initialize).await?;
        let session = opened.headers().get("mcp-session-id").cloned();
        self.session = session;
        let body = opened.into_body().collect().await?.to_bytes();
        ensure!(
            self.session.is_some(),
            "no session: {}",
            String::from_utf8_lossy(&body)
        );
        self.send(initialized).await?.into_body().collect().await?;
        Ok(())
    }

    /// Sends one call; the answer has to carry its number.
    pub(crate) async fn call(&mut self, number: u64) -> anyhow::Result<()> {
        let answer = self.answer(number).await?;
        if answer.right {
            return Ok(());
        }
        bail!(
            "{}, expected `number {number}.`: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )
    }

    /// Sends one call, and tells what came.
    pub(crate) async fn answer(&mut self, number: u64) -> anyhow::Result<Answer> {
        let response = self.send(self.settings.work.body(number)).await?;
        let status = response.status();
        let request_id = response.headers().get("x-request-id");
        let request_id = request_id.and_then(|id| id.to_str().ok());
        let request_id = request_id.unwrap_or_default().to_owned();
        let body = response.into_body().collect().await?.to_bytes();
        let wanted = format!("number {number}.");
        Ok(Answer {
            right: status.is_success() && contains(&body, wanted.as_bytes()),
            status,
            request_id,
            body,
        })
    }

    /// Opens the stream of messages that belong to no request: a session's, or one of its own.
    pub(crate) async fn listen(&mut self) -> anyhow::Result<Response<Incoming>> {
        let settings = &self.settings;
        if settings.work == Work::Listen {
            return self.send(Work::Listen.body(1)).await;
        }
        let session = self.session.clone().context("no session")?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(settings.work.path())
            .header(header::HOST, format!("127.0.0.1:{}", settings.port))
            .header(header::ACCEPT, "text/event-stream")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", settings.credential),
            )
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-11-25")
            .body(Full::default())?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Whether its connection still stands.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    async fn send(&mut self, body: String) -> anyhow::Result<Response<Incoming>> {
        let settings = &self.settings;
        let request: Request<_> = settings.work.request(
            settings.port,
            &settings.credential,
            self.session.as_ref(),
            body,
        )?;
        self.sender
            .ready()
            .await
            .context("the connection is gone")?;
        Ok(self.sender.send_request(request).await?)
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

/// Now, for a stopwatch.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
