//! What we say of our own tokens (RFC 7662), to those who may ask.

use portcullis_core::ErrorKind;
use portcullis_oauth::authorization_server::OAuthFault;
use serde_json::{Value, json};

use super::{AuthorizationError, AuthorizationServer, ClientCredentials, TokenRefusal};
use crate::Authentication;

/// What is said of a token.
#[derive(Debug)]
pub struct Introspected {
    /// The response's body (RFC 7662 §2.2).
    pub body: Value,
    /// Who asked, if that was a client.
    pub client: Option<String>,
}

impl AuthorizationServer {
    /// Answers a client that has a secret, about its own tokens.
    pub async fn introspect_for_client(
        &self,
        authentication: &Authentication,
        credentials: &ClientCredentials<'_>,
    ) -> Result<Introspected, TokenRefusal> {
        let client = self.authenticated(credentials).await?;
        if client.secret.is_none() {
            let by_basic = credentials.authorization.is_some();
            return Err(TokenRefusal::Client { by_basic });
        }
        let mut introspected = self
            .introspect(authentication, credentials)
            .await?
            .unwrap_or_else(inactive);
        // RFC 7662 §4: what belongs to others is told nobody.
        if introspected.get("client_id").and_then(Value::as_str) != Some(&client.id) {
            introspected = inactive();
        }
        Ok(Introspected {
            body: introspected,
            client: Some(client.id),
        })
    }

    /// Answers whoever holds a key of ours.
    pub async fn introspect_for_key(
        &self,
        authentication: &Authentication,
        credentials: &ClientCredentials<'_>,
    ) -> Result<Introspected, TokenRefusal> {
        let introspected = self.introspect(authentication, credentials).await?;
        Ok(Introspected {
            body: introspected.unwrap_or_else(inactive),
            client: None,
        })
    }

    async fn introspect(
        &self,
        authentication: &Authentication,
        credentials: &ClientCredentials<'_>,
    ) -> Result<Option<Value>, TokenRefusal> {
        let text = credentials.form.get("token");
        let text = text.ok_or(OAuthFault::request("token is missing"))?;
        match self.standing(text, authentication).await {
            Ok(Some((token, principal))) => {
                let claims = &token.claims;
                let seconds = |moment: Option<portcullis_core::Timestamp>| {
                    moment.map(portcullis_core::Timestamp::as_secs)
                };
                Ok(Some(json!({
                    "active": true,
                    "token_type": "Bearer",
                    "iss": token.issuer,
                    "sub": claims.subject(),
                    "aud": token.grant.grant.resource,
                    "client_id": token.grant.grant.client,
                    "scope": principal.scopes.to_string(),
                    "jti": claims.token_id(),
                    "sid": claims.session_id(),
                    "iat": seconds(claims.issued_at()),
                    "exp": seconds(claims.expires_at()),
                })))
            }
            Ok(None) => self.refresh_token(text, authentication).await,
            Err(kind) if kind.error_kind() == ErrorKind::Unavailable => {
                Err(AuthorizationError::NobodyKnows.into())
            }
            Err(_) => Ok(None),
        }
    }

    async fn refresh_token(
        &self,
        text: &str,
        authentication: &Authentication,
    ) -> Result<Option<Value>, TokenRefusal> {
        let now = self.deps.clock.now();
        let found = self.kept_token(text).await?.map(|(_, found)| found);
        let found = found.filter(|found| !found.used && now < found.record.expires_at);
        let Some(found) = found else {
            return Ok(None);
        };
        let expires_at = found.record.expires_at;
        let read = self.deps.grants.get(&found.record.grant).await?;
        let Some(read) = read.filter(|read| read.stands(now)) else {
            return Ok(None);
        };
        if self.still_granted(authentication, &read).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(json!({
            "active": true,
            "token_type": "refresh_token",
            "iss": read.grant.origin,
            "sub": read.grant.principal,
            "aud": read.grant.resource,
            "client_id": read.grant.client,
            "scope": read.grant.scopes.to_string(),
            "sid": read.id,
            "exp": expires_at.min(read.expires_at).as_secs(),
        })))
    }
}

/// The one answer for every token that is not good, whyever (RFC 7662 §2.2).
fn inactive() -> Value {
    json!({"active": false})
}
