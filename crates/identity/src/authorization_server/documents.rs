//! Client metadata documents: fetched where a client says, and kept for a while.
//!
//! The address is a stranger's choice, so it is reached through the guard for such: no private
//! address, whatever a name resolves to, no redirect, five seconds, five KiB. And it is their choice how
//! many there are and how slowly they answer, so each site gets a part of the turns only.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Request, StatusCode, Uri};
use portcullis_core::Clock;
use portcullis_egress::{Destination, EgressError, EgressPolicy, HttpClient, RequestBody};
use portcullis_oauth::authorization_server::{
    ClientDocument, ClientIdUrl, ClientMetadata, InvalidClientDocument, LARGEST_DOCUMENT,
    NativeRedirects, document_lifetime,
};

use crate::turns::Turns;

/// Longest for a whole fetch.
const WHOLE: Duration = Duration::from_secs(5);
/// Fetches at one time, and from one site: strangers choose what is fetched.
const AT_ONCE: usize = 128;
const OF_ONE_SITE: usize = 8;
/// Documents that are kept, and addresses that are left alone.
const MOST: usize = 1000;
/// How long an address that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// The documents of clients.
pub struct ClientDocuments {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    turns: Turns<String>,
    kept: Mutex<HashMap<String, Kept>>,
    /// Addresses that did not answer, each until then (monotonic).
    silent: Mutex<HashMap<String, Duration>>,
}

struct Kept {
    metadata: ClientMetadata,
    /// Monotonic.
    until: Duration,
}

/// Why there is no document. `Display` is for the operator's log.
#[derive(Debug, thiserror::Error)]
enum NoDocument {
    #[error("the URL cannot be requested")]
    Url(#[from] http::uri::InvalidUri),
    #[error("no answer")]
    Egress(#[from] EgressError),
    #[error("it took too long")]
    Late,
    #[error("too many are fetched at this moment")]
    Busy,
    #[error("it did not answer a moment ago")]
    Silent,
    #[error("status {0}")]
    Status(StatusCode),
    #[error("it is not plain application/json")]
    Type,
    #[error(transparent)]
    Invalid(#[from] InvalidClientDocument),
}

impl ClientDocuments {
    pub(super) fn new(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            turns: Turns::new(AT_ONCE, OF_ONE_SITE, WHOLE),
            kept: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // Whole entries are put there: a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<String, Duration>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the document at this URL says. Of failures only silence is remembered, for a moment, and of
    /// this address alone: who asks for another one of the same host says nothing about this one.
    pub(super) async fn read(
        &self,
        url: &ClientIdUrl,
        natives: &NativeRedirects,
        on_loopback: bool,
    ) -> Option<ClientMetadata> {
        // What was taken by other rules is not known by these.
        let key = format!("{} {on_loopback} {natives:?}", url.url());
        if let Some(known) = self.known(&key) {
            return Some(known);
        }
        match self.read_anew(url, &key, natives, on_loopback).await {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                tracing::info!(
                    client.host = url.host(),
                    error = &error as &dyn std::error::Error,
                    "a client's metadata document cannot be used"
                );
                None
            }
        }
    }

    fn known(&self, key: &str) -> Option<ClientMetadata> {
        let now = self.clock.monotonic();
        let all = self.kept();
        let kept = all.get(key);
        kept.filter(|kept| now < kept.until)
            .map(|kept| kept.metadata.clone())
    }

    async fn read_anew(
        &self,
        url: &ClientIdUrl,
        key: &str,
        natives: &NativeRedirects,
        on_loopback: bool,
    ) -> Result<ClientMetadata, NoDocument> {
        let place = self.turns.line_up_as(site_of(url));
        let turn = place.ok_or(NoDocument::Busy)?.turn().await;
        let _turn = turn.ok_or(NoDocument::Busy)?;
        // Whoever had the turn before may have fetched this very document, or waited for it in vain.
        if let Some(known) = self.known(key) {
            return Ok(known);
        }
        let now = self.clock.monotonic();
        let left_alone = |until: &Duration| now < *until;
        if self
            .silent()
            .get(url.url().as_str())
            .is_some_and(left_alone)
        {
            return Err(NoDocument::Silent);
        }
        let fetched = tokio::time::timeout(WHOLE, self.fetch(url, natives, on_loopback)).await;
        match fetched.unwrap_or(Err(NoDocument::Late)) {
            Ok((metadata, life)) => {
                self.keep(key, &metadata, life);
                Ok(metadata)
            }
            Err(error) => {
                if matches!(error, NoDocument::Late | NoDocument::Egress(_)) {
                    self.leave_alone(url.url().as_str());
                }
                Err(error)
            }
        }
    }

    fn leave_alone(&self, url: &str) {
        let now = self.clock.monotonic();
        let mut all = self.silent();
        if all.len() >= MOST {
            all.retain(|_, until| now < *until);
        }
        if all.len() < MOST {
            all.insert(url.to_owned(), now.saturating_add(LEFT_ALONE));
        }
    }

    fn keep(&self, url: &str, metadata: &ClientMetadata, life: Duration) {
        let now = self.clock.monotonic();
        let mut all = self.kept();
        if all.len() >= MOST && !all.contains_key(url) {
            all.retain(|_, kept| now < kept.until);
            if all.len() >= MOST {
                let first = all.iter().min_by_key(|(_, kept)| kept.until);
                if let Some(first) = first.map(|(url, _)| url.clone()) {
                    all.remove(&first);
                }
            }
        }
        let kept = Kept {
            metadata: metadata.clone(),
            until: now.saturating_add(life),
        };
        all.insert(url.to_owned(), kept);
    }

    async fn fetch(
        &self,
        url: &ClientIdUrl,
        natives: &NativeRedirects,
        on_loopback: bool,
    ) -> Result<(ClientMetadata, Duration), NoDocument> {
        let mut request = Request::new(RequestBody::default());
        *request.uri_mut() = Uri::try_from(url.url().as_str())?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let policy = EgressPolicy {
            max_body: Some(LARGEST_DOCUMENT),
            ..EgressPolicy::document(Destination::Untrusted {
                allow_loopback: on_loopback,
            })
        };
        let response = self.http.send(request, &policy).await?;
        if response.status() != StatusCode::OK {
            return Err(NoDocument::Status(response.status()));
        }
        if !is_json(response.headers()) {
            return Err(NoDocument::Type);
        }
        let life = lifetime(response.headers());
        let body = response.into_body().collect().await?;
        let document = ClientDocument::parse(&body, url, natives)?;
        Ok((document.metadata, life))
    }
}

/// Whose turns a fetch takes: the last two labels of the host's name. Names below a domain cost their
/// owner nothing, so a host of its own is no reason for turns of its own.
fn site_of(url: &ClientIdUrl) -> String {
    let mut labels = url.host().rsplitn(3, '.');
    match (labels.next(), labels.next()) {
        (Some(last), Some(before)) => format!("{before}.{last}"),
        _ => url.host().to_owned(),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && !headers.contains_key(CONTENT_ENCODING)
}

/// All `Cache-Control` lines together are one list (RFC 9110 §5.3).
fn lifetime(headers: &HeaderMap) -> Duration {
    let lines: Vec<&str> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let all = lines.join(",");
    document_lifetime((!all.is_empty()).then_some(&all))
}

impl fmt::Debug for ClientDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientDocuments")
    }
}

#[cfg(test)]
mod tests;
