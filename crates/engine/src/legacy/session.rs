//! `Mcp-Session-Id`: everything we must know of a legacy client, sealed for its principal, so that
//! any replica serves it and nobody else can use it. A session is never authentication: every
//! request proves its principal anew.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_core::{
    Principal, PrincipalId, PrincipalKind, Purpose, ReplicaId, Timestamp, sha256,
};
use portcullis_mcp::{ClientCapabilities, PushPolicy, Revision};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::view::View;

/// How long a session id is good for.
pub(super) const LIFETIME: Duration = Duration::from_hours(24);
/// Largest capability object that fits an id.
pub(super) const MAX_CAPABILITIES: usize = 2048;

/// A legacy client.
#[derive(Clone, Debug)]
pub struct LegacyClient {
    /// The negotiated revision.
    pub revision: Revision,
    /// What it declared at `initialize`.
    pub(crate) capabilities: ClientCapabilities,
    /// Its session, when it has one.
    pub(crate) digest: Option<[u8; 32]>,
    pub(crate) expires: Timestamp,
    /// Whether it can come back for an answer with `Last-Event-ID`: not over HTTP+SSE.
    pub(crate) comes_back: bool,
    /// Its message is one of a batch, whose answers carry no event ids to come back with.
    pub(crate) in_batch: bool,
    /// Which replica opened its session.
    pub(crate) home: Option<ReplicaId>,
}

/// Why a session id is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// Forged, another principal's, another endpoint's, expired or terminated: 404, all alike.
    #[error("session not found")]
    NotFound,
    /// Whether it was terminated cannot be known right now: 503.
    #[error("session store unavailable")]
    Unavailable,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    r: String,
    c: String,
    v: String,
    /// When it ends, in milliseconds: also inside, so that a remembered session ends on time.
    e: i64,
    /// Which replica opened it.
    #[serde(default)]
    h: Option<ReplicaId>,
}

impl LegacyClient {
    /// Whether what broke off before its answer can be gone on with.
    pub(super) const fn resumes(&self) -> bool {
        self.comes_back && !self.in_batch
    }

    /// A client that sends single requests without a session (LiteLLM allows it, and so does
    /// 2025-03-26): it can receive nothing but answers.
    pub const fn without_session(revision: Revision, capabilities: ClientCapabilities) -> Self {
        Self {
            revision,
            capabilities,
            digest: None,
            expires: Timestamp::from_millis(0),
            comes_back: true,
            in_batch: false,
            home: None,
        }
    }
}

impl Gateway {
    pub(super) fn seal_session(
        &self,
        principal: &Principal,
        view: &View,
        client: &LegacyClient,
    ) -> Result<String, EngineError> {
        let expires = self.clock.now().after(LIFETIME);
        let sealed = Sealed {
            r: client.revision.as_str().to_owned(),
            c: client.capabilities.as_json().to_owned(),
            v: view.label(),
            e: expires.as_millis(),
            h: Some(self.replica_id().clone()),
        };
        let text = serde_json::to_vec(&sealed).map_err(|_| EngineError::KeyRing)?;
        self.sealer
            .seal(
                Purpose::McpSession,
                principal.id.as_str().as_bytes(),
                expires,
                &text,
            )
            .map_err(|_| EngineError::KeyRing)
    }

    /// The client behind a session id, if this principal may use it on this endpoint now.
    pub fn open_session_id(
        &self,
        principal: &Principal,
        view: &View,
        id: &str,
    ) -> Result<Arc<LegacyClient>, SessionRefusal> {
        let now = self.clock.now();
        let digest = sha256(id.as_bytes());
        if self.terminated.contains(&digest, self.clock.monotonic())? {
            return Err(SessionRefusal::NotFound);
        }
        let label = view.label();
        if let Some(client) = self.opened.get(&digest, principal, &label, now) {
            return Ok(client);
        }
        let binding = principal.id.as_str().as_bytes();
        let text = self
            .sealer
            .open(Purpose::McpSession, binding, now, id)
            .map_err(|_| SessionRefusal::NotFound)?;
        let sealed: Sealed = serde_json::from_slice(&text).map_err(|_| SessionRefusal::NotFound)?;
        let revision = sealed.r.parse().map_err(|()| SessionRefusal::NotFound)?;
        if sealed.v != label {
            return Err(SessionRefusal::NotFound);
        }
        let everything = PushPolicy {
            sampling: true,
            elicitation: true,
        };
        let capabilities = ClientCapabilities::narrowed(&sealed.c, everything)
            .map_err(|_| SessionRefusal::NotFound)?;
        let expires = Timestamp::from_millis(sealed.e);
        let client = Arc::new(LegacyClient {
            revision,
            capabilities,
            digest: Some(digest),
            expires,
            comes_back: true,
            in_batch: false,
            home: sealed.h,
        });
        // Strangers, of whom there are as many as they like, empty nobody's memory.
        if principal.kind != PrincipalKind::Delegated {
            self.opened.remember(digest, principal, label, &client);
        }
        Ok(client)
    }
}

/// Session ids that were opened before: unsealing and reading one again for every request would be
/// work done twice. Keyed by the whole id, and good only for the principal and endpoint it was
/// opened for.
#[derive(Debug, Default)]
pub(crate) struct OpenedSessions(RwLock<HashMap<[u8; 32], Opened>>);

#[derive(Debug)]
struct Opened {
    principal: PrincipalId,
    label: String,
    client: Arc<LegacyClient>,
}

/// Beyond this many the memory is emptied; whoever still works is opened anew.
const MOST_REMEMBERED: usize = 10_000;

impl OpenedSessions {
    fn get(
        &self,
        digest: &[u8; 32],
        principal: &Principal,
        label: &str,
        now: Timestamp,
    ) -> Option<Arc<LegacyClient>> {
        let remembered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let opened = remembered.get(digest)?;
        let fits = opened.principal == principal.id
            && opened.label == label
            && now < opened.client.expires;
        fits.then(|| Arc::clone(&opened.client))
    }

    fn remember(
        &self,
        digest: [u8; 32],
        principal: &Principal,
        label: String,
        client: &Arc<LegacyClient>,
    ) {
        let mut remembered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        let (principal, client) = (principal.id.clone(), Arc::clone(client));
        remembered.insert(
            digest,
            Opened {
                principal,
                label,
                client,
            },
        );
    }
}
