//! Recognises the tokens of trusted issuers.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{Clock, PrincipalKind};
use portcullis_oauth::jose::{Claims, Jws, TokenFault, Unverified, Verified, verify_access_token};

use crate::{
    Authenticated, Authenticator, AuthnError, AuthnErrorKind, CredentialSource, Introspection,
    JwksCache, Presented, TrustedIssuer,
};

/// The forms of our own keys: none is ever shown to anybody else.
const KEY_PREFIX: &str = "sk-";

/// Every issuer whose tokens are accepted: as JWTs, each by its own keys and rules, and at most one
/// as opaque tokens.
#[derive(Debug)]
pub struct TokenIssuers {
    signing: HashMap<String, Signing>,
    introspection: Option<Introspection>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Signing {
    issuer: TrustedIssuer,
    keys: Arc<JwksCache>,
}

impl TokenIssuers {
    /// Trusts these.
    pub fn new(
        signing: Vec<(TrustedIssuer, Arc<JwksCache>)>,
        introspection: Option<Introspection>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let signing = signing
            .into_iter()
            .map(|(issuer, keys)| (issuer.rules.issuer.clone(), Signing { issuer, keys }))
            .collect();
        Self {
            signing,
            introspection,
            clock,
        }
    }

    async fn jwt(&self, text: &str) -> Result<Option<Authenticated>, AuthnError> {
        let token = Unverified::<Jws<'_>>::parse(text)?;
        // Read before it is verified, and used for nothing but to find who would have signed it.
        let issuer = token.claimed_issuer()?;
        if let Some(signing) = self.signing.get(&issuer) {
            let claims = signing.verify(&token, &*self.clock).await?;
            let principal = signing.issuer.principal(&claims, PrincipalKind::Jwt);
            return Ok(Some(Authenticated {
                principal: Arc::new(principal),
            }));
        }
        match &self.introspection {
            Some(introspection) if introspection.issuer() == issuer => Ok(None),
            _ => Err(TokenFault::Issuer.into()),
        }
    }
}

impl Signing {
    async fn verify(
        &self,
        token: &Unverified<Jws<'_>>,
        clock: &dyn Clock,
    ) -> Result<Verified<Claims>, AuthnError> {
        let unavailable = |_| AuthnErrorKind::Unavailable;
        let keys = self.keys.keys().await.map_err(unavailable)?;
        let rules = &self.issuer.rules;
        match verify_access_token(token, &keys, rules, clock.now()) {
            Err(TokenFault::UnknownKey) => {
                let newer = self.keys.newer_than(&keys).await;
                let newer = newer.ok_or(TokenFault::UnknownKey)?;
                Ok(verify_access_token(token, &newer, rules, clock.now())?)
            }
            judged => Ok(judged?),
        }
    }
}

#[async_trait]
impl Authenticator for TokenIssuers {
    fn knows_keys(&self) -> bool {
        false
    }

    /// A signed token is judged by its issuer's keys; one of the issuer that would have to be asked
    /// counts as ours, and so does an opaque one that it vouched for lately. It is not asked about
    /// any other: a token for somebody else is nobody's business here.
    async fn recognises(&self, presented: &Presented) -> bool {
        let text = presented.key().expose();
        if Unverified::<Jws<'_>>::looks_like_one(text) {
            return match self.jwt(text).await {
                Ok(_) => true,
                Err(error) => !error.kind.is_foreign(),
            };
        }
        let introspection = self.introspection.as_ref();
        introspection.is_some_and(|known| known.vouched_for(presented.fingerprint()))
    }

    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let text = presented.key().expose();
        if Unverified::<Jws<'_>>::looks_like_one(text)
            && let Some(authenticated) = self.jwt(text).await?
        {
            return Ok(Some(authenticated));
        }
        let Some(introspection) = &self.introspection else {
            return Ok(None);
        };
        // A key header holds a key of ours, if a mistyped one.
        if presented.source() != CredentialSource::Bearer || text.starts_with(KEY_PREFIX) {
            return Ok(None);
        }
        let principal = introspection.principal(presented).await?;
        Ok(Some(Authenticated { principal }))
    }
}
