//! Who may call.

use std::path::PathBuf;

use portcullis_core::{ApiKey, CertificateName, KeyId, Role, ScopeSet, ServerGrants, Timestamp};

use super::{AuthorizationServer, Login, Sourced, TokenIssuer};

/// The operator's key and the file's API keys.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Admin, sees every server.
    pub master_key: Option<Sourced<ApiKey>>,
    /// `identity.keys`
    pub keys: Vec<FileKey>,
    /// What our protected-resource documents say may be asked for.
    pub scopes_supported: ScopeSet,
    /// `identity.issuers`
    pub issuers: Vec<TokenIssuer>,
    /// `identity.client_certificates`
    pub client_certificates: Vec<ClientCertificate>,
    /// `identity.authorization_server`
    pub authorization_server: AuthorizationServer,
    /// `identity.login`
    pub login: Login,
}

/// Whose client certificate means whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The file of its authority, one of [`ClientCa`](super::ClientCa)'s.
    pub ca: PathBuf,
    /// The name that it carries.
    pub san: CertificateName,
    /// The person or service behind it.
    pub user_id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their organization.
    pub org: Option<String>,
    /// OAuth scopes it carries.
    pub scopes: ScopeSet,
    /// What it sees.
    pub grants: ServerGrants,
}

/// One API key of the file.
#[derive(Clone, Debug)]
pub struct FileKey {
    /// Public name.
    pub id: KeyId,
    /// What a caller must present.
    pub key: KeyMaterial,
    /// What it sees.
    pub grants: ServerGrants,
    /// OAuth scopes it carries.
    pub scopes: ScopeSet,
    /// Rights over the gateway itself.
    pub role: Role,
    /// The person or service behind it.
    pub user_id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their organization.
    pub org: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A key, or only what is needed to recognise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    /// The key itself.
    Plain(Sourced<ApiKey>),
    /// Its SHA-256.
    Sha256([u8; 32]),
}

impl KeyMaterial {
    /// The key's SHA-256, in either form.
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Plain(key) => key.value.fingerprint(),
            Self::Sha256(hash) => *hash,
        }
    }
}
