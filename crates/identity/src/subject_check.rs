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
                let arrival = Arrival {
                    address: subject.address(),
                    certificate: None,
                    addressed: None,
                };
                let claims = introspection.claims(fingerprint, text, &arrival).await?;
                Ok((introspection.issuer(), claims))
            }
            None => Err(TokenFault::Malformed.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use http::{Request, Response};
    use portcullis_core::{AccessToken, ClientSecret, ManualClock};
    use portcullis_egress::{EgressError, EgressPolicy, HttpClient, RequestBody, ResponseBody};
    use tokio::sync::mpsc;

    use super::*;
    use crate::on_behalf::tests::nobody_revoked;
    use crate::{ClaimNames, ClientAuth, IntrospectionSettings, IssuerGrants, TrustedIssuer};

    /// Never answers, and tells of each question.
    #[derive(Debug)]
    struct Silent(mpsc::UnboundedSender<()>);

    #[async_trait]
    impl HttpClient for Silent {
        async fn send(
            &self,
            _: Request<RequestBody>,
            _: &EgressPolicy,
        ) -> Result<Response<ResponseBody>, EgressError> {
            self.0.send(()).unwrap();
            std::future::pending().await
        }
    }

    fn asking(http: Silent) -> SubjectCheck {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_millis(0));
        let issuer = TrustedIssuer {
            rules: TokenRules {
                issuer: "https://idp.example".to_owned(),
                audiences: vec!["us".to_owned()],
                algorithms: Vec::new(),
                types: Vec::new(),
                leeway: std::time::Duration::ZERO,
                max_lifetime: std::time::Duration::from_hours(1),
            },
            claims: ClaimNames {
                user_id: None,
                email: None,
                team: None,
                org: None,
                groups: None,
            },
            grants: IssuerGrants::default(),
        };
        let settings = IntrospectionSettings {
            endpoint: "https://idp.example/introspect".parse().unwrap(),
            allow_insecure_http: false,
            client_id: "us".to_owned(),
            client_secret: ClientSecret::new("secret"),
            client_auth: ClientAuth::Basic,
        };
        let introspection =
            Introspection::new(issuer, settings, Arc::new(http), Arc::clone(&clock));
        SubjectCheck::new(None, Some(introspection), nobody_revoked(), clock)
    }

    /// Whoever brings made-up tokens for the signer takes no turn from a caller of another network.
    #[tokio::test]
    async fn one_network_does_not_take_every_turn_to_ask_about_subjects() {
        let (asked, mut asks) = mpsc::unbounded_channel();
        let check = Arc::new(asking(Silent(asked)));
        let tracker = tokio_util::task::TaskTracker::new();
        let ask = |last: u8, number: u32| {
            let token = SubjectToken::new(AccessToken::new(format!("made-up-{last}-{number}")));
            let token = token.coming_from(Some([203, 0, 113, last].into()));
            let check = Arc::clone(&check);
            tracker.spawn(async move { check.claims(&token).await.map(drop) })
        };
        let flood: Vec<_> = (0..16).map(|number| ask(1, number)).collect();
        for _ in &flood {
            asks.recv().await.unwrap();
        }
        let other = ask(2, 0);
        tokio::select! {
            asked = asks.recv() => assert!(asked.is_some()),
            refused = other => panic!("no turn: {refused:?}"),
        }
    }
}
