//! Whether a token that a caller brought for somebody else is believed: the same judgement as at our
//! own door, by the rules of whoever is to rely on it.

use std::sync::Arc;

use portcullis_core::{Clock, SubjectToken};
use portcullis_oauth::jose::{Claims, Jws, TokenFault, TokenRules, Unverified, Verified};

use crate::issuers::verify;
use crate::{Arrival, AuthnError, Introspection, JwksCache};

/// One issuer's tokens: as JWTs by its keys, as opaque tokens by asking it. What can be read by
/// neither is not believed.
#[derive(Debug)]
pub struct SubjectCheck {
    signing: Option<(TokenRules, Arc<JwksCache>)>,
    introspection: Option<Introspection>,
    clock: Arc<dyn Clock>,
}

impl SubjectCheck {
    /// Believes what either of these does.
    pub fn new(
        signing: Option<(TokenRules, Arc<JwksCache>)>,
        introspection: Option<Introspection>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            signing,
            introspection,
            clock,
        }
    }

    /// What the token says.
    pub async fn claims(
        &self,
        subject: &SubjectToken,
    ) -> Result<Arc<Verified<Claims>>, AuthnError> {
        let text = subject.token().expose();
        if let Some((rules, keys)) = &self.signing
            && Unverified::<Jws<'_>>::looks_like_one(text)
        {
            let token = Unverified::<Jws<'_>>::parse(text)?;
            // No key is asked for on the word of a stranger's token.
            if token.claimed_issuer()? != rules.issuer {
                return Err(TokenFault::Issuer.into());
            }
            return verify(&token, keys, rules, &Arrival::default(), &*self.clock)
                .await
                .map(Arc::new);
        }
        match &self.introspection {
            Some(introspection) => {
                // It came for somebody else: no certificate of ours proves that its bearer may hold it.
                let fingerprint = subject.fingerprint();
                introspection
                    .claims(fingerprint, text, &Arrival::default())
                    .await
            }
            None => Err(TokenFault::Malformed.into()),
        }
    }
}
