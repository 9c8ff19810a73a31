//! `identity.issuers` as authenticator, with key sets that outlive a reload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use portcullis_config::{
    ClientAuth as WrittenClientAuth, TokenIssuer, TokenTypeName, TokenVerification,
};
use portcullis_core::Clock;
use portcullis_egress::HttpClient;
use portcullis_identity::{
    ClaimNames, ClientAuth, Introspection, IntrospectionSettings, IssuerGrants, JwksCache,
    JwksSettings, JwksSource, PersonScopes, Revocations, SubjectCheck, TokenIssuers, TrustedIssuer,
    TrustedProvider, Vouching,
};
use portcullis_oauth::jose::{Algorithm, TokenRules, TokenType};
use tokio_util::task::TaskTracker;

use crate::cli::exit::with_causes;

/// How far the clock may differ of whoever issues the tokens that callers bring for the signer.
pub(super) const SUBJECT_LEEWAY: Duration = Duration::from_secs(30);

/// What issuers are asked with, and the keys that they gave.
#[derive(Debug)]
pub(super) struct Issuers {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    /// By issuer. An issuer that is as it was keeps its keys through a reload: it may be down.
    caches: Mutex<HashMap<String, Arc<JwksCache>>>,
    /// Of the provider that people sign in with.
    login: Mutex<Option<Arc<JwksCache>>>,
}

impl Issuers {
    pub(super) fn new(
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Self {
        Self {
            client,
            clock,
            tracker,
            caches: Mutex::default(),
            login: Mutex::default(),
        }
    }

    /// The authenticator of these issuers. What was remembered of opaque tokens is forgotten.
    pub(super) fn recognise(&self, issuers: &[TokenIssuer]) -> anyhow::Result<TokenIssuers> {
        let mut signing = Vec::new();
        let mut introspection = None;
        for issuer in issuers {
            let trusted = trusted(issuer).with_context(|| issuer.issuer.clone())?;
            match &issuer.introspection {
                None => signing.push((trusted, source_of(issuer))),
                Some(written) => {
                    introspection = Some(Introspection::new(
                        trusted,
                        settings(issuer, written),
                        Arc::clone(&self.client),
                        Arc::clone(&self.clock),
                    ));
                }
            }
        }
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *caches);
        let signing = signing
            .into_iter()
            .map(|(trusted, source)| {
                let kept = before.get(&source.issuer);
                let cache = kept
                    .filter(|cache| *cache.source() == source)
                    .map_or_else(|| self.cache(source), Arc::clone);
                caches.insert(trusted.rules.issuer.clone(), Arc::clone(&cache));
                cache.warm_up();
                (trusted, cache)
            })
            .collect();
        Ok(TokenIssuers::new(
            signing,
            introspection,
            Arc::clone(&self.clock),
        ))
    }

    /// The keys of the provider that people sign in with; the same through a reload that leaves it.
    pub(super) fn login_keys(&self, source: JwksSource) -> Arc<JwksCache> {
        let mut kept = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = match kept.take() {
            Some(cache) if *cache.source() == source => cache,
            _ => self.cache(source),
        };
        *kept = Some(Arc::clone(&cache));
        cache
    }

    /// The issuers whose identity assertions are taken, with the keys that their tokens are believed by.
    pub(super) fn assertions(
        &self,
        issuers: &[TokenIssuer],
    ) -> anyhow::Result<Vec<(TrustedIssuer, Arc<JwksCache>)>> {
        let taken = issuers.iter().filter(|issuer| issuer.id_jag);
        taken
            .map(|issuer| {
                let trusted = trusted(issuer).with_context(|| issuer.issuer.clone())?;
                let source = source_of(issuer);
                let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = caches.get(&source.issuer).map(Arc::clone);
                let cache = kept.filter(|cache| *cache.source() == source);
                Ok((trusted, cache.unwrap_or_else(|| self.cache(source))))
            })
            .collect()
    }

    /// Asks each of them once for what its tokens are believed by.
    pub(super) async fn try_out<'i>(
        &self,
        issuers: &'i [TokenIssuer],
    ) -> Vec<(&'i str, Result<(), String>)> {
        let asking = issuers
            .iter()
            .map(|issuer| async move { (issuer.issuer.as_str(), self.ask(issuer).await) });
        futures_util::future::join_all(asking).await
    }

    async fn ask(&self, issuer: &TokenIssuer) -> Result<(), String> {
        let answer = match &issuer.introspection {
            None => source_of(issuer).try_out(&*self.client).await,
            Some(written) => {
                let trusted = trusted(issuer).map_err(|error| format!("{error:#}"))?;
                let (http, clock) = (Arc::clone(&self.client), Arc::clone(&self.clock));
                Introspection::new(trusted, settings(issuer, written), http, clock)
                    .try_out()
                    .await
            }
        };
        answer.map_err(|error| with_causes(&*error, ": "))
    }

    fn cache(&self, source: JwksSource) -> Arc<JwksCache> {
        JwksCache::new(
            source,
            Arc::clone(&self.client),
            Arc::clone(&self.clock),
            self.tracker.clone(),
            JwksSettings::default(),
        )
    }
}

fn source_of(issuer: &TokenIssuer) -> JwksSource {
    JwksSource {
        issuer: issuer.issuer.clone(),
        issuer_url: issuer.url.clone(),
        jwks_uri: issuer.jwks_uri.clone(),
        allow_insecure_http: issuer.allow_insecure_http,
    }
}

/// What judges the tokens that callers bring for the signer. The file is the whole of the trust: who
/// signs tokens for our own door is another question.
pub(super) fn subject_check(
    verification: &TokenVerification,
    client: &Arc<dyn HttpClient>,
    revocations: &Arc<Revocations>,
    clock: &Arc<dyn Clock>,
    tracker: &TaskTracker,
) -> SubjectCheck {
    let rules = TokenRules {
        issuer: verification.issuer.clone(),
        audiences: verification.audiences.iter().cloned().collect(),
        algorithms: Algorithm::ALL.to_vec(),
        types: ["at+jwt", "JWT"].map(TokenType::named).to_vec(),
        leeway: SUBJECT_LEEWAY,
        max_lifetime: Duration::from_hours(24),
    };
    let signing = verification.discovery.as_ref().map(|url| {
        let source = JwksSource {
            issuer: verification.issuer.clone(),
            issuer_url: url.clone(),
            jwks_uri: None,
            allow_insecure_http: false,
        };
        let cache = JwksCache::new(
            source,
            Arc::clone(client),
            Arc::clone(clock),
            tracker.clone(),
            JwksSettings::default(),
        );
        cache.warm_up();
        (rules.clone(), cache)
    });
    let introspection = verification.introspection.as_ref().map(|written| {
        let settings = IntrospectionSettings {
            endpoint: written.url.clone(),
            allow_insecure_http: false,
            client_id: written.client_id.clone(),
            client_secret: written.client_secret.value.clone(),
            client_auth: ClientAuth::Basic,
        };
        // Only what the token says is asked for: it opens no door of ours.
        let nobody = TrustedIssuer {
            rules,
            claims: ClaimNames {
                user_id: None,
                email: None,
                team: None,
                org: None,
                groups: None,
            },
            grants: IssuerGrants::default(),
        };
        Introspection::new(nobody, settings, Arc::clone(client), Arc::clone(clock))
    });
    let revocations = Arc::clone(revocations);
    SubjectCheck::new(signing, introspection, revocations, Arc::clone(clock))
}

fn settings(
    issuer: &TokenIssuer,
    written: &portcullis_config::Introspection,
) -> IntrospectionSettings {
    IntrospectionSettings {
        endpoint: written.url.clone(),
        allow_insecure_http: issuer.allow_insecure_http,
        client_id: written.client_id.clone(),
        client_secret: written.client_secret.value.clone(),
        client_auth: match written.client_auth {
            WrittenClientAuth::Post => ClientAuth::Post,
            WrittenClientAuth::Basic => ClientAuth::Basic,
        },
    }
}

/// Whose people may be named by identity assertions, and what those see.
pub(super) fn people(issuers: &[TokenIssuer]) -> anyhow::Result<Vec<TrustedProvider>> {
    let taken = issuers.iter().filter(|issuer| issuer.id_jag);
    taken
        .map(|issuer| {
            Ok(TrustedProvider {
                by: Vouching::Assertion,
                issuer: issuer.issuer.clone(),
                grants: trusted(issuer)?.grants,
                // They have those that the assertion grants.
                scopes: PersonScopes::default(),
            })
        })
        .collect()
}

fn trusted(issuer: &TokenIssuer) -> anyhow::Result<TrustedIssuer> {
    let algorithms = issuer.algorithms.iter().map(|name| name.parse());
    let rules = TokenRules {
        issuer: issuer.issuer.clone(),
        audiences: issuer.audiences.iter().cloned().collect(),
        algorithms: algorithms.collect::<Result<_, _>>()?,
        types: issuer
            .token_types
            .iter()
            .map(|name| match name {
                TokenTypeName::Named(name) => TokenType::named(name),
                TokenTypeName::Absent => TokenType::absent(),
            })
            .collect(),
        leeway: issuer.leeway,
        max_lifetime: issuer.max_token_lifetime,
    };
    let claims = issuer.claims.clone();
    let grants = issuer.grants.clone();
    Ok(TrustedIssuer {
        rules,
        claims: ClaimNames {
            user_id: claims.user_id,
            email: claims.email,
            team: claims.team,
            org: claims.org,
            groups: claims.groups,
        },
        grants: IssuerGrants {
            everybody: grants.everybody,
            groups: grants.groups,
            teams: grants.teams,
        },
    })
}

#[cfg(test)]
mod tests {
    use portcullis_config::JWS_ALGORITHMS;
    use portcullis_oauth::jose::Algorithm;

    #[test]
    fn the_configuration_knows_the_algorithms_that_are_verified() {
        let verified: Vec<&str> = Algorithm::ALL.iter().map(|known| known.as_str()).collect();
        assert_eq!(JWS_ALGORITHMS, verified);
    }
}
