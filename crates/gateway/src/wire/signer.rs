//! The `mcp_jwt_signer` guardrail as signers of single servers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use portcullis_config::{
    ClaimSource, Compat, Config, JwtSigner, McpServer, SignerAudience, SignerScopes,
    TokenVerification,
};
use portcullis_core::{Clock, ErrorKind, SubjectToken};
use portcullis_credentials::{
    Audience, ChannelToken, KeyBook, Scopes, Signer, SignerTerms, SubjectFault, VerifiesSubjects,
};
use portcullis_egress::HttpClient;
use portcullis_identity::{Revocations, SubjectCheck};
use portcullis_oauth::jose::{Claims, SigningKey, Verified};
use portcullis_oauth::{ClaimRules, SigningAlgorithm, SubjectSource};
use portcullis_server::{PublishedKeys, SignerFacts};
use portcullis_store::SigningKeyStore;
use portcullis_vault::KeyRing;
use tokio_util::task::TaskTracker;

use super::signing_keys::Chain;
use super::{issuers, signing_keys};

/// What signing needs of the house.
#[derive(Debug)]
pub(super) struct Signing {
    pub(super) store: Arc<dyn SigningKeyStore>,
    pub(super) ring: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: Arc<dyn HttpClient>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) tracker: TaskTracker,
    /// The book in force, if its keys are those of the store.
    pub(super) followed: ArcSwapOption<KeyBook>,
    /// What verifies callers' tokens, kept through a reload: the issuer may be down.
    pub(super) verifier: Mutex<Option<(TokenVerification, Arc<dyn VerifiesSubjects>)>>,
}

/// A signer, not yet of a server.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    book: Arc<KeyBook>,
    algorithm: SigningAlgorithm,
    verifier: Option<Arc<dyn VerifiesSubjects>>,
    gateway: &'static str,
    /// The keys may be changed in the store.
    stored: bool,
}

impl Signing {
    /// Everything that the file's signer needs, its key included; `None`: there is no signer.
    pub(super) async fn prepare(&self, config: &Config) -> anyhow::Result<Option<Prepared>> {
        let Some(signer) = &config.jwt_signer else {
            return Ok(None);
        };
        let mut prepared = Prepared::of_file(signer, config, &self.clock)?;
        if prepared.stored {
            let (chain, now) = (self.chain(), self.clock.now());
            let keys = signing_keys::read_or_make(chain, prepared.algorithm, now).await;
            prepared.book.read(keys.context("the signing keys")?);
        }
        prepared.verifier = match &signer.verification {
            None => None,
            Some(verification) => Some(self.verifier(verification)),
        };
        Ok(Some(prepared))
    }

    /// From now on this one's keys are followed.
    pub(super) fn put_in_force(&self, prepared: Option<&Prepared>) {
        let followed = prepared.filter(|prepared| prepared.stored);
        self.followed
            .store(followed.map(|prepared| Arc::clone(&prepared.book)));
    }

    /// Takes up what `rotate signer` or another replica changed. On any error the keys that are known
    /// stay, for a while.
    pub(super) async fn follow(&self) {
        let Some(book) = self.followed.load_full() else {
            return;
        };
        match signing_keys::read(self.chain()).await {
            Ok(keys) => {
                let before = book.keys();
                for one in keys.iter().filter(|one| !before.contains(one)) {
                    tracing::info!(kid = one.key.key_id(), signs_from = %one.signs_from, "published a new signing key");
                }
                book.read(keys);
            }
            Err(error) => tracing::error!(
                error = &*error as &dyn std::error::Error,
                "the signing keys cannot be read again: those that are known stay in use for ten minutes"
            ),
        }
    }

    fn chain(&self) -> Chain<'_> {
        Chain::for_upstream(&*self.store, &self.ring)
    }

    fn verifier(&self, verification: &TokenVerification) -> Arc<dyn VerifiesSubjects> {
        let mut known = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, verifier)) = &*known
            && of == verification
        {
            return Arc::clone(verifier);
        }
        let check = issuers::subject_check(
            verification,
            &self.client,
            &self.revocations,
            &self.clock,
            &self.tracker,
        );
        let verifier: Arc<dyn VerifiesSubjects> = Arc::new(Verifier {
            check,
            timeout: verification.timeout,
        });
        *known = Some((verification.clone(), Arc::clone(&verifier)));
        verifier
    }
}

impl Prepared {
    /// As far as it goes without the store and the network.
    pub(super) fn of_file(
        signer: &JwtSigner,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let book = KeyBook::new(Arc::clone(clock));
        let keys = signing_keys::of_operator(signer)?;
        let first = keys.as_ref().and_then(|keys| keys.first());
        let algorithm =
            first.map_or_else(|| signing_keys::algorithm(signer), SigningKey::algorithm);
        let stored = keys.is_none();
        if let Some(keys) = keys {
            book.hold(keys);
        }
        Ok(Self {
            book: Arc::new(book),
            algorithm,
            verifier: None,
            gateway: match config.compat {
                Compat::LiteLlm => "litellm-proxy",
                Compat::None => "portcullis",
            },
            stored,
        })
    }

    /// The signer of one server.
    pub(super) fn signer(
        &self,
        signer: &JwtSigner,
        server: &McpServer,
    ) -> anyhow::Result<Arc<Signer>> {
        let terms = SignerTerms {
            claims: rules(signer, self.gateway),
            audience: Audience(match &signer.audience {
                SignerAudience::Exactly(audience) => audience.clone(),
                SignerAudience::PerServer => super::servers::address(server)?.to_string(),
            }),
            lifetime: signer.ttl,
            scopes: match &signer.scopes {
                SignerScopes::Least => Scopes::Least,
                SignerScopes::Full => Scopes::Full,
                SignerScopes::Exactly(scope) => Scopes::Exactly(scope.clone()),
            },
            header: signer.header.parse().context("token_header")?,
            channel: signer
                .channel
                .clone()
                .map(|(audience, lifetime)| ChannelToken { audience, lifetime }),
            debug: signer.debug_headers,
            verification: signer
                .verification
                .as_ref()
                .map(|verification| format!("{verification:?}")),
        };
        let verifier = self.verifier.clone();
        Ok(Arc::new(Signer::new(
            terms,
            Arc::clone(&self.book),
            verifier,
        )))
    }

    /// What everybody may know of it.
    pub(super) fn facts(&self, signer: &JwtSigner) -> SignerFacts {
        SignerFacts {
            issuer: signer.issuer.clone(),
            origin: signer.origin.clone(),
            keys: Arc::new(Book(Arc::clone(&self.book))),
        }
    }
}

fn rules(signer: &JwtSigner, gateway: &str) -> ClaimRules {
    let claims = signer.claims.clone();
    let source = |source: ClaimSource| match source {
        ClaimSource::Token(claim) => SubjectSource::Token(claim),
        ClaimSource::UserId => SubjectSource::UserId,
        ClaimSource::Email => SubjectSource::Email,
        ClaimSource::Team => SubjectSource::Team,
    };
    ClaimRules {
        issuer: signer.issuer.clone(),
        subject: claims.subject.into_iter().map(source).collect(),
        required: claims.required,
        optional: claims.optional,
        add: claims.add,
        set: claims.set,
        remove: claims.remove,
        gateway: gateway.to_owned(),
    }
}

#[derive(Debug)]
pub(super) struct Book(pub(super) Arc<KeyBook>);

impl PublishedKeys for Book {
    fn jwks(&self) -> Option<serde_json::Value> {
        self.0.jwks()
    }
}

/// Identity's judgement for the credentials room, which does not know identity.
#[derive(Debug)]
struct Verifier {
    check: SubjectCheck,
    timeout: Duration,
}

#[async_trait]
impl VerifiesSubjects for Verifier {
    async fn verify(&self, subject: &SubjectToken) -> Result<Arc<Verified<Claims>>, SubjectFault> {
        let asked = tokio::time::timeout(self.timeout, self.check.claims(subject)).await;
        match asked {
            Err(_) => Err(SubjectFault::Unavailable),
            Ok(Ok(claims)) => Ok(claims),
            Ok(Err(error)) => {
                tracing::info!(reason = %error, "a caller's token was not believed");
                Err(match error.error_kind() {
                    ErrorKind::Unavailable => SubjectFault::Unavailable,
                    _ => SubjectFault::Refused,
                })
            }
        }
    }
}
