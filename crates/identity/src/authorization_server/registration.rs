//! Clients that register themselves (RFC 7591).

use std::fmt;

use portcullis_core::{ClientSecret, ErrorKind};
use portcullis_oauth::authorization_server::{
    AuthMethod, ClientMetadata, InvalidRegistration, RedirectUri,
};
use portcullis_store::Registered;
use serde_json::{Value, json};

use super::clients::KeptClient;
use super::{AuthorizationError, AuthorizationServer, secrets};

/// Clients that are kept.
const ROOM: u64 = 10_000;

/// A new client.
pub struct RegisteredClient {
    /// Its `client_id`.
    pub id: String,
    secret: Option<ClientSecret>,
    metadata: ClientMetadata,
    issued_at: i64,
}

impl RegisteredClient {
    /// The response's body (RFC 7591 §3.2.1). It may hold the secret: it goes to the client and
    /// nowhere else.
    pub fn body(&self) -> Value {
        let metadata = &self.metadata;
        let redirects: Vec<&str> = metadata
            .redirect_uris
            .iter()
            .map(RedirectUri::as_str)
            .collect();
        let grants: Vec<&str> = metadata
            .grant_types
            .iter()
            .map(|one| one.as_str())
            .collect();
        let mut body = json!({
            "client_id": self.id,
            "client_id_issued_at": self.issued_at,
            "redirect_uris": redirects,
            "grant_types": grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": metadata.auth_method.as_str(),
        });
        if let Some(members) = body.as_object_mut() {
            if let Some(secret) = &self.secret {
                members.insert("client_secret".to_owned(), secret.expose().into());
                members.insert("client_secret_expires_at".to_owned(), 0.into());
            }
            if let Some(name) = &metadata.name {
                members.insert("client_name".to_owned(), name.as_str().into());
            }
            if let Some(scope) = &metadata.scope {
                members.insert("scope".to_owned(), scope.to_string().into());
            }
            if let Some(application) = metadata.application_type {
                members.insert("application_type".to_owned(), json!(application));
            }
        }
        body
    }
}

impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a client is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationRefusal {
    /// Clients do not register themselves here.
    #[error("dynamic registration is off")]
    Off,
    /// What it says of itself is not accepted.
    #[error(transparent)]
    Invalid(#[from] InvalidRegistration),
    /// There is no room for another one.
    #[error("there is no room for another client")]
    Full,
    /// The authorization server failed.
    #[error(transparent)]
    Failed(#[from] AuthorizationError),
}

impl RegistrationRefusal {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Off => ErrorKind::NotFound,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Full => ErrorKind::Unavailable,
            Self::Failed(error) => error.error_kind(),
        }
    }
}

impl AuthorizationServer {
    /// Registers whoever asks: an id of ours, and a secret if the client can keep one. Nothing that it
    /// names is fetched, and nothing that it calls itself makes it anybody.
    pub async fn register(&self, body: &[u8]) -> Result<RegisteredClient, RegistrationRefusal> {
        if !self.terms.registration {
            return Err(RegistrationRefusal::Off);
        }
        let mut metadata = ClientMetadata::of_registration(body, &self.terms.natives)?;
        // RFC 7591 §2: what nobody here knows is registered for nobody.
        metadata.scope = metadata
            .scope
            .map(|scope| scope.intersection(&self.terms.scopes));
        let entropy = &*self.deps.entropy;
        let random = |prefix| secrets::random(entropy, prefix).map_err(AuthorizationError::from);
        let id = secrets::name(entropy, secrets::CLIENT).map_err(AuthorizationError::from)?;
        let secret = match metadata.auth_method {
            AuthMethod::None => None,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
                Some(ClientSecret::new(random(secrets::CLIENT_SECRET)?))
            }
        };
        let now = self.deps.clock.now();
        let kept = KeptClient {
            metadata,
            secret: secret.as_ref().map(ClientSecret::fingerprint),
        };
        let record = self.kept(&id, &kept, now)?;
        let registered = self.deps.clients.register(&record, ROOM).await;
        match registered.map_err(AuthorizationError::from)? {
            Registered::Kept => Ok(RegisteredClient {
                id,
                secret,
                metadata: kept.metadata,
                issued_at: now.as_secs(),
            }),
            Registered::Full => Err(RegistrationRefusal::Full),
            // Two ids of 128 random bits are never the same.
            Registered::Duplicate => {
                Err(AuthorizationError::from(portcullis_core::EntropyUnavailable).into())
            }
        }
    }
}
