//! Client metadata documents: fetched where a client says, and kept for a while.
//!
//! The address is a stranger's choice, so it is reached through the guard for such: no private
//! address, whatever a name resolves to, no redirect, five seconds, five KiB.

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
use tokio::sync::Semaphore;

/// Longest for a whole fetch.
const WHOLE: Duration = Duration::from_secs(5);
/// Fetches at one time: strangers choose what is fetched.
const AT_ONCE: usize = 16;
/// Documents that are kept.
const MOST: usize = 1000;

/// The documents of clients.
pub struct ClientDocuments {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
    kept: Mutex<HashMap<String, Kept>>,
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
            turns: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // Whole entries are put there: a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the document at this URL says. A failure is not remembered.
    pub(super) async fn read(
        &self,
        url: &ClientIdUrl,
        natives: &NativeRedirects,
        on_loopback: bool,
    ) -> Option<ClientMetadata> {
        let now = self.clock.monotonic();
        if let Some(kept) = self.kept().get(url.url().as_str())
            && now < kept.until
        {
            return Some(kept.metadata.clone());
        }
        let fetched = tokio::time::timeout(WHOLE, self.fetch(url, natives, on_loopback)).await;
        match fetched.unwrap_or(Err(NoDocument::Late)) {
            Ok((metadata, life)) => {
                self.keep(url.url().as_str(), &metadata, life);
                Some(metadata)
            }
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
        let _turn = self.turns.acquire().await.map_err(|_| NoDocument::Busy)?;
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
