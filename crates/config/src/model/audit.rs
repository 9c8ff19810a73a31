//! What becomes of the record of every request.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::SecretValue;
use url::Url;

use super::Sourced;

/// `audit`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The event is durable before the answer.
    pub required: bool,
    /// Also a file of JSON lines.
    pub jsonl_path: Option<PathBuf>,
    /// Also one line of the log for each request.
    pub log_requests: bool,
    /// Where else each event goes.
    pub sinks: Vec<AuditSink>,
    /// Older events are removed from the store.
    pub retention: Option<Duration>,
}

/// An entry of `audit.sinks`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSink {
    /// What metrics and log lines call it; no two are equal.
    pub name: String,
    /// What it is.
    pub kind: AuditSinkKind,
}

/// What a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSinkKind {
    /// A file of JSON lines.
    File {
        /// Where.
        path: PathBuf,
        /// Put away at so many bytes.
        rotate_size: Option<u64>,
        /// Put away after so long.
        rotate_after: Option<Duration>,
        /// How many of those put away stay.
        rotate_keep: u32,
    },
    /// JSON lines on standard output.
    Stdout,
    /// Signed HTTP requests.
    Webhook {
        /// Where to.
        receiver: AuditReceiver,
        /// What signs them.
        secret: Sourced<SecretValue>,
        /// A line for each event instead of an array.
        ndjson: bool,
        /// What waits.
        spool: AuditSpool,
    },
    /// RFC 5424.
    Syslog {
        /// Name or address of the receiver.
        host: String,
        /// Its port.
        port: u16,
        /// How messages get there.
        transport: SyslogTransport,
        /// What waits.
        spool: AuditSpool,
    },
    /// Log records of OpenTelemetry.
    Otlp {
        /// Where to.
        receiver: AuditReceiver,
        /// What waits.
        spool: AuditSpool,
    },
}

/// Who takes HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReceiver {
    /// Where.
    pub url: Url,
    /// Whether plain http beyond loopback is accepted.
    pub allow_insecure_http: bool,
    /// The `Authorization` header.
    pub authorization: Option<Sourced<SecretValue>>,
}

/// How syslog messages get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// RFC 5425.
    Tls,
    /// RFC 6587 §3.4.1.
    Tcp,
    /// RFC 5426.
    Udp,
}

/// What waits on disk for a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSpool {
    /// The folder; `None`: `audit-spool/NAME` beside the store.
    pub path: Option<PathBuf>,
    /// How many bytes may wait.
    pub most: u64,
}
