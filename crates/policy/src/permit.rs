//! The proof that a decision was made.

use std::sync::Arc;

use portcullis_core::{
    ForwardedHeaders, OnBehalf, PrincipalId, ScopeSet, ServerId, Sha256, SubjectToken, sha256,
};

/// For whom an upstream request is made. Upstream sessions and credentials are never shared
/// between two different values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acting {
    /// A caller's own request.
    Principal(PrincipalId),
    /// A caller's own request, with what it brought (the SHA-256 of all of it) beside a key which
    /// several people may share.
    Bearer(PrincipalId, [u8; 32]),
    /// A caller's own request, with the token that is the caller, as far as its scopes (their
    /// SHA-256) reach: a server may settle what a session can do when it is opened, and another
    /// token of the same person, given to another client, may be worth less; and with whatever else
    /// of their request goes along.
    Scoped(PrincipalId, [u8; 32]),
    /// A caller's own request, made with the one of the server's keys that was set apart for them.
    Keyed(PrincipalId, Arc<str>),
    /// The request of a stranger whom the server itself judges, with what it brought.
    Delegated(PrincipalId, [u8; 32]),
    /// Ours, for discovery: no caller's rights, no caller's credential.
    Service,
}

/// Among whom the room for sessions, lists and tokens is shared out, so that nobody takes everybody's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// One principal, whatever it brings.
    Principal(PrincipalId),
    /// All strangers together: whoever makes up a token makes up another.
    Strangers,
    /// Ourselves.
    Service,
}

impl Acting {
    /// The caller, whatever came along; nobody, when the request is ours.
    pub const fn principal(&self) -> Option<&PrincipalId> {
        match self {
            Self::Principal(id)
            | Self::Bearer(id, _)
            | Self::Scoped(id, _)
            | Self::Keyed(id, _)
            | Self::Delegated(id, _) => Some(id),
            Self::Service => None,
        }
    }

    /// Whose room this one takes. A caller can make up any number of acting parties.
    pub fn party(&self) -> Party {
        match self {
            Self::Principal(principal)
            | Self::Bearer(principal, _)
            | Self::Scoped(principal, _)
            | Self::Keyed(principal, _) => Party::Principal(principal.clone()),
            Self::Delegated(..) => Party::Strangers,
            Self::Service => Party::Service,
        }
    }

    /// The same with what is handed on of its request; `None` where nothing ever is: of ours, which
    /// holds nobody's credential, and beside a key that was set apart for the caller.
    fn with(&self, brought: &[u8; 32]) -> Option<Self> {
        let joined = |before: &[u8; 32]| Sha256::new().part(before).part(brought).finish();
        match self {
            Self::Principal(principal) => Some(Self::Bearer(principal.clone(), *brought)),
            Self::Bearer(principal, before) => {
                Some(Self::Bearer(principal.clone(), joined(before)))
            }
            Self::Scoped(principal, before) => {
                Some(Self::Scoped(principal.clone(), joined(before)))
            }
            Self::Delegated(principal, before) => {
                Some(Self::Delegated(principal.clone(), joined(before)))
            }
            Self::Keyed(..) | Self::Service => None,
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

    /// The same permission, to be used in the caller's own name, whose credential has these scopes.
    /// Only for a server whose authentication asks for it: a token goes no further than it has to.
    #[must_use]
    pub fn on_behalf(mut self, brought: Option<Arc<OnBehalf>>, scopes: &ScopeSet) -> Self {
        if let (Acting::Principal(principal), Some(brought)) = (&self.evidence.acting, brought) {
            let principal = principal.clone();
            self.evidence.acting = if brought.beside_key {
                Acting::Bearer(principal, *brought.subject.fingerprint())
            } else {
                Acting::Scoped(principal, sha256(scopes.to_string().as_bytes()))
            };
            self.evidence.on_behalf = Some(brought);
        }
        self
    }

    /// The same permission, to be used with what the server is handed of the caller's request. Never
    /// for a request of our own: nobody's credential is in it. Nor beside a key that was set apart
    /// for the caller, which is presented alone.
    #[must_use]
    pub fn forwarding(mut self, headers: Option<Arc<ForwardedHeaders>>) -> Self {
        if let Some(headers) = headers
            && let Some(acting) = self.evidence.acting.with(headers.fingerprint())
        {
            self.evidence.acting = acting;
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
