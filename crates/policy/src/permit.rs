//! The proof that a decision was made.

use std::sync::Arc;

use portcullis_core::{OnBehalf, Principal, PrincipalId, ScopeSet, ServerId, SubjectToken, sha256};

use crate::Operation;

/// For whom an upstream request is made. Upstream sessions and credentials are never shared
/// between two different values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acting {
    /// A caller's own request.
    Principal(PrincipalId),
    /// A caller's own request, with a token (its SHA-256) that came beside a key which several
    /// people may share.
    Bearer(PrincipalId, [u8; 32]),
    /// A caller's own request, with the token that is the caller, as far as its scopes (their
    /// SHA-256) reach: a server may settle what a session can do when it is opened, and another
    /// token of the same person, given to another client, may be worth less.
    Scoped(PrincipalId, [u8; 32]),
    /// A caller's own request, made with the one of the server's keys that was set apart for them.
    Keyed(PrincipalId, Arc<str>),
    /// Ours, for discovery: no caller's rights, no caller's credential.
    Service,
}

impl Acting {
    /// The caller, whatever came along; nobody, when the request is ours. What is kept for acting
    /// parties is bounded for each caller, who can make up any number of them.
    pub const fn principal(&self) -> Option<&PrincipalId> {
        match self {
            Self::Principal(id)
            | Self::Bearer(id, _)
            | Self::Scoped(id, _)
            | Self::Keyed(id, _) => Some(id),
            Self::Service => None,
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
    named: Option<Arc<Named>>,
}

/// Who asks for what, for a server that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    caller: Arc<Principal>,
    tool: Option<String>,
}

impl Evidence {
    pub(crate) const fn new(server: ServerId, acting: Acting, rule: &'static str) -> Self {
        Self {
            server,
            acting,
            rule,
            on_behalf: None,
            named: None,
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

    /// The caller, where the server is one that is told who asks. The service identity is none.
    pub fn caller(&self) -> Option<&Principal> {
        self.named.as_ref().map(|named| &*named.caller)
    }

    /// The tool that was permitted, as its server spells it, where the server is told who asks.
    pub fn tool(&self) -> Option<&str> {
        self.named.as_ref()?.tool.as_deref()
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

    /// The same permission, with the caller's name and the operation that was permitted. Only for a
    /// server to which we vouch for its callers: a name goes no further than it has to.
    #[must_use]
    pub fn naming(mut self, caller: &Arc<Principal>, operation: Operation<'_>) -> Self {
        if matches!(&self.evidence.acting, Acting::Principal(id) | Acting::Bearer(id, _) if *id == caller.id)
        {
            let tool = match operation {
                Operation::CallTool { tool, .. } => Some(tool.to_owned()),
                Operation::Read | Operation::Use => None,
            };
            self.evidence.named = Some(Arc::new(Named {
                caller: Arc::clone(caller),
                tool,
            }));
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
