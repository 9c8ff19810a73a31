//! Authorization codes (RFC 6749 §4.1.3): good for a minute, once.

use portcullis_core::sha256;
use portcullis_oauth::authorization_server::{
    AuthorizationRequest, OAuthFault, Parameters, PkceChallenge,
};
use portcullis_store::{OneTimeUse, Redeemed, RefreshTokenRecord};
use serde::{Deserialize, Serialize};

use super::clients::Client;
use super::secrets::RefreshText;
use super::{AuthorizationServer, Issued, Theft, TokenRefusal};
use crate::Authentication;

/// What a code stands for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    pub(super) grant: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: PkceChallenge,
}

const INVALID: OAuthFault =
    OAuthFault::grant("the authorization code is invalid, was used, or has expired");
const USAGE: OneTimeUse = OneTimeUse::AuthorizationCode;

impl AuthorizationServer {
    pub(super) async fn redeem_code(
        &self,
        authentication: &Authentication,
        client: &Client,
        form: &Parameters,
        origin: &str,
    ) -> Result<Issued, TokenRefusal> {
        const MISSING: OAuthFault =
            OAuthFault::request("code, redirect_uri, and code_verifier are required");
        let presented = form.get("code").ok_or(MISSING)?;
        let redirect_uri = form.get("redirect_uri").ok_or(MISSING)?;
        let verifier = form.get("code_verifier").ok_or(OAuthFault::grant(
            "PKCE verification failed: code_verifier is missing",
        ))?;
        let digest = sha256(presented.as_bytes());
        let now = self.deps.clock.now();
        // Whoever does not know all that belongs to the code does not use it up: its client may still
        // come.
        let Some(sealed) = self.deps.one_time.peek(USAGE, &digest, now).await? else {
            return self.replayed(authentication, &digest).await;
        };
        let code: Code = self.opened(USAGE, &digest, sealed)?;
        if code.client != client.id {
            return Err(OAuthFault::grant(
                "the authorization code was issued to a different client",
            )
            .into());
        }
        if code.redirect_uri != redirect_uri {
            return Err(
                OAuthFault::grant("redirect_uri is not that of the authorization request").into(),
            );
        }
        if !code.challenge.answered_by(verifier) {
            return Err(OAuthFault::grant("PKCE verification failed").into());
        }
        let read = self.deps.grants.get(&code.grant).await?;
        let Some(read) = read.filter(|read| read.stands(now)) else {
            return Err(INVALID.into());
        };
        let resource = AuthorizationRequest::resource(form)?;
        if resource.is_some_and(|resource| resource != read.grant.resource)
            || read.grant.origin != origin
        {
            return Err(OAuthFault::target(
                "resource does not match the one that this code was issued for",
            )
            .into());
        }
        let Some(principal) = self.still_granted(authentication, &read).await? else {
            return Err(OAuthFault::grant("the user for this grant is no longer active").into());
        };
        let until = read.grant.created_at.after(self.terms.grant_ttl);
        let ends = now.after(self.terms.refresh_token_ttl).min(until);
        let refresh = if read.grant.refreshes && client.metadata.refreshes() {
            Some(RefreshText::new(&*self.deps.entropy, &read.id, ends)?)
        } else {
            None
        };
        let record = refresh.as_ref().map(|text| RefreshTokenRecord {
            digest: text.digest(&self.deps.ring),
            grant: read.id.clone(),
            expires_at: ends,
        });
        // Signed before the code is used up: a client that got nothing comes again with the same one,
        // and is no thief.
        let scopes = read.grant.scopes.clone();
        let mut issued = self.issue(&read, &scopes, until, now, &principal)?;
        match self.deps.one_time.redeem(USAGE, &digest, now).await? {
            Redeemed::Value(_) => {}
            _ => return self.replayed(authentication, &digest).await,
        }
        let store = &self.deps.grants.store;
        if !store.begin(&read.id, until, record.as_ref(), now).await? {
            return Err(INVALID.into());
        }
        issued.refresh_token = refresh.map(RefreshText::into_token);
        Ok(issued)
    }

    /// A code that is not good. One that was used by somebody ends what that somebody got: one of the
    /// two stole it (RFC 6749 §4.1.2, RFC 9700 §4.5).
    async fn replayed(
        &self,
        authentication: &Authentication,
        digest: &[u8; 32],
    ) -> Result<Issued, TokenRefusal> {
        let now = self.deps.clock.now();
        let redeemed = self.deps.one_time.redeem(USAGE, digest, now).await?;
        if let Redeemed::AlreadyUsed(sealed) = redeemed {
            let code: Code = self.opened(USAGE, digest, sealed)?;
            let why = "its authorization code came again";
            let read = self.deps.grants.get(&code.grant).await?;
            self.deps.grants.end(&code.grant, why).await?;
            let principal = match &read {
                Some(read) => authentication.person(&read.grant.person).await.ok(),
                None => None,
            };
            return Err(TokenRefusal::Theft(Box::new(Theft {
                rule: "code_replayed",
                client: code.client,
                grant: code.grant,
                principal,
                fault: INVALID,
            })));
        }
        Err(INVALID.into())
    }
}
