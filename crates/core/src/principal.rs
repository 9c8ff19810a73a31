//! Who is calling.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::grants::{Level, ServerGrants};
use crate::ids::{KeyId, PrincipalId};
use crate::scope::ScopeSet;

/// How a principal proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// The operator's master key.
    MasterKey,
    /// A virtual key from the file or the store.
    ApiKey,
    /// A signed token of an issuer that the operator trusts.
    Jwt,
    /// A token that its authorization server vouched for (RFC 7662).
    IntrospectedToken,
    /// A sign-in in a browser: the person themselves, or what a client was granted by them.
    SignedIn,
    /// The certificate of its TLS connection, by the operator's rules.
    ClientCertificate,
    /// Nobody that we know: a stranger whom the servers that it addresses judge themselves
    /// (`delegate_auth_to_upstream`). It has rights on those servers and on nothing else.
    Delegated,
}

/// Whom a principal's subject names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// Whoever holds the credential: a person, an account, a key, as far as the credential says.
    Holder,
    /// An OAuth client and nobody else: its authorization server named no resource owner. A client
    /// may be called as some person is, and is not taken for one because of that.
    Client,
}

/// What a principal may do to the gateway itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May call what it is granted.
    User,
    /// May also see and decide the approvals that calls wait for, and nothing else.
    Approver,
    /// May also read everything, and decides no approvals.
    Viewer,
    /// May also change everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::User, Self::Approver, Self::Viewer, Self::Admin];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Approver => "approver",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether it sees what waits for approval, whoever asked for it.
    pub const fn sees_approvals(self) -> bool {
        matches!(self, Self::Approver | Self::Viewer | Self::Admin)
    }

    /// Whether it decides about what waits for approval. A viewer changes nothing.
    pub const fn decides_approvals(self) -> bool {
        matches!(self, Self::Approver | Self::Admin)
    }
}

/// What tells one credential of a subject from another, as far as it says so: what a revocation can
/// name. Texts are kept as they are, whatever they contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialMarks {
    /// The `jti` of a token (RFC 7519 §4.1.7).
    pub jti: Option<Arc<str>>,
    /// The `sid` of a token (OpenID Connect Back-Channel Logout §2.1).
    pub sid: Option<Arc<str>>,
    /// The `iat` of a token (RFC 7519 §4.1.6), or when a key was made.
    pub issued_at: Option<crate::Timestamp>,
    /// What the token says of itself that the caller brought beside the credential to act with:
    /// revoked, it ends what is done with it.
    pub beside: Option<Arc<TokenMarks>>,
}

/// What a token says of itself, as far as a revocation can name it. It need not be true: good for
/// refusing, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMarks {
    /// `iss`.
    pub issuer: Arc<str>,
    /// `sub`.
    pub subject: Option<Arc<str>>,
    /// `jti`.
    pub jti: Option<Arc<str>>,
    /// `sid`.
    pub sid: Option<Arc<str>>,
    /// `iat`.
    pub issued_at: Option<crate::Timestamp>,
}

/// A caller whose credential was verified, or, of the kind [`Delegated`](PrincipalKind::Delegated),
/// one whom the servers addressed will verify. There is no default principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Unique over all ways of authenticating; what sessions, caches and cursors are bound to.
    pub id: PrincipalId,
    /// The `sub` of a token, or the key's id.
    pub subject: Arc<str>,
    /// Whom that names.
    pub subject_kind: SubjectKind,
    /// How it authenticated.
    pub kind: PrincipalKind,
    /// The human or service account behind it, if known.
    pub user_id: Option<Arc<str>>,
    /// The OAuth client through which a token was got (`client_id` of RFC 9068, or `azp`), if known.
    pub client_id: Option<Arc<str>>,
    /// Their e-mail address, if known.
    pub email: Option<Arc<str>>,
    /// Team, if any.
    pub team: Option<Arc<str>>,
    /// Organization, if any.
    pub org: Option<Arc<str>>,
    /// Groups that an issuer asserts.
    pub groups: BTreeSet<String>,
    /// OAuth scopes.
    pub scopes: ScopeSet,
    /// Which key, when a key was used.
    pub key_id: Option<KeyId>,
    /// Which issuer, when a token was used.
    pub issuer: Option<Arc<str>>,
    /// Rights over the gateway itself.
    pub role: Role,
    /// Rights over upstream servers: its own, which what stands above it narrows.
    pub grants: ServerGrants,
    /// Team, organization, person and end user that it acts for, as far as they are defined.
    pub levels: Vec<Arc<Level>>,
    /// When the credential ends: long streams end with it.
    pub expires_at: Option<crate::Timestamp>,
    /// Which of its subject's credentials it is.
    pub marks: CredentialMarks,
}
