//! What a listener allows.

use std::path::PathBuf;
use std::time::Duration;

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
    /// Whose certificates clients may come with; `None`: they are not asked for one.
    pub client_ca: Option<ClientCa>,
}

/// Authorities that vouch for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// Certificates of authorities, as PEM files.
    pub files: Vec<PathBuf>,
    /// Refuse whoever has none; else they are nobody yet, and may present something else.
    pub required: bool,
}

/// Limits and manners of one listener.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// TLS, or plain when absent.
    pub tls: Option<TlsFiles>,
    /// Most connections at one time; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// Most connections of one address (of one /64, where it is IPv6); more are closed at once.
    /// `None`: 256, and loopback, where a proxy of this machine sits, is not counted.
    pub max_connections_per_address: Option<usize>,
    /// Time for the TLS handshake and the first request head together, and for each later head
    /// (idling between two requests included, on HTTP/2 as on HTTP/1).
    pub header_timeout: Duration,
    /// How long an answer may wait for a peer that reads nothing of it.
    pub stall_timeout: Duration,
    /// Most header fields of one request.
    pub max_headers: usize,
    /// Most bytes of one request head.
    pub max_head_bytes: usize,
    /// Most concurrent requests on one HTTP/2 connection.
    pub max_streams: u32,
    /// How long to go on accepting after the soft stop, while readiness says no already.
    pub grace: Duration,
    /// How long running requests may then take to finish.
    pub drain: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: 10_000,
            max_connections_per_address: None,
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            max_headers: 100,
            max_head_bytes: 32 * 1024,
            max_streams: 200,
            grace: Duration::ZERO,
            drain: Duration::from_secs(30),
        }
    }
}
