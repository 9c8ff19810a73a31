//! Finding the token endpoint from a server's URL: RFC 9728, then RFC 8414.
//!
//! Whoever names the authorization server gets the client's secret. So the server's own metadata
//! is asked only at the server's own origin, an issuer is compared exactly (a URL of the operator's
//! with an empty path also without its slash), and an issuer whose token was used is not exchanged
//! for another as long as the server's client stays as it is in the file. That is kept in memory: a
//! restart, or a change of the client, trusts anew. Pinning `issuer` leaves no choice of the issuer;
//! its own metadata still names the token endpoint.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use portcullis_egress::{Destination, HttpClient, RequestBody, is_loopback};
use portcullis_oauth::{AuthorizationServerMetadata, MetadataError, ProtectedResourceMetadata};
use url::Url;

use crate::CredentialErrorKind;
use crate::document::{exchange, uri};
use crate::error::Failure;
use crate::token_endpoint::Endpoint;

/// How long a failed discovery is not repeated.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// Where discovery starts.
pub(crate) struct Anchor<'a> {
    pub(crate) server_url: &'a Url,
    pub(crate) issuer: Option<&'a Url>,
    pub(crate) chosen_by: Destination,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Discovered {
    pub(crate) issuer: String,
    pub(crate) endpoint: Endpoint,
}

/// An issuer: where its metadata is looked for, and the spellings it may have there.
pub(crate) struct Issuer {
    pub(crate) url: Url,
    spellings: Vec<String>,
}

impl Issuer {
    /// Named by metadata: exactly as named.
    pub(crate) fn named(text: &str) -> Result<Self, Failure> {
        Ok(Self {
            url: Url::parse(text).map_err(|_| not_discovered())?,
            spellings: vec![text.to_owned()],
        })
    }

    /// Written by the operator, or a server's origin: a parsed URL no longer tells whether an
    /// empty path was written with its slash.
    pub(crate) fn of_url(url: &Url) -> Self {
        let text = url.as_str();
        let mut spellings = vec![text.to_owned()];
        if url.path() == "/" {
            spellings.extend(text.strip_suffix('/').map(str::to_owned));
        }
        Self {
            url: url.clone(),
            spellings,
        }
    }
}

/// Finds the token endpoint.
pub(crate) async fn discover(
    http: &dyn HttpClient,
    anchor: &Anchor<'_>,
) -> Result<Discovered, Failure> {
    let issuer = match anchor.issuer {
        Some(pinned) => Issuer::of_url(pinned),
        None => issuer_of_resource(http, anchor).await?,
    };
    metadata(http, anchor, &issuer).await
}

/// Finds the token endpoint of an issuer, named exactly as its own metadata must name it.
pub(crate) async fn discover_issuer(
    http: &dyn HttpClient,
    issuer: &str,
    chosen_by: Destination,
) -> Result<Endpoint, Failure> {
    let issuer = Issuer::named(issuer)?;
    let anchor = Anchor {
        server_url: &issuer.url,
        issuer: None,
        chosen_by,
    };
    let found = metadata(http, &anchor, &issuer).await?;
    Ok(found.endpoint)
}

async fn metadata(
    http: &dyn HttpClient,
    anchor: &Anchor<'_>,
    issuer: &Issuer,
) -> Result<Discovered, Failure> {
    let trust = anchor.trust();
    let found = authorization_server(http, &trust, issuer).await?;
    let metadata = found.ok_or_else(not_discovered)?;
    let token_endpoint = metadata.token_endpoint.ok_or_else(not_discovered)?;
    Ok(Discovered {
        endpoint: Endpoint {
            issuer: Some(metadata.issuer.clone()),
            destination: trust.destination(&token_endpoint),
            url: token_endpoint,
        },
        issuer: metadata.issuer,
    })
}

/// The metadata of an issuer, whose it must be; `None` where no place has any.
pub(crate) async fn authorization_server(
    http: &dyn HttpClient,
    trust: &Trust<'_>,
    issuer: &Issuer,
) -> Result<Option<AuthorizationServerMetadata>, Failure> {
    for url in AuthorizationServerMetadata::urls(&issuer.url) {
        let Some(body) = document(http, trust, &url).await? else {
            continue;
        };
        match metadata_of(&body, issuer) {
            Ok(metadata) => return Ok(Some(metadata)),
            // A page for whatever path is asked is no document; the next place may have one.
            Err(MetadataError::Malformed) => {}
            Err(error) => return Err(not_discovered().because(error)),
        }
    }
    Ok(None)
}

fn metadata_of(body: &[u8], issuer: &Issuer) -> Result<AuthorizationServerMetadata, MetadataError> {
    let mut outcome = Err(MetadataError::IssuerMismatch);
    for spelling in &issuer.spellings {
        outcome = AuthorizationServerMetadata::parse(body, spelling);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// The first authorization server that the resource names. A server without such metadata is
/// taken, as in MCP 2025-03-26, for its own authorization server; one whose metadata is about
/// something else is not taken for anything.
async fn issuer_of_resource(http: &dyn HttpClient, anchor: &Anchor<'_>) -> Result<Issuer, Failure> {
    let mut doubt = None;
    for url in ProtectedResourceMetadata::urls(anchor.server_url) {
        let Some(body) = document(http, &anchor.trust(), &url).await? else {
            continue;
        };
        match ProtectedResourceMetadata::parse(&body, anchor.server_url) {
            Ok(metadata) => {
                let issuer = metadata
                    .authorization_servers
                    .first()
                    .ok_or_else(not_discovered)?;
                return Issuer::named(issuer);
            }
            Err(MetadataError::Malformed) => {}
            Err(error) => doubt = Some(error),
        }
    }
    if let Some(error) = doubt {
        return Err(not_discovered().because(error));
    }
    Ok(Issuer::of_url(&origin_of(anchor.server_url)))
}

/// A server's origin, as a URL.
pub(crate) fn origin_of(server_url: &Url) -> Url {
    let mut origin = server_url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

/// A document, or `None` where there is none. RFC 8414 §3.2 and RFC 9728 §3.2 know only 200.
pub(crate) async fn document(
    http: &dyn HttpClient,
    trust: &Trust<'_>,
    url: &Url,
) -> Result<Option<Bytes>, Failure> {
    let mut request = Request::new(RequestBody::default());
    *request.uri_mut() = uri(url)?;
    let answer = exchange(http, request, trust.destination(url)).await?;
    if answer.is_unavailable() {
        return Err(Failure::new(CredentialErrorKind::Unavailable).waiting(answer.retry_after));
    }
    Ok((answer.status == StatusCode::OK).then_some(answer.body))
}

impl<'a> Anchor<'a> {
    fn trust(&self) -> Trust<'a> {
        let written = [Some(self.server_url), self.issuer];
        Trust {
            server_url: self.server_url,
            written: written.into_iter().flatten().collect(),
            chosen_by: self.chosen_by,
        }
    }
}

/// How far addresses are trusted that a server or its authorization server names.
pub(crate) struct Trust<'a> {
    pub(crate) server_url: &'a Url,
    /// What is written down of the server.
    pub(crate) written: Vec<&'a Url>,
    /// By whom.
    pub(crate) chosen_by: Destination,
}

impl Trust<'_> {
    /// The operator's trust covers exactly the hosts and ports that the operator wrote down. What the API wrote
    /// down is trusted no further than what metadata names.
    pub(crate) fn destination(&self, url: &Url) -> Destination {
        let origin = url.origin();
        if self
            .written
            .iter()
            .any(|written| written.origin() == origin)
        {
            return self.chosen_by;
        }
        let may_be_here = match self.chosen_by {
            Destination::Operator { .. } => is_loopback(self.server_url),
            Destination::Untrusted { .. } => false,
        };
        Destination::Untrusted {
            allow_loopback: may_be_here,
        }
    }
}

pub(crate) fn not_discovered() -> Failure {
    Failure::new(CredentialErrorKind::NotDiscovered).waiting(Some(FAILURE_KEPT))
}
