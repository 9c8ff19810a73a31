//! What the provider says of itself, kept at hand.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::Request;
use portcullis_oauth::{AuthorizationServerMetadata, MetadataError, OpenIdProvider};

use super::{Provider, SignInFault};
use crate::document::{NoDocument, exchange};

/// After this long it is asked for again.
const FRESH: Duration = Duration::from_mins(10);
/// How long it bridges an outage.
const STALE: Duration = Duration::from_hours(24);
/// A provider that did not answer is not asked again before.
const PAUSE: Duration = Duration::from_secs(5);

/// Moments are monotonic.
#[derive(Default)]
pub(super) struct Known {
    document: Option<(Arc<OpenIdProvider>, Duration)>,
    failed: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
enum NoProvider {
    #[error("its metadata could not be read")]
    Document(#[source] NoDocument),
    #[error("the metadata is another issuer's")]
    Foreign(#[source] MetadataError),
    #[error("there is no usable metadata where OpenID Connect Discovery looks for it")]
    NotDiscovered,
    #[error("it says that it knows no S256 challenges (RFC 7636)")]
    NoS256,
}

impl Provider {
    /// Its metadata. One person at a time asks; the others wait for that answer.
    pub(super) async fn document(&self) -> Result<Arc<OpenIdProvider>, SignInFault> {
        if let Some(document) = self.known_within(FRESH) {
            return Ok(document);
        }
        let _asking = self.flight.lock().await;
        if let Some(document) = self.known_within(FRESH) {
            return Ok(document);
        }
        let now = self.clock.monotonic();
        if !self.failed_within(PAUSE, now) {
            match self.discover().await {
                Ok(document) => {
                    let document = Arc::new(document);
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.document = Some((Arc::clone(&document), self.clock.monotonic()));
                    known.failed = None;
                    return Ok(document);
                }
                Err(error) => {
                    tracing::error!(
                        issuer = %self.settings.trusted.rules.issuer,
                        error = &error as &dyn std::error::Error,
                        "the provider for signing in does not say where"
                    );
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.failed = Some(self.clock.monotonic());
                }
            }
        }
        self.known_within(STALE).ok_or(SignInFault::Provider)
    }

    fn known_within(&self, age: Duration) -> Option<Arc<OpenIdProvider>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (document, at) = known.document.as_ref()?;
        (self.clock.monotonic() < *at + age).then(|| Arc::clone(document))
    }

    fn failed_within(&self, age: Duration, now: Duration) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.failed.is_some_and(|failed| now < failed + age)
    }

    /// OpenID Connect Discovery 1.0 §4 first, then where RFC 8414 looks.
    async fn discover(&self) -> Result<OpenIdProvider, NoProvider> {
        let source = self.keys.source();
        for url in AuthorizationServerMetadata::urls(&source.issuer_url)
            .iter()
            .rev()
        {
            let asking = exchange(
                &*self.http,
                url,
                source.destination(url),
                Request::default(),
            );
            let body = match asking.await {
                Ok(body) => body,
                Err(absent) if absent.is_absence() => continue,
                Err(error) => return Err(NoProvider::Document(error)),
            };
            match OpenIdProvider::parse(&body, &source.issuer) {
                Ok(document) if document.denies_s256() => return Err(NoProvider::NoS256),
                Ok(document) => return Ok(document),
                // A page for whatever path is asked is no document; the next place may have one.
                Err(MetadataError::Malformed) => {}
                Err(error) => return Err(NoProvider::Foreign(error)),
            }
        }
        Err(NoProvider::NotDiscovered)
    }
}
