//! The gateway: everything a call needs besides its own data.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, Principal, ReplicaId, Sealer, Side};
use portcullis_credentials::CredentialBroker;
use portcullis_policy::{
    Approval, Caller, Circumstances, Operation, authorize, authorize_approved,
};
use portcullis_store::{ApprovalStore, ReplicaStore, SessionHomeStore, SessionStore};
use portcullis_upstream::Closing;
use tokio_util::task::TaskTracker;

use crate::approvals::Approvals;
use crate::audit::{AuditLog, ChainMac};
use crate::call::Admission;
use crate::capable::SessionTools;
use crate::consent::Elicitations;
use crate::legacy::{Listeners, OpenedSessions, Pushes, SseSessions, Terminated, Translation};
use crate::limits::{LimitDeps, Limiter};
use crate::modern::{Ears, ParkedCalls};
use crate::pins::Pins;
use crate::replicas::{ReplicaDeps, Replicas};
use crate::snapshot::{ServerEntry, Snapshot};
use crate::vigil::Vigil;

/// What is looked at again for as long as a request lasts.
pub trait Standing: Send + Sync + fmt::Debug {
    /// Whether a caller who was let in like this would be let in still: its credential was neither
    /// revoked nor changed since. Asked before the work begins, and often while it lasts.
    fn holds(&self, principal: &Principal, admission: &Admission) -> bool;

    /// On which side of the operator's border of today this address is.
    fn side(&self, address: Option<IpAddr>) -> Side;
}

/// What the gateway is built from.
#[derive(Debug)]
pub struct GatewayDeps {
    /// Which of several processes this is.
    pub replica: ReplicaId,
    /// Which processes share the store.
    pub replicas: Arc<dyn ReplicaStore>,
    /// Where legacy sessions are at home that moved.
    pub session_homes: Arc<dyn SessionHomeStore>,
    /// The servers.
    pub snapshot: Snapshot,
    /// Where upstream credentials come from.
    pub credentials: Arc<dyn CredentialBroker>,
    /// Seals session ids, cursors and request state.
    pub sealer: Arc<dyn Sealer>,
    /// Marks task handles as a principal's own.
    pub handles: Arc<dyn ChainMac>,
    /// Remembers terminated sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Keeps what waits for approvals.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Whether open streams may go on.
    pub standing: Arc<dyn Standing>,
    /// What is counted with.
    pub limits: LimitDeps,
    /// What servers' tools looked like.
    pub pins: Arc<Pins>,
    /// Where events go.
    pub audit: AuditLog,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Every task that the gateway starts.
    pub tracker: TaskTracker,
}

/// The one door to every upstream.
pub struct Gateway {
    pub(crate) replicas: Replicas,
    snapshot: ArcSwap<Snapshot>,
    /// Servers that no longer stand in the picture, until nobody uses them and their sessions are
    /// closed.
    leaving: Mutex<Vec<Arc<ServerEntry>>>,
    pub(crate) credentials: Arc<dyn CredentialBroker>,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) handles: Arc<dyn ChainMac>,
    pub(crate) standing: Arc<dyn Standing>,
    pub(crate) limits: Arc<Limiter>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tracker: TaskTracker,
    pub(crate) approvals: Approvals,
    pub(crate) terminated: Terminated,
    pub(crate) opened: OpenedSessions,
    pub(crate) pushes: Pushes,
    pub(crate) elicitations: Elicitations,
    pub(crate) listeners: Listeners,
    pub(crate) translation: Translation,
    pub(crate) sse_sessions: SseSessions,
    pub(crate) vigil: Vigil,
    pub(crate) parked: ParkedCalls,
    pub(crate) ears: Ears,
    /// What servers list in the sessions of callers who declared something.
    pub(crate) session_tools: SessionTools,
}

impl Gateway {
    /// Builds the gateway; nothing is connected yet.
    pub fn new(deps: GatewayDeps) -> Arc<Self> {
        let limits = Limiter::new(
            deps.limits,
            deps.replica.clone(),
            Arc::clone(&deps.clock),
            deps.tracker.clone(),
        );
        let replicas = Replicas::new(ReplicaDeps {
            own: deps.replica,
            store: deps.replicas,
            homes: deps.session_homes,
            sealer: Arc::clone(&deps.sealer),
            clock: Arc::clone(&deps.clock),
        });
        Arc::new(Self {
            replicas,
            snapshot: ArcSwap::from_pointee(deps.snapshot),
            leaving: Mutex::default(),
            credentials: deps.credentials,
            sealer: deps.sealer,
            handles: deps.handles,
            standing: deps.standing,
            limits,
            pins: deps.pins,
            audit: deps.audit,
            approvals: Approvals::new(deps.approvals),
            terminated: Terminated::new(deps.sessions, deps.clock.monotonic()),
            clock: deps.clock,
            tracker: deps.tracker,
            opened: OpenedSessions::default(),
            pushes: Pushes::default(),
            elicitations: Elicitations::default(),
            listeners: Listeners::default(),
            translation: Translation::default(),
            sse_sessions: SseSessions::default(),
            vigil: Vigil::default(),
            parked: ParkedCalls::default(),
            ears: Ears::default(),
            session_tools: SessionTools::default(),
        })
    }

    /// Runs what must not stop in its middle, whoever stops waiting for it.
    pub fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tracker.spawn(work)
    }

    /// Which replica this is: stands in every handle of what only this process holds.
    pub const fn replica_id(&self) -> &ReplicaId {
        self.replicas.own()
    }

    /// This replica among the others.
    pub const fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The present picture.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a new picture in force; requests under way keep theirs.
    pub fn replace_snapshot(&self, snapshot: Snapshot) {
        let after = Arc::new(snapshot);
        let before = self.snapshot.swap(Arc::clone(&after));
        let stays = |server: &ServerEntry| {
            let mut servers = after.servers().iter();
            servers.any(|other| Arc::ptr_eq(&other.upstream, &server.upstream))
        };
        let gone = before.servers().iter().filter(|server| !stays(server));
        self.leaving().extend(gone.cloned());
    }

    /// Whether what is listened to may go on: the server is still in force as it was reached, and
    /// under the rules of today, the operator's border among them, the principal may what it began with.
    pub(crate) fn still_serves(
        &self,
        principal: &Principal,
        admission: &Admission,
        entry: &ServerEntry,
        operation: Operation<'_>,
    ) -> bool {
        self.still_serves_approved(principal, admission, entry, operation, None)
    }

    /// The same for a call that began with an approval, if it did.
    pub(crate) fn still_serves_approved(
        &self,
        principal: &Principal,
        admission: &Admission,
        entry: &ServerEntry,
        operation: Operation<'_>,
        approval: Option<&Approval>,
    ) -> bool {
        let side = match admission.side {
            Side::Inside => self.standing.side(admission.address),
            // What was opened from outside gains nothing.
            Side::Outside => Side::Outside,
        };
        let caller = Caller { principal, side };
        let circumstances = Circumstances {
            address: admission.address,
            now: self.clock.now(),
        };
        self.snapshot
            .load()
            .named(entry.id.as_str())
            .map(|(_, now)| now)
            .filter(|now| Arc::ptr_eq(&now.upstream, &entry.upstream))
            .is_some_and(|now| {
                let policy = &now.policy;
                let decided = match approval {
                    None => authorize(caller, policy, operation, circumstances, ()),
                    Some(approval) => {
                        authorize_approved(caller, policy, operation, circumstances, approval, ())
                    }
                };
                decided.is_ok()
            })
    }

    /// A server that stands in no picture: its sessions are closed when nobody uses it.
    pub(crate) fn leaves(&self, entry: Arc<ServerEntry>) {
        self.leaving().push(entry);
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<Arc<ServerEntry>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts what callers do.
    pub fn limits(&self) -> &Arc<Limiter> {
        &self.limits
    }

    /// What servers' tools looked like when they were first seen, or last approved.
    pub const fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// The audit trail.
    pub const fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Learns what every server offers, a few at a time, so that the first call need not wait. A
    /// server that knows callers only is asked by the first caller.
    pub async fn warm_up(self: &Arc<Self>) {
        use futures_util::StreamExt;
        let snapshot = self.snapshot();
        futures_util::stream::iter(snapshot.servers().iter().cloned())
            .for_each_concurrent(32, |entry| async move {
                if entry.auth.knows_callers_only() {
                    return;
                }
                if let Err(error) = self.refresh_tools(&entry).await {
                    tracing::warn!(mcp.server.id = %entry.id, error = %error, "server does not list its tools yet");
                }
            })
            .await;
    }

    /// Takes over what other replicas terminated: at once when that is announced, and with
    /// [`keep_house`](Self::keep_house) in any case.
    pub async fn follow_terminated(&self) {
        self.terminated.follow(&*self.clock).await;
    }

    /// Prolongs the places of calls under way, and writes down what was used. Called every second, apart
    /// from [`keep_house`](Self::keep_house): until the last call has ended, and whatever else takes long.
    pub async fn keep_limits(&self) {
        self.limits.keep_house(self.replicas.known_last()).await;
    }

    /// Keeps house once: forgets what expired, takes over what other replicas terminated, closes
    /// sessions that nobody used for long. Called every second.
    pub async fn keep_house(self: &Arc<Self>) {
        self.terminated.follow(&*self.clock).await;
        self.pushes.expire(self.clock.monotonic());
        self.elicitations.expire(self.clock.monotonic());
        self.translation
            .expire(self.clock.monotonic(), self.clock.now());
        self.give_up_parked();
        for entry in self.snapshot().servers() {
            self.close_behind(entry, Closing::Idle);
        }
        let leaving = self.leaving().clone();
        for entry in &leaving {
            self.close_behind(entry, Closing::Unused);
        }
        drop(leaving);
        let left = {
            let mut leaving = self.leaving();
            let before = leaving.len();
            // A request that began before may still open a session.
            leaving
                .retain(|entry| Arc::strong_count(entry) > 1 || entry.upstream.session_count() > 0);
            leaving.len() < before
        };
        if left {
            self.forget_credentials();
        }
    }

    /// Drops the tokens of servers that are neither in force nor still being left: closing a session
    /// takes a credential too.
    fn forget_credentials(&self) {
        let snapshot = self.snapshot();
        let leaving = self.leaving().clone();
        let servers = snapshot.servers().iter().chain(&leaving);
        self.credentials
            .keep_only(&servers.map(|entry| entry.id.clone()).collect());
    }

    fn close_behind(self: &Arc<Self>, entry: &Arc<ServerEntry>, closing: Closing) {
        for session in entry.upstream.take_sessions(closing) {
            let (gateway, entry) = (Arc::clone(self), Arc::clone(entry));
            self.tracker
                .spawn(async move { gateway.close_session(&entry, &session).await });
        }
    }

    /// Closes every upstream session, as far as that goes within `limit`.
    pub async fn close_sessions(self: &Arc<Self>, limit: Duration) {
        self.parked.forget_all();
        let snapshot = self.snapshot();
        let leaving = self.leaving().clone();
        let closing = snapshot.servers().iter().chain(&leaving).flat_map(|entry| {
            let sessions = entry.upstream.take_sessions(Closing::All).into_iter();
            sessions.map(move |session| async move {
                self.close_session(entry, &session).await;
            })
        });
        let _ = tokio::time::timeout(limit, futures_util::future::join_all(closing)).await;
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("generation", &self.snapshot().generation())
            .finish_non_exhaustive()
    }
}
