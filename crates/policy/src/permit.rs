//! The proof that a decision was made.

use portcullis_core::{PrincipalId, ServerId};

/// For whom an upstream request is made. Upstream sessions and credentials are never shared
/// between two different values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acting {
    /// A caller's own request.
    Principal(PrincipalId),
    /// Ours, for discovery: no caller's rights, no caller's credential.
    Service,
}

/// What `upstream` and `credentials` need to know of a permit, and the reason they believe it:
/// only this room can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    server: ServerId,
    acting: Acting,
    rule: &'static str,
}

impl Evidence {
    pub(crate) const fn new(server: ServerId, acting: Acting, rule: &'static str) -> Self {
        Self {
            server,
            acting,
            rule,
        }
    }

    /// The one server that may be called.
    pub const fn server(&self) -> &ServerId {
        &self.server
    }

    /// On whose behalf.
    pub const fn acting(&self) -> &Acting {
        &self.acting
    }

    /// The rule that allowed it, for the audit event.
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Permission to do exactly `T`.
#[derive(Clone, Debug)]
pub struct Permit<T> {
    target: T,
    evidence: Evidence,
}

impl<T> Permit<T> {
    pub(crate) const fn new(target: T, evidence: Evidence) -> Self {
        Self { target, evidence }
    }

    /// What is permitted.
    pub const fn target(&self) -> &T {
        &self.target
    }

    /// The evidence to show to `upstream` and `credentials`.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
