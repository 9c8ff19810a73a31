//! What the surfaces share.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use portcullis_core::{Clock, Entropy};
use portcullis_credentials::Connections;
use portcullis_engine::audit::AuditTrail;
use portcullis_engine::metrics::Metrics;
use portcullis_engine::{Gateway, LimitAdmin, Quota, Quotas};
use portcullis_identity::{
    Authentication, DirectoryAdmin, FailureThrottle, KeyAdmin, RevocationAdmin, SignIn,
};

use crate::admin::reload::Reload;
use crate::forwarded::client_address;
use crate::frontage::Frontage;
use crate::handover::Courier;
use crate::health::Readiness;
use crate::layers::{HostRule, OriginRule};
use crate::listen::peer;
use crate::origin::public_origin;
use crate::server_book::ServerBook;

/// What the surfaces are built from.
#[derive(Debug)]
pub struct ServerDeps {
    /// The one door to tools.
    pub gateway: Arc<Gateway>,
    /// Who is calling. Behind a lock because file keys change with the file.
    pub authentication: Arc<arc_swap::ArcSwap<Authentication>>,
    /// How people sign in with a browser.
    pub sign_in: Arc<arc_swap::ArcSwap<SignIn>>,
    /// What people connected.
    pub connections: Connections,
    /// Virtual keys.
    pub keys: KeyAdmin,
    /// Teams, organizations, people, end users and toolsets.
    pub defining: DirectoryAdmin,
    /// How much whoever may do.
    pub limits: LimitAdmin,
    /// Credentials that are refused although they would verify.
    pub revocations: RevocationAdmin,
    /// The audit trail, for reading.
    pub trail: AuditTrail,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Whether requests may come.
    pub readiness: Arc<Readiness>,
    /// Who reads the configuration file again; absent when there is none.
    pub reload: Option<Arc<dyn Reload>>,
    /// Who keeps servers that administrators define; absent where there are those of the file alone.
    pub servers: Option<Arc<dyn ServerBook>>,
    /// How other replicas are reached.
    pub courier: Arc<dyn Courier>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What request ids are made of.
    pub request_ids: Arc<dyn Entropy>,
    /// The origin that clients see, when the operator said it, serialized (RFC 6454 §6.2).
    pub public_origin: Option<String>,
    /// What else the operator said that a request is judged by.
    pub frontage: Arc<arc_swap::ArcSwap<Frontage>>,
    /// Which `Host` values are ours.
    pub hosts: HostRule,
    /// Which `Origin` values may call.
    pub origins: OriginRule,
    /// Largest request body.
    pub max_body: usize,
    /// Whether TLS ends here, so that browsers may be told to insist on it.
    pub tls: bool,
    /// Longest time that a body may take to arrive.
    pub body_timeout: Duration,
    /// Who waits for being wrong about who they are.
    pub failures: Arc<FailureThrottle>,
    /// How often what needs no key was asked for.
    pub quotas: Arc<Quotas>,
    /// Whether `/metrics` is served at all.
    pub metrics_here: bool,
    /// Whether the admin paths are served beside the data paths.
    pub admin_here: bool,
}

/// A handle on what the surfaces share.
#[derive(Clone)]
pub struct ServerState(Arc<ServerDeps>);

impl ServerState {
    /// Shares these.
    pub fn new(deps: ServerDeps) -> Self {
        Self(Arc::new(deps))
    }
}

impl ServerState {
    /// The origin under which this request reached us; see [`public_origin`].
    pub(crate) fn public_origin(&self, parts: &Parts) -> Option<String> {
        let configured = self.public_origin.as_deref();
        let frontage = self.frontage.load();
        let forwarded = frontage.forwarded.as_ref();
        public_origin(configured, self.tls, parts, peer(parts), forwarded)
    }

    /// The same, where it is the operator's word or this machine, and not the sender's of the request:
    /// what is registered elsewhere as ours, and where codes are sent to.
    pub(crate) fn own_origin(&self, parts: &Parts) -> Option<String> {
        let written = self.public_origin.is_some();
        let origin = self.public_origin(parts)?;
        (written || self.hosts.names(&origin)).then_some(origin)
    }

    /// Where this request comes from, if that can be told.
    pub(crate) fn client_address(&self, parts: &Parts) -> Option<IpAddr> {
        let frontage = self.frontage.load();
        client_address(peer(parts), &parts.headers, frontage.forwarded.as_ref())
    }

    /// Counts one more of this, by the network that it comes from. `Err`: too many came from there, and
    /// how many seconds to wait, rounded up: whoever keeps to it is let in.
    pub(crate) fn one_more(&self, quota: Quota, parts: &Parts) -> Result<(), u64> {
        let from = self.client_address(parts).or_else(|| peer(parts));
        let (rates, now) = (self.frontage.load().quotas, self.clock.monotonic());
        let counted = self.quotas.one_more(quota, from, &rates, now);
        counted.map_err(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

impl std::ops::Deref for ServerState {
    type Target = ServerDeps;

    fn deref(&self) -> &ServerDeps {
        &self.0
    }
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerState")
    }
}
