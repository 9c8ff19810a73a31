//! The token endpoint (RFC 6749 §3.2): who asks, for what, and what is given.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{
    AccessToken, ClientSecret, ErrorKind, Principal, RefreshToken, ScopeSet, constant_time_eq,
};
use portcullis_oauth::authorization_server::{GrantType, OAuthFault, Parameters};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::clients::Client;
use super::{AuthorizationError, AuthorizationServer};
use crate::Authentication;

/// How a client says who it is (RFC 6749 §2.3): at most one of the two ways.
pub struct ClientCredentials<'r> {
    /// `client_id` and `client_secret` of the form, as the form has them.
    pub form: &'r Parameters,
    /// The value of `Authorization`, if there is one.
    pub authorization: Option<&'r str>,
}

impl ClientCredentials<'_> {
    /// The `client_id` that is claimed, proved or not: for the record.
    pub fn claimed_client(&self) -> Option<String> {
        match self.authorization {
            None => self.form.get("client_id").map(str::to_owned),
            Some(authorization) => Basic::read(authorization).map(|basic| basic.id),
        }
    }
}

impl fmt::Debug for ClientCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCredentials(redacted)")
    }
}

/// What a client is given (RFC 6749 §5.1).
pub struct Issued {
    /// The access token.
    pub access_token: AccessToken,
    /// How long it lives.
    pub expires_in: Duration,
    /// What may replace it.
    pub refresh_token: Option<RefreshToken>,
    /// What was granted, which may be less than was asked for.
    pub scopes: ScopeSet,
    /// For the record: the grant, and the client.
    pub grant: String,
    /// `client_id`.
    pub client: String,
    /// Whose it is.
    pub principal: Arc<Principal>,
}

impl Issued {
    /// The response's body. It holds secrets: it goes to the client and nowhere else.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "access_token": self.access_token.expose(),
            "token_type": "Bearer",
            "expires_in": self.expires_in.as_secs(),
            "scope": self.scopes.to_string(),
        });
        if let (Some(members), Some(refresh)) = (body.as_object_mut(), &self.refresh_token) {
            members.insert("refresh_token".to_owned(), refresh.expose().into());
        }
        body
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// Why a client is given nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// It did not say who it is, or not truly.
    #[error("the client did not authenticate")]
    Client {
        /// It tried by HTTP Basic, so it is answered by a challenge (RFC 6749 §5.2).
        by_basic: bool,
    },
    /// What it asks for is not given.
    #[error(transparent)]
    Fault(#[from] OAuthFault),
    /// What was used up came again.
    #[error("what was used up came again")]
    Theft(Box<Theft>),
    /// The authorization server failed.
    #[error(transparent)]
    Failed(#[from] AuthorizationError),
}

/// Two hold what one was given (RFC 9700 §4.5, §4.14.2): for the record. The client is told no more than
/// of any token that is not good.
#[derive(Debug)]
pub struct Theft {
    /// What came again: the stable reason in the audit event.
    pub rule: &'static str,
    /// The client that it was given to.
    pub client: String,
    /// The grant that has ended with it.
    pub grant: String,
    /// Whose it was, if they are still anybody.
    pub principal: Option<Arc<Principal>>,
    /// What the client is told.
    pub(super) fault: OAuthFault,
}

impl TokenRefusal {
    /// What the client is told.
    pub const fn fault(&self) -> OAuthFault {
        match self {
            Self::Client { .. } => {
                OAuthFault::new("invalid_client", "client authentication failed")
            }
            Self::Fault(fault) => *fault,
            Self::Theft(theft) => theft.fault,
            Self::Failed(error) => match error.error_kind() {
                ErrorKind::Internal => OAuthFault::new("server_error", "the gateway failed"),
                _ => OAuthFault::new("temporarily_unavailable", "try again later"),
            },
        }
    }

    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Client { .. } => ErrorKind::Unauthenticated,
            Self::Fault(_) | Self::Theft(_) => ErrorKind::Invalid,
            Self::Failed(error) => error.error_kind(),
        }
    }
}

impl From<portcullis_store::StoreError> for TokenRefusal {
    fn from(error: portcullis_store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<portcullis_core::EntropyUnavailable> for TokenRefusal {
    fn from(error: portcullis_core::EntropyUnavailable) -> Self {
        Self::Failed(error.into())
    }
}

/// What `Authorization: Basic` holds (RFC 6749 §2.3.1): both parts are form-encoded.
struct Basic {
    id: String,
    secret: ClientSecret,
}

impl Basic {
    fn read(authorization: &str) -> Option<Self> {
        let (scheme, login) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let login = String::from_utf8(STANDARD.decode(login.trim()).ok()?).ok()?;
        let (id, secret) = login.split_once(':')?;
        Some(Self {
            id: decoded(id)?,
            secret: ClientSecret::new(decoded(secret)?),
        })
    }
}

fn decoded(part: &str) -> Option<String> {
    // As the value of a parameter; what would be more than one is none.
    if part.contains(['&', '=']) {
        return None;
    }
    let text = format!("v={part}");
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned())
}

impl AuthorizationServer {
    /// Answers a token request. `origin` is ours, as the client addressed us.
    pub async fn token(
        &self,
        authentication: &Authentication,
        credentials: &ClientCredentials<'_>,
        origin: &str,
    ) -> Result<Issued, TokenRefusal> {
        let form = credentials.form;
        let grant_type = form
            .get("grant_type")
            .ok_or(OAuthFault::request("grant_type is missing"))?;
        let known = [
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::JwtBearer,
        ];
        let known = known.into_iter().find(|one| one.as_str() == grant_type);
        let grant_type = known.ok_or(OAuthFault::new(
            "unsupported_grant_type",
            "grant_type must be authorization_code, refresh_token or \
             urn:ietf:params:oauth:grant-type:jwt-bearer",
        ))?;
        let client = self.authenticated(credentials).await?;
        if !client.metadata.grant_types.contains(&grant_type) {
            return Err(OAuthFault::new(
                "unauthorized_client",
                "the client is not registered for this grant_type",
            )
            .into());
        }
        match grant_type {
            GrantType::AuthorizationCode => {
                self.redeem_code(authentication, &client, form, origin)
                    .await
            }
            GrantType::RefreshToken => self.refresh(authentication, &client, form, origin).await,
            GrantType::JwtBearer => {
                self.take_assertion(authentication, &client, form, origin)
                    .await
            }
        }
    }

    /// The client that these credentials are of. One that has a secret shows it; one that has none
    /// shows none.
    pub(super) async fn authenticated(
        &self,
        credentials: &ClientCredentials<'_>,
    ) -> Result<Client, TokenRefusal> {
        let form = credentials.form;
        let by_basic = credentials.authorization.is_some();
        let refused = || TokenRefusal::Client { by_basic };
        let posted = form.get("client_secret");
        let (id, secret) = match credentials.authorization {
            None => {
                let id = form.get("client_id").ok_or_else(refused)?;
                (id.to_owned(), posted.map(ClientSecret::new))
            }
            // RFC 6749 §2.3: not more than one method.
            Some(_) if posted.is_some() => {
                return Err(
                    OAuthFault::request("the client authenticates in more than one way").into(),
                );
            }
            Some(authorization) => {
                let basic = Basic::read(authorization).ok_or_else(refused)?;
                if form.get("client_id").is_some_and(|id| id != basic.id) {
                    return Err(refused());
                }
                (basic.id, Some(basic.secret))
            }
        };
        let client = self.client(&id).await?.ok_or_else(refused)?;
        let good = match (&client.secret, secret) {
            (None, None) => true,
            // A public client by Basic has an empty password, if it comes so at all.
            (None, Some(secret)) => by_basic && secret.expose().is_empty(),
            (Some(_), None) => false,
            (Some(kept), Some(secret)) => constant_time_eq(kept, &secret.fingerprint()),
        };
        if good { Ok(client) } else { Err(refused()) }
    }
}
