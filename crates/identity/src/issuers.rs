//! Recognises the tokens of trusted issuers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Clock, PrincipalKind, SubjectToken};
use portcullis_oauth::jose::{
    Claims, Jwks, Jws, TokenFault, TokenRules, Unverified, Verified, verify_access_token,
};

use crate::{
    Arrival, Authenticated, Authenticator, AuthnError, AuthnErrorKind, ClientCertificate,
    CredentialSource, Introspection, JwksCache, Presented, Revoke, Told, TrustedIssuer,
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

    async fn jwt(&self, presented: &Presented) -> Result<Option<Authenticated>, AuthnError> {
        let (text, arrival) = (presented.key().expose(), presented.arrival());
        let token = Unverified::<Jws<'_>>::parse(text)?;
        // Read before it is verified, and used for nothing but to find who would have signed it.
        let issuer = token.claimed_issuer()?;
        if let Some(signing) = self.signing.get(&issuer) {
            let rules = &signing.issuer.rules;
            let claims = verify(&token, &signing.keys, rules, arrival, &*self.clock).await?;
            let kind = PrincipalKind::Jwt;
            let principal = signing.issuer.principal(&claims, kind, arrival);
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

/// Believes a token by its issuer's keys, which are asked for anew once for a key that is not known.
pub(crate) async fn verify(
    token: &Unverified<Jws<'_>>,
    cache: &Arc<JwksCache>,
    rules: &TokenRules,
    arrival: &Arrival,
    clock: &dyn Clock,
) -> Result<Verified<Claims>, AuthnError> {
    let unavailable = |_| AuthnErrorKind::Unavailable;
    let keys = cache.keys().await.map_err(unavailable)?;
    let judge = |keys: &Jwks| {
        let now = clock.now();
        let holder = arrival.proved(now).map(ClientCertificate::thumbprint);
        verify_access_token(token, keys, rules, holder, now)
    };
    match judge(&keys) {
        Err(TokenFault::UnknownKey) => {
            let newer = cache.newer_than(&keys).await;
            let newer = newer.ok_or(TokenFault::UnknownKey)?;
            Ok(judge(&newer)?)
        }
        judged => Ok(judged?),
    }
}

#[async_trait]
impl Authenticator for TokenIssuers {
    fn knows_keys(&self) -> bool {
        false
    }

    fn knows(&self, what: &Revoke) -> Option<Duration> {
        let issuer = what.issuer()?;
        let signing = self.signing.get(issuer);
        let signing = signing.map(|signing| signing.issuer.rules.leeway);
        let asked = self.introspection.as_ref();
        let asked = asked.filter(|introspection| introspection.issuer() == issuer);
        let asked = asked.map(|introspection| introspection.issuer.rules.leeway);
        signing.max(asked)
    }

    /// A signed token is judged by its issuer's keys; one of the issuer that would have to be asked
    /// counts as ours, and so does an opaque one that it vouched for lately. It is not asked about
    /// any other: a token for somebody else is nobody's business here.
    async fn recognises(&self, presented: &Presented) -> bool {
        let text = presented.key().expose();
        if Unverified::<Jws<'_>>::looks_like_one(text) {
            return match self.jwt(presented).await {
                Ok(_) => true,
                Err(error) => !error.kind.is_foreign(),
            };
        }
        let introspection = self.introspection.as_ref();
        introspection.is_some_and(|known| known.vouched_for(presented.fingerprint()))
    }

    async fn tells_of(&self, subject: &SubjectToken) -> Result<Option<(&str, Told)>, AuthnError> {
        match &self.introspection {
            Some(introspection) => {
                let told = introspection.tells_of(subject).await?;
                Ok(Some((introspection.issuer(), told)))
            }
            None => Ok(None),
        }
    }

    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let text = presented.key().expose();
        if Unverified::<Jws<'_>>::looks_like_one(text)
            && let Some(authenticated) = self.jwt(presented).await?
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
