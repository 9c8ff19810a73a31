//! Where an issuer's keys are, and getting them.

use std::time::Duration;

use http::Request;
use portcullis_egress::{Destination, HttpClient, is_loopback};
use portcullis_oauth::jose::{Jwks, JwksError};
use portcullis_oauth::{AuthorizationServerMetadata, MetadataError};
use url::Url;

use crate::document::{NoDocument, exchange};

/// Longest for discovery and keys together.
const WHOLE: Duration = Duration::from_secs(10);

/// Whose keys, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksSource {
    /// The issuer, character by character as its tokens and its metadata say it.
    pub issuer: String,
    /// The same as a URL, where discovery starts.
    pub issuer_url: Url,
    /// Where the keys are; found by discovery when absent.
    pub jwks_uri: Option<Url>,
    /// The operator accepted plain http for these URLs.
    pub allow_insecure_http: bool,
}

/// Why there are no keys. `Display` is for the operator's log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoKeys {
    #[error("the metadata could not be read")]
    Metadata(#[source] NoDocument),
    #[error("there is no metadata where RFC 8414 and OpenID Connect Discovery look for it")]
    NotDiscovered,
    #[error("the metadata is not this issuer's")]
    Foreign(#[source] MetadataError),
    #[error("the metadata names no `jwks_uri`")]
    NoUri,
    #[error("the keys could not be read")]
    Keys(#[source] NoDocument),
    #[error("it took too long as a whole")]
    Late,
    #[error("the keys cannot be used")]
    Unusable(#[from] JwksError),
}

impl JwksSource {
    /// Asks for the keys, with discovery before if need be, within a time that callers can wait.
    pub(crate) async fn fetch(&self, http: &dyn HttpClient) -> Result<Jwks, NoKeys> {
        tokio::time::timeout(WHOLE, self.ask(http))
            .await
            .unwrap_or(Err(NoKeys::Late))
    }

    async fn ask(&self, http: &dyn HttpClient) -> Result<Jwks, NoKeys> {
        let discovered;
        let uri = if let Some(uri) = &self.jwks_uri {
            uri
        } else {
            discovered = self.discover(http).await?;
            &discovered
        };
        let body = exchange(http, uri, self.destination(uri), Request::default())
            .await
            .map_err(NoKeys::Keys)?;
        Ok(Jwks::parse(&body)?)
    }

    /// The `jwks_uri` of the issuer's own metadata (RFC 8414 §3.3: `issuer` compared exactly).
    async fn discover(&self, http: &dyn HttpClient) -> Result<Url, NoKeys> {
        for url in AuthorizationServerMetadata::urls(&self.issuer_url) {
            let body = match exchange(http, &url, self.destination(&url), Request::default()).await
            {
                Ok(body) => body,
                Err(absent) if absent.is_absence() => continue,
                Err(error) => return Err(NoKeys::Metadata(error)),
            };
            match AuthorizationServerMetadata::parse(&body, &self.issuer) {
                Ok(metadata) => return metadata.jwks_uri.ok_or(NoKeys::NoUri),
                // A page for whatever path is asked is no document; the next place may have one.
                Err(MetadataError::Malformed) => {}
                Err(error) => return Err(NoKeys::Foreign(error)),
            }
        }
        Err(NoKeys::NotDiscovered)
    }

    /// The operator's trust covers exactly the hosts and ports that the operator wrote down.
    pub(crate) fn destination(&self, url: &Url) -> Destination {
        let written = [Some(&self.issuer_url), self.jwks_uri.as_ref()];
        if written
            .into_iter()
            .flatten()
            .any(|written| written.origin() == url.origin())
        {
            Destination::Operator {
                allow_insecure_http: self.allow_insecure_http,
            }
        } else {
            Destination::Untrusted {
                allow_loopback: is_loopback(&self.issuer_url),
            }
        }
    }
}
