//! The proof that a decision was made.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_core::{
    ForwardedHeaders, OnBehalf, Principal, PrincipalId, ScopeSet, ServerId, Sha256, SubjectToken,
    sha256,
};

use crate::{Approval, Operation};

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
    rule: Cow<'static, str>,
    on_behalf: Option<Arc<OnBehalf>>,
    named: Option<Arc<Named>>,
    forwarded: Option<Arc<ForwardedHeaders>>,
    approval: Option<Arc<Approval>>,
}

/// Who asks for what, for a server that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    caller: Arc<Principal>,
    tool: Option<String>,
}

impl Evidence {
    pub(crate) const fn new(server: ServerId, acting: Acting, rule: Cow<'static, str>) -> Self {
        Self {
            server,
            acting,
            rule,
            on_behalf: None,
            named: None,
            forwarded: None,
            approval: None,
        }
    }

    pub(crate) fn approved_by(&mut self, approval: Option<Arc<Approval>>) {
        self.approval = approval;
    }

    /// The approval that was used up for this, where it took one.
    pub fn approval(&self) -> Option<&Approval> {
        self.approval.as_deref()
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

    /// Whether that token came beside the key that admitted the caller.
    pub fn has_subject_beside_key(&self) -> bool {
        let brought = self.on_behalf.as_ref();
        brought.is_some_and(|brought| brought.beside_key)
    }

    /// The caller, where the server is one that is told who asks. The service identity is none.
    pub fn caller(&self) -> Option<&Principal> {
        self.named.as_ref().map(|named| &*named.caller)
    }

    /// The tool that was permitted, as its server spells it, where the server is told who asks.
    pub fn tool(&self) -> Option<&str> {
        self.named.as_ref()?.tool.as_deref()
    }

    /// What of the caller's request this server is handed.
    pub fn forwarded(&self) -> Option<&ForwardedHeaders> {
        self.forwarded.as_deref()
    }

    /// The rule that allowed it, for the audit event.
    pub fn rule(&self) -> Cow<'static, str> {
        self.rule.clone()
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
    /// server to which we vouch for its callers: a name goes no further than it has to. A stranger
    /// has none that we could vouch for.
    #[must_use]
    pub fn naming(mut self, caller: &Arc<Principal>, operation: Operation<'_>) -> Self {
        let is_known = !matches!(self.evidence.acting, Acting::Delegated(..));
        if is_known && self.evidence.acting.principal() == Some(&caller.id) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_core::{CredentialMarks, PrincipalKind, Role, ServerGrants};

    use super::*;
    use crate::Described;

    fn alice() -> Arc<Principal> {
        Arc::new(Principal {
            id: "alice".into(),
            subject: "alice".into(),
            kind: PrincipalKind::Jwt,
            user_id: None,
            client_id: None,
            email: None,
            team: None,
            org: None,
            groups: BTreeSet::new(),
            scopes: ScopeSet::default(),
            key_id: None,
            issuer: None,
            role: Role::User,
            grants: ServerGrants::default(),
            expires_at: None,
            marks: CredentialMarks::default(),
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        })
    }

    #[test]
    fn whoever_acts_for_themselves_is_named_and_nobody_else() {
        let id = || PrincipalId::from("alice");
        for (acting, named) in [
            (Acting::Principal(id()), true),
            (Acting::Bearer(id(), [1; 32]), true),
            (Acting::Scoped(id(), [1; 32]), true),
            (Acting::Keyed(id(), "a".into()), true),
            (Acting::Delegated(id(), [1; 32]), false),
            (Acting::Principal("bob".into()), false),
            (Acting::Service, false),
        ] {
            let shown = format!("{acting:?}");
            let evidence = Evidence::new("a".into(), acting, "grant_all".into());
            let tool = Operation::CallTool {
                tool: "echo",
                arguments: None,
                described: Described::default(),
            };
            let permit = Permit::new((), evidence).naming(&alice(), tool);
            let evidence = permit.evidence();
            assert_eq!(evidence.caller().is_some(), named, "{shown}");
            assert_eq!(evidence.tool(), named.then_some("echo"), "{shown}");
        }
    }
}
