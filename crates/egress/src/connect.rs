//! Opening a connection: resolve, judge every address, connect to a judged one, shake hands.
//!
//! The name is resolved once and the socket is opened to an address that was judged, so that a
//! second answer of the name server (DNS rebinding) has no one to mislead.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::{class, is_metadata_name};
use crate::{Destination, EgressErrorKind};

tokio::task_local! {
    /// The connection limit of the request in whose name a connection is opened: the pool hands a
    /// connector nothing but the URL.
    pub(crate) static CONNECT_TIMEOUT: Duration;
}

/// When one address does not answer, the next is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Used only where no request's limit is in scope.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was not opened; not a byte of any request was sent.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub(crate) struct ConnectFailure {
    pub(crate) kind: EgressErrorKind,
    /// Shared, because the HTTP library hands this out by reference only.
    #[source]
    pub(crate) source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ConnectFailure {
    const fn bare(kind: EgressErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn caused(
        kind: EgressErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: Some(source.into().into()),
        }
    }
}

/// Opens connections for one kind of destination. Each kind has its own pool, so that a connection
/// opened for the operator's URL never serves a stranger's.
#[derive(Clone)]
pub(crate) struct GuardedConnector {
    destination: Destination,
    tls: TlsConnector,
}

impl GuardedConnector {
    pub(crate) fn new(destination: Destination, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            destination,
            tls: TlsConnector::from(tls),
        }
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl tower::Service<Uri> for GuardedConnector {
    type Response = Stream;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Read now: the pool may finish this future in a task of its own.
        let limit = CONNECT_TIMEOUT
            .try_with(|limit| *limit)
            .unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        let connecting = open(self.destination, self.tls.clone(), uri);
        Box::pin(async move {
            tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|late| Err(ConnectFailure::caused(EgressErrorKind::Timeout, late)))
        })
    }
}

async fn open(
    destination: Destination,
    tls: TlsConnector,
    uri: Uri,
) -> Result<Stream, ConnectFailure> {
    let target = Target::of(&uri)?;
    let addresses = resolve(&target.host, target.port).await?;
    admit(&target, &addresses, destination)?;
    let tcp = connect_any(addresses)
        .await
        .map_err(|error| ConnectFailure::caused(EgressErrorKind::Connect, error))?;
    // Requests are written whole; waiting for more only adds latency.
    tcp.set_nodelay(true)
        .map_err(|error| ConnectFailure::caused(EgressErrorKind::Connect, error))?;
    let tcp = TokioIo::new(tcp);
    if !target.is_https {
        return Ok(MaybeHttpsStream::Http(tcp));
    }
    let stream = shake_hands(&tls, &target.host, tcp).await?;
    Ok(MaybeHttpsStream::Https(stream))
}

/// Where a URL leads.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_https: bool,
}

impl Target {
    pub(crate) fn of(uri: &Uri) -> Result<Self, ConnectFailure> {
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let host = uri
            .host()
            .map(|host| host.trim_start_matches('[').trim_end_matches(']'))
            .filter(|host| !host.is_empty())
            .ok_or(ConnectFailure::bare(EgressErrorKind::InvalidUrl))?;
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            is_https,
        })
    }
}

/// Judges every address: one that is not admitted forbids them all.
pub(crate) fn admit(
    target: &Target,
    addresses: &[SocketAddr],
    destination: Destination,
) -> Result<(), ConnectFailure> {
    let Target {
        host,
        port,
        is_https,
    } = target;
    let admitted = !is_metadata_name(host)
        && addresses
            .iter()
            .all(|address| destination.admits(*is_https, class(address.ip())));
    if admitted {
        return Ok(());
    }
    tracing::warn!(host, port, ?destination, "egress blocked");
    Err(ConnectFailure::bare(EgressErrorKind::Blocked))
}

pub(crate) async fn shake_hands(
    tls: &TlsConnector,
    host: &str,
    tcp: TokioIo<TcpStream>,
) -> Result<TokioIo<TlsStream<TokioIo<TokioIo<TcpStream>>>>, ConnectFailure> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| ConnectFailure::caused(EgressErrorKind::InvalidUrl, error))?;
    let stream = tls
        .connect(name, TokioIo::new(tcp))
        .await
        .map_err(|error| ConnectFailure::caused(handshake_kind(&error), error))?;
    Ok(TokioIo::new(stream))
}

/// Whether TLS itself refused, or the network under it failed.
fn handshake_kind(error: &io::Error) -> EgressErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => EgressErrorKind::Connect,
        _ => EgressErrorKind::Tls,
    }
}

/// All addresses of a host; never empty.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectFailure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| ConnectFailure::caused(EgressErrorKind::Dns, error))?
        .collect();
    if addresses.is_empty() {
        return Err(ConnectFailure::bare(EgressErrorKind::Dns));
    }
    Ok(addresses)
}

/// Connects to whichever address answers first, starting them one after the other.
pub(crate) async fn connect_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = VecDeque::from(addresses);
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(next) = waiting.pop_front() {
            attempts.push(TcpStream::connect(next));
        } else if attempts.is_empty() {
            return Err(last_error);
        }
        let outcome = if waiting.is_empty() {
            attempts.next().await
        } else {
            match tokio::time::timeout(NEXT_ADDRESS_AFTER, attempts.next()).await {
                Ok(outcome) => outcome,
                Err(_late) => continue,
            }
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last_error = error,
            None => {}
        }
    }
}
