//! Refresh tokens (RFC 6749 §6), each good once (RFC 9700 §4.14.2).

use portcullis_core::ScopeSet;
use portcullis_oauth::authorization_server::{AuthorizationRequest, OAuthFault, Parameters};
use portcullis_store::{FoundToken, RefreshTokenRecord, Rotated, StoreError};

use super::clients::Client;
use super::secrets::RefreshText;
use super::{AuthorizationServer, Issued, Theft, TokenRefusal};
use crate::Authentication;

const INVALID: OAuthFault = OAuthFault::grant("the refresh token is invalid for this client");

const EXPIRED: OAuthFault = OAuthFault::grant("the refresh token has expired");

impl AuthorizationServer {
    pub(super) async fn refresh(
        &self,
        authentication: &Authentication,
        client: &Client,
        form: &Parameters,
        origin: &str,
    ) -> Result<Issued, TokenRefusal> {
        let presented = form
            .get("refresh_token")
            .ok_or(OAuthFault::request("refresh_token is required"))?;
        let Some((digest, found)) = self.kept_token(presented).await? else {
            return Err(INVALID.into());
        };
        let id = found.record.grant;
        let grants = &self.deps.grants;
        let Some(read) = grants.get(&id).await? else {
            return Err(INVALID.into());
        };
        if read.grant.client != client.id || read.grant.origin != origin {
            return Err(INVALID.into());
        }
        let resource = AuthorizationRequest::resource(form)?;
        if resource.is_some_and(|resource| resource != read.grant.resource) {
            return Err(
                OAuthFault::target("resource does not match the one that was granted").into(),
            );
        }
        let scopes = narrowed(form, &read.grant.scopes)?;
        let scopes = self.grantable(&scopes, client.metadata.scope.as_ref());
        let Some(principal) = self.still_granted(authentication, &read).await? else {
            return Err(OAuthFault::grant("the user for this grant is no longer active").into());
        };
        let now = self.deps.clock.now();
        // No later than what is sealed of the grant says: the column is for finding and tidying, and
        // whoever writes to the database may have changed it.
        let over = read.grant.created_at.after(self.terms.grant_ttl);
        let over = over.min(read.expires_at);
        if !found.used && now >= found.record.expires_at.min(over) {
            return Err(EXPIRED.into());
        }
        let ends = now.after(self.terms.refresh_token_ttl).min(over);
        let next = RefreshText::new(&*self.deps.entropy, &id, ends)?;
        let record = RefreshTokenRecord {
            digest: next.digest(&self.deps.ring),
            grant: id.clone(),
            expires_at: ends,
        };
        // Signed before the token is used up: a client that got nothing comes again with the same one,
        // and is no thief.
        let mut issued = self.issue(&read, &scopes, over, now, &principal)?;
        match grants.store.rotate(&digest, &record, now).await? {
            Rotated::Rotated => {
                issued.refresh_token = Some(next.into_token());
                Ok(issued)
            }
            Rotated::Reused(id) => {
                grants.end(&id, "a used refresh token came again").await?;
                Err(TokenRefusal::Theft(Box::new(Theft {
                    rule: "refresh_reused",
                    client: read.grant.client,
                    grant: id,
                    principal: Some(principal),
                    fault: INVALID,
                })))
            }
            Rotated::Expired => Err(EXPIRED.into()),
            Rotated::Unknown | Rotated::Ended => Err(INVALID.into()),
        }
    }

    /// What is kept of a refresh token, used or not; it ends no later than it says itself. `None`: it is
    /// none, or its row is another grant's.
    pub(super) async fn kept_token(
        &self,
        text: &str,
    ) -> Result<Option<([u8; 32], FoundToken)>, StoreError> {
        let Some(text) = RefreshText::read(text) else {
            return Ok(None);
        };
        let digest = text.digest(&self.deps.ring);
        let found = self.deps.grants.store.token(&digest).await?;
        let found = found.filter(|found| found.record.grant == text.grant);
        Ok(found.map(|mut found| {
            found.record.expires_at = found.record.expires_at.min(text.ends);
            (digest, found)
        }))
    }
}

/// Less than was granted may be asked for, never more.
fn narrowed(form: &Parameters, granted: &ScopeSet) -> Result<ScopeSet, OAuthFault> {
    const WIDER: OAuthFault = OAuthFault::new("invalid_scope", "more than was granted");
    let Some(asked) = form.get("scope") else {
        return Ok(granted.clone());
    };
    let asked: ScopeSet = asked.parse().map_err(|_| WIDER)?;
    if granted.covers(&asked) {
        Ok(asked)
    } else {
        Err(WIDER)
    }
}
