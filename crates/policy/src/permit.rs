//! The proof that a decision was made.

use std::sync::Arc;

use portcullis_core::{ForwardedHeaders, OnBehalf, PrincipalId, ServerId, Sha256, SubjectToken};

/// For whom an upstream request is made. Upstream sessions and credentials are never shared
/// between two different values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acting {
    /// A caller's own request.
    Principal(PrincipalId),
    /// A caller's own request, with what it brought (the SHA-256 of all of it) beside a key which
    /// several people may share.
    Bearer(PrincipalId, [u8; 32]),
    /// The request of a stranger whom the server itself judges, with what it brought.
    Delegated(PrincipalId, [u8; 32]),
    /// Ours, for discovery: no caller's rights, no caller's credential.
    Service,
}

/// Among whom the room for sessions and lists is shared out, so that nobody takes everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party<'a> {
    /// One principal, whatever it brings.
    Principal(&'a PrincipalId),
    /// All strangers together: whoever makes up a token makes up another.
    Strangers,
    /// Ourselves.
    Service,
}

impl Acting {
    /// Whose room this one takes.
    pub const fn party(&self) -> Party<'_> {
        match self {
            Self::Principal(principal) | Self::Bearer(principal, _) => Party::Principal(principal),
            Self::Delegated(..) => Party::Strangers,
            Self::Service => Party::Service,
        }
    }

    fn with(self, brought: &[u8; 32]) -> Self {
        let joined = |before: &[u8; 32]| Sha256::new().part(before).part(brought).finish();
        match self {
            Self::Principal(principal) => Self::Bearer(principal, *brought),
            Self::Bearer(principal, before) => Self::Bearer(principal, joined(&before)),
            Self::Delegated(principal, before) => Self::Delegated(principal, joined(&before)),
            Self::Service => Self::Service,
        }
    }
}

/// What `upstream` and `credentials` need to know of a permit, and the reason they believe it:
/// only this room can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    server: ServerId,
    acting: Acting,
    rule: &'static str,
    on_behalf: Option<Arc<OnBehalf>>,
    forwarded: Option<Arc<ForwardedHeaders>>,
}

impl Evidence {
    pub(crate) const fn new(server: ServerId, acting: Acting, rule: &'static str) -> Self {
        Self {
            server,
            acting,
            rule,
            on_behalf: None,
            forwarded: None,
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

    /// The caller's token, where the server is one that may be asked with it.
    pub fn subject(&self) -> Option<&SubjectToken> {
        self.on_behalf.as_ref().map(|brought| &brought.subject)
    }

    /// What of the caller's request this server is handed.
    pub fn forwarded(&self) -> Option<&ForwardedHeaders> {
        self.forwarded.as_deref()
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

    /// The same permission, to be used in the caller's own name. Only for a server whose
    /// authentication asks for it: a token goes no further than it has to.
    #[must_use]
    pub fn on_behalf(mut self, brought: Option<Arc<OnBehalf>>) -> Self {
        if let (Acting::Principal(principal), Some(brought)) = (&self.evidence.acting, brought) {
            if brought.beside_key {
                let of_token = *brought.subject.fingerprint();
                self.evidence.acting = Acting::Bearer(principal.clone(), of_token);
            }
            self.evidence.on_behalf = Some(brought);
        }
        self
    }

    /// The same permission, to be used with what the server is handed of the caller's request. Never
    /// for a request of our own: nobody's credential is in it.
    #[must_use]
    pub fn forwarding(mut self, headers: Option<Arc<ForwardedHeaders>>) -> Self {
        if let Some(headers) = headers
            && self.evidence.acting != Acting::Service
        {
            self.evidence.acting = self.evidence.acting.with(headers.fingerprint());
            self.evidence.forwarded = Some(headers);
        }
        self
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
