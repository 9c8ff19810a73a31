//! Whether a token that a caller brought for somebody else is believed: the same judgement as at our
//! own door, by the rules of whoever is to rely on it.

use std::sync::Arc;

use portcullis_core::{Clock, SubjectToken, TokenMarks};
use portcullis_oauth::jose::{Claims, Jws, TokenFault, TokenRules, Unverified, Verified};

use crate::issuers::verify;
use crate::{Arrival, AuthnError, Introspection, JwksCache, Revocations};

/// One issuer's tokens: as JWTs by its keys, as opaque tokens by asking it. What can be read by
/// neither is not believed.
#[derive(Debug)]
pub struct SubjectCheck {
    signing: Option<(TokenRules, Arc<JwksCache>)>,
    introspection: Option<Introspection>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
}

impl SubjectCheck {
    /// Believes what either of these does and this list does not refuse.
    pub fn new(
        signing: Option<(TokenRules, Arc<JwksCache>)>,
        introspection: Option<Introspection>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            signing,
            introspection,
            revocations,
            clock,
        }
    }

    /// What the token says. However it was verified, anew or from what is remembered, the revocation
    /// list has the last word.
    pub async fn claims(
        &self,
        subject: &SubjectToken,
    ) -> Result<Arc<Verified<Claims>>, AuthnError> {
        let (issuer, claims) = self.verified(subject).await?;
        let marks = TokenMarks {
            issuer: issuer.into(),
            subject: Some(claims.subject().into()),
            jti: claims.token_id().map(Arc::from),
            sid: claims.session_id().map(Arc::from),
            issued_at: claims.issued_at(),
        };
        self.revocations.judge_token(&marks).await?;
        Ok(claims)
    }

    async fn verified(
        &self,
        subject: &SubjectToken,
    ) -> Result<(&str, Arc<Verified<Claims>>), AuthnError> {
        let text = subject.token().expose();
        if let Some((rules, keys)) = &self.signing
            && Unverified::<Jws<'_>>::looks_like_one(text)
        {
            let token = Unverified::<Jws<'_>>::parse(text)?;
            // No key is asked for on the word of a stranger's token.
            if token.claimed_issuer()? != rules.issuer {
                return Err(TokenFault::Issuer.into());
            }
            let claims = verify(&token, keys, rules, &Arrival::default(), &*self.clock).await?;
            return Ok((&rules.issuer, Arc::new(claims)));
        }
        match &self.introspection {
            Some(introspection) => {
                // It came for somebody else: no certificate of ours proves that its bearer may hold it.
                let fingerprint = subject.fingerprint();
                let claims = introspection
                    .claims(fingerprint, text, &Arrival::default())
                    .await?;
                Ok((introspection.issuer(), claims))
            }
            None => Err(TokenFault::Malformed.into()),
        }
    }
}
