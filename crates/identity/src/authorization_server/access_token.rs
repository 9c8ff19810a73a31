//! Access tokens of our own (RFC 9068): made, and believed.

use std::sync::Arc;

use portcullis_core::{
    AccessToken, CredentialMarks, Principal, PrincipalKind, Role, ScopeSet, Timestamp, TokenMarks,
};
use portcullis_oauth::jose::{
    Algorithm, Claims, Jws, TokenFault, TokenRules, TokenType, Unverified, Verified,
    claimed_audience, claimed_marks, verify_access_token,
};
use serde_json::json;
use std::time::Duration;

use super::grants::ReadGrant;
use super::{AuthorizationError, AuthorizationServer, Endpoint, Issued, secrets};
use crate::{Authentication, AuthnErrorKind, Person, Presented, Proved};

/// RFC 9068 §2.1.
const TYPE: &str = "at+jwt";
/// How far the clocks of replicas may differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// Longest life of a token, whatever is configured.
const LONGEST: Duration = Duration::from_hours(1);

/// A token of ours that verifies, and the grant that it belongs to.
pub(super) struct OwnToken {
    pub(super) claims: Verified<Claims>,
    pub(super) grant: Arc<ReadGrant>,
    pub(super) issuer: String,
}

impl OwnToken {
    pub(super) fn marks(&self) -> TokenMarks {
        TokenMarks {
            issuer: self.issuer.as_str().into(),
            subject: Some(self.claims.subject().into()),
            jti: self.claims.token_id().map(Arc::from),
            sid: self.claims.session_id().map(Arc::from),
            issued_at: self.claims.issued_at(),
        }
    }
}

impl AuthorizationServer {
    /// Who a person is by now; `None`: nobody any more.
    pub(super) async fn still(
        &self,
        authentication: &Authentication,
        person: &Person,
    ) -> Result<Option<Arc<Principal>>, AuthorizationError> {
        match authentication.person(person).await {
            Ok(principal) => Ok(Some(principal)),
            Err(error) if error.kind == AuthnErrorKind::Unavailable => {
                Err(AuthorizationError::NobodyKnows)
            }
            Err(_) => Ok(None),
        }
    }

    /// The person of a grant, by now, if the grant still stands by the revocation list: revoked at our
    /// own issuer, it gives nothing more. `None`: it does not, or they are nobody any more.
    pub(super) async fn still_granted(
        &self,
        authentication: &Authentication,
        read: &ReadGrant,
    ) -> Result<Option<Arc<Principal>>, AuthorizationError> {
        let grant = &read.grant;
        let marks = TokenMarks {
            issuer: grant.origin.as_str().into(),
            subject: Some(grant.principal.as_str().into()),
            jti: None,
            sid: Some(read.id.as_str().into()),
            issued_at: Some(grant.created_at),
        };
        match authentication.revocations().judge_token(&marks).await {
            Ok(()) => {}
            Err(AuthnErrorKind::Unavailable) => return Err(AuthorizationError::NobodyKnows),
            Err(_) => return Ok(None),
        }
        let principal = self.still(authentication, &grant.person).await?;
        Ok(principal.filter(|principal| principal.id == grant.principal))
    }

    /// Signs an access token of this grant, which ends with the grant at the latest.
    pub(super) fn issue(
        &self,
        read: &ReadGrant,
        scopes: &ScopeSet,
        until: Timestamp,
        now: Timestamp,
        principal: &Arc<Principal>,
    ) -> Result<Issued, AuthorizationError> {
        let key = self.deps.keys.signing_key();
        let key = key.ok_or(AuthorizationError::NoKey)?;
        let scopes = self.held(&read.grant.person, principal, scopes);
        let life = self.terms.access_token_ttl.min(LONGEST);
        let ends = principal.expires_at.into_iter().fold(until, Timestamp::min);
        let ends = now.after(life).min(ends);
        let grant = &read.grant;
        let mut claims = json!({
            "iss": grant.origin,
            "aud": grant.resource,
            "sub": grant.principal,
            "client_id": grant.client,
            "jti": secrets::name(&*self.deps.entropy, "")?,
            "sid": read.id,
            "iat": now.as_secs(),
            "exp": ends.as_secs(),
        });
        if let Some(members) = claims.as_object_mut()
            && !scopes.is_empty()
        {
            members.insert("scope".to_owned(), scopes.to_string().into());
        }
        let token = key.sign(TYPE, &claims);
        let token = token.map_err(|_| AuthorizationError::NotSigned)?;
        Ok(Issued {
            access_token: AccessToken::new(token.expose()),
            expires_in: ends.since(now),
            refresh_token: None,
            scopes,
            grant: read.id.clone(),
            client: grant.client.clone(),
            principal: Arc::clone(principal),
        })
    }

    /// Whether a text is one of our own access tokens, good or bad: it goes nowhere.
    pub(crate) fn knows_token(&self, text: &str) -> bool {
        if !Unverified::<Jws<'_>>::looks_like_one(text) {
            return false;
        }
        Unverified::<Jws<'_>>::parse(text).is_ok_and(|token| self.is_ours(&token))
    }

    /// Whether one of our keys signed it, or it says that we issued it, which nobody else can have.
    fn is_ours(&self, token: &Unverified<Jws<'_>>) -> bool {
        let keys = self.deps.keys.verifying();
        let issuer = token.claimed_issuer().ok();
        token.signed_by(&keys, &Algorithm::ALL).is_ok()
            || (issuer.is_some() && issuer == self.terms.public_origin)
    }

    /// The session that a token of ours belongs to, also when the token is over.
    pub(super) fn session_of(&self, text: &str) -> Option<String> {
        let token = Unverified::<Jws<'_>>::parse(text).ok()?;
        let keys = self.deps.keys.verifying();
        token.signed_by(&keys, &Algorithm::ALL).ok()?;
        let marks = claimed_marks(text)?;
        marks.sid.map(|sid| sid.to_string())
    }

    /// A token of ours that verifies, whatever it is for. `Ok(None)`: it is none of ours.
    async fn own(&self, text: &str) -> Result<Option<OwnToken>, AuthnErrorKind> {
        if !Unverified::<Jws<'_>>::looks_like_one(text) {
            return Ok(None);
        }
        let Ok(token) = Unverified::<Jws<'_>>::parse(text) else {
            // Somebody else says what is wrong with it.
            return Ok(None);
        };
        let Ok(issuer) = token.claimed_issuer() else {
            return Ok(None);
        };
        let keys = self.deps.keys.verifying();
        let rules = TokenRules {
            audiences: claimed_audience(text).into_iter().collect(),
            issuer: issuer.clone(),
            algorithms: Algorithm::ALL.to_vec(),
            types: vec![TokenType::named(TYPE)],
            leeway: LEEWAY,
            max_lifetime: LONGEST,
        };
        let now = self.deps.clock.now();
        let claims = match verify_access_token(&token, &keys, &rules, None, now) {
            Ok(claims) => claims,
            Err(fault) if self.is_ours(&token) => return Err(AuthnErrorKind::Token(fault)),
            Err(_) => return Ok(None),
        };
        let sid = claims
            .session_id()
            .ok_or(AuthnErrorKind::Token(TokenFault::Claims))?;
        let grant = self.deps.grants.recent(sid).await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a grant cannot be read: its tokens are refused"
            );
            AuthnErrorKind::Unavailable
        })?;
        let grant = grant.ok_or(AuthnErrorKind::Unknown)?;
        if grant.ended {
            return Err(AuthnErrorKind::Revoked);
        }
        if !grant.stands(now) {
            return Err(AuthnErrorKind::Expired);
        }
        // What is in a token came out of the row; if the two differ, one of them was changed.
        let granted = &grant.grant;
        let says = |name: &str| claims.member(name).and_then(serde_json::Value::as_str);
        let as_granted = granted.origin == issuer
            && says("aud") == Some(&granted.resource)
            && says("client_id") == Some(&granted.client)
            && claims.subject() == granted.principal.as_str()
            && granted.scopes.covers(&claims.scopes());
        if !as_granted {
            return Err(AuthnErrorKind::Token(TokenFault::Claims));
        }
        Ok(Some(OwnToken {
            claims,
            grant,
            issuer,
        }))
    }

    /// The same, of which the revocation list knows nothing either, with the person behind it.
    /// Any doubt is a refusal.
    pub(super) async fn standing(
        &self,
        text: &str,
        authentication: &Authentication,
    ) -> Result<Option<(OwnToken, Arc<Principal>)>, AuthnErrorKind> {
        let Some(token) = self.own(text).await? else {
            return Ok(None);
        };
        let marks = token.marks();
        authentication.revocations().judge_token(&marks).await?;
        let person = &token.grant.grant.person;
        let principal = authentication.person(person).await;
        let principal = principal.map_err(|error| error.kind)?;
        if principal.id != token.grant.grant.principal {
            return Err(AuthnErrorKind::Unknown);
        }
        let scopes = self.held(person, &principal, &token.claims.scopes());
        let principal = bearer(&principal, &token, scopes);
        Ok(Some((token, Arc::new(principal))))
    }

    /// Who presents one of our own access tokens at the endpoint that it is for. `Ok(None)`: it is
    /// none of ours.
    pub(crate) async fn recognise(
        &self,
        presented: &Presented,
        authentication: &Authentication,
    ) -> Result<Option<Arc<Principal>>, AuthnErrorKind> {
        let text = presented.key().expose();
        let Some((token, principal)) = self.standing(text, authentication).await? else {
            return Ok(None);
        };
        let granted = &token.grant.grant;
        let addressed = presented.arrival().addressed.as_deref();
        let here = addressed.is_some_and(|addressed| {
            addressed.origin == granted.origin && addressed.endpoint == granted.endpoint
        });
        if !here {
            return Err(AuthnErrorKind::Token(TokenFault::Audience));
        }
        Ok(Some(principal))
    }

    /// Who let the client in that holds this access token of our own, while it stands.
    pub(crate) async fn person_behind(
        &self,
        text: &str,
        authentication: &Authentication,
    ) -> Result<Option<(Person, Arc<Principal>)>, AuthnErrorKind> {
        let standing = self.standing(text, authentication).await?;
        Ok(standing.map(|(token, principal)| (token.grant.grant.person.clone(), principal)))
    }

    /// What of these scopes there still is, and the person has by now: nobody gives a client more than
    /// they have themselves. The master key, which has no id, has none and needs none.
    pub fn held(&self, person: &Person, principal: &Principal, granted: &ScopeSet) -> ScopeSet {
        let granted = self.grantable(granted, None);
        match &person.proved {
            Proved::Key(holder) if holder.key_id.is_none() => granted,
            Proved::Key(_) | Proved::Provider(_) => granted.intersection(&principal.scopes),
        }
    }

    /// Whether tokens of this issuer are ours, and how far its clock may differ.
    pub(crate) fn issues_as(&self, issuer: &str) -> Option<Duration> {
        let ours = match &self.terms.public_origin {
            Some(origin) => origin == issuer,
            // Whichever origin a request came to: any may be.
            None => Endpoint::of_resource(issuer, issuer).is_some() && is_origin(issuer),
        };
        ours.then_some(LEEWAY)
    }
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

/// The person as their client: with the scopes that were granted and never with a role.
fn bearer(principal: &Principal, token: &OwnToken, scopes: ScopeSet) -> Principal {
    let granted = &token.grant.grant;
    let ends = [token.claims.expires_at(), Some(token.grant.expires_at)];
    let ends = ends.into_iter().chain([principal.expires_at]).flatten();
    Principal {
        kind: PrincipalKind::SignedIn,
        role: Role::User,
        scopes,
        client_id: Some(granted.client.as_str().into()),
        expires_at: ends.min(),
        marks: CredentialMarks {
            beside: Some(Arc::new(token.marks())),
            ..principal.marks.clone()
        },
        ..principal.clone()
    }
}
