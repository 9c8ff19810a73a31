//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

use super::activity::{Activity, CountedBody, InFlight, Standing};
use super::guests::Guests;
use super::stuck_write::StuckWrite;
use super::{ListenSettings, PeerAddr, PeerCertificate, ServerTls};

/// Whatever answers the requests of a listener.
pub trait Serves:
    Service<Request, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serves for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// What all connections of one listener share.
pub(super) struct Connections<S>(Arc<Shared<S>>);

struct Shared<S> {
    service: S,
    tls: Option<Arc<ServerTls>>,
    http: auto::Builder<Tracked>,
    guests: Arc<Guests>,
    header_timeout: Duration,
    stall_timeout: Duration,
    draining: CancellationToken,
    cut: CancellationToken,
    since: Instant,
}

/// After the good-bye to an idle connection, what was answered may still be on its way for this many
/// times the stall timeout, so that a slow reader gets a long answer to its end.
const LAST_BYTES: u32 = 10;

impl<S: Serves> Connections<S> {
    pub(super) fn new(
        service: S,
        tls: Option<Arc<ServerTls>>,
        settings: &ListenSettings,
        guests: &Arc<Guests>,
        tasks: &TaskTracker,
        draining: &CancellationToken,
        cut: &CancellationToken,
    ) -> Self {
        let tracked = Tracked {
            tasks: tasks.clone(),
            cut: cut.clone(),
        };
        Self(Arc::new(Shared {
            service,
            tls,
            http: http(settings, tracked),
            guests: Arc::clone(guests),
            header_timeout: settings.header_timeout,
            stall_timeout: settings.stall_timeout,
            draining: draining.clone(),
            cut: cut.clone(),
            since: Instant::now(),
        }))
    }

    pub(super) fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.0);
        async move {
            // Small answers must not wait for an acknowledgement; failure only costs latency.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
            }
            let activity = Activity::new();
            let stream = StuckWrite::new(stream, Arc::clone(&activity), shared.stall_timeout);
            let deadline = Instant::now() + shared.header_timeout;
            match &shared.tls {
                None => shared.http(stream, peer, None, activity, deadline).await,
                Some(tls) => {
                    let handshake =
                        TlsAcceptor::from(Arc::clone(&tls.current().config)).accept(stream);
                    let stream = tokio::select! {
                        biased;
                        () = shared.cut.cancelled() => return,
                        () = shared.draining.cancelled() => return,
                        done = tokio::time::timeout_at(deadline, handshake) => done,
                    };
                    match stream {
                        Ok(Ok(stream)) => {
                            let chain = stream.get_ref().1.peer_certificates();
                            let chain = Some(PeerCertificate::new(chain, tls));
                            Box::pin(shared.http(stream, peer, chain, activity, deadline)).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                    }
                }
            }
        }
    }
}

impl<S: Serves> Shared<S> {
    async fn http<IO>(
        &self,
        stream: IO,
        peer: SocketAddr,
        certificate: Option<PeerCertificate>,
        activity: Arc<Activity>,
        deadline: Instant,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stay = self.guests.enter(&activity, &self.draining);
        let service = hyper::service::service_fn({
            let service = self.service.clone();
            let activity = Arc::clone(&activity);
            move |mut request: http::Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                if let Some(certificate) = &certificate {
                    request.extensions_mut().insert(certificate.clone());
                }
                answer(service.clone(), request.map(Body::new), activity.begin())
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);

        // hyper's own header timer does not run while it still guesses the protocol version, nor
        // ever on HTTP/2: this look at what the connection does covers both.
        let look = tokio::time::sleep_until(deadline);
        tokio::pin!(look);
        let mut patience = Patience::of(self);
        let mut asked_to_end = false;
        loop {
            // One signal to wait for and not three, because all are looked at whenever anything moves:
            // draining ends every stay, and nobody is cut who was not asked to end before.
            tokio::select! {
                biased;
                () = self.cut.cancelled(), if asked_to_end => return,
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection ended early");
                    }
                    return;
                }
                () = stay.over(), if !asked_to_end => {
                    asked_to_end = true;
                    connection.as_mut().graceful_shutdown();
                    if !self.draining.is_cancelled() {
                        look.as_mut().reset(patience.goodbye(Instant::now()));
                    }
                }
                () = &mut look => match patience.judge(activity.standing(), Instant::now()) {
                    Verdict::LookAgain(at) => look.as_mut().reset(at),
                    Verdict::SayGoodbye(at) => {
                        asked_to_end = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(at);
                    }
                    Verdict::Cut(reason) => {
                        tracing::debug!(%peer, reason, "connection cut");
                        return;
                    }
                }
            }
        }
    }
}

/// Busy connections are looked at at the same moments, this far apart: to wake the process for each of
/// thousands of silent streams costs more than the looks.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long one connection may do what it does.
struct Patience {
    idle: Duration,
    stalled: Duration,
    /// When its listener began.
    since: Instant,
    /// Once good-bye was said: when the last byte must have left.
    until: Option<Instant>,
}

enum Verdict {
    LookAgain(Instant),
    /// And look again then.
    SayGoodbye(Instant),
    Cut(&'static str),
}

impl Patience {
    const fn of<S>(shared: &Shared<S>) -> Self {
        Self {
            idle: shared.header_timeout,
            stalled: shared.stall_timeout,
            since: shared.since,
            until: None,
        }
    }

    /// The next of the moments at which all are looked at.
    fn with_others(&self, at: Instant) -> Instant {
        let behind = at.saturating_duration_since(self.since).as_nanos() % TOGETHER.as_nanos();
        let behind = Duration::from_nanos(u64::try_from(behind).unwrap_or_default());
        at + TOGETHER.saturating_sub(behind)
    }

    /// When whoever is told goodbye now is cut if it has not left.
    fn goodbye(&mut self, now: Instant) -> Instant {
        let until = now + self.stalled * LAST_BYTES;
        self.until = Some(until);
        until
    }

    fn judge(&mut self, standing: Standing, now: Instant) -> Verdict {
        match standing {
            Standing::Unused => Verdict::Cut("no request in time"),
            Standing::Busy => {
                Verdict::LookAgain(self.with_others(now + self.idle.min(self.stalled)))
            }
            Standing::Unread(since) if now >= since + self.stalled => {
                Verdict::Cut("the peer reads no answer")
            }
            Standing::Unread(since) => Verdict::LookAgain(since + self.stalled),
            Standing::Idle(since) if now < since + self.idle => {
                Verdict::LookAgain(since + self.idle)
            }
            Standing::Idle(_) => match self.until {
                None => Verdict::SayGoodbye(self.goodbye(now)),
                Some(until) if now < until => Verdict::LookAgain(until),
                Some(_) => Verdict::Cut("the peer did not leave"),
            },
        }
    }
}

async fn answer<S: Serves>(
    mut service: S,
    request: Request,
    in_flight: InFlight,
) -> Result<http::Response<CountedBody>, Infallible> {
    let response = service.ready().await?.call(request).await?;
    Ok(response.map(|body| in_flight.answer(body)))
}

fn http(settings: &ListenSettings, tracked: Tracked) -> auto::Builder<Tracked> {
    // hyper panics below this size.
    const SMALLEST_BUFFER: usize = 8192;
    let mut builder = auto::Builder::new(tracked);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(settings.max_headers)
        .max_buf_size(settings.max_head_bytes.max(SMALLEST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(settings.max_streams)
        // Rapid reset (CVE-2023-44487) and MadeYouReset (CVE-2025-8671).
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        // A peer that vanished without a word is found out by pings.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Runs HTTP/2 streams as tracked tasks that end when the listener is cut off.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let cut = self.cut.clone();
        self.tasks
            .spawn(async move { cut.run_until_cancelled_owned(task).await });
    }
}
