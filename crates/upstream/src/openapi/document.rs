//! The document itself: read from a file or fetched, read anew from time to time, and the last good
//! one kept.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use portcullis_core::{Clock, ServerId};
use portcullis_egress::{EgressPolicy, HttpClient, RequestBody};
use portcullis_openapi::{Api, ChosenBy, MAX_DOCUMENT_BYTES, Origin};

use super::call::AGENT;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server::UpstreamServer;
use crate::transport::Means;

/// How long a document is used before it is looked at again: a file, and one that is fetched.
const FILE_FRESH: Duration = Duration::from_secs(10);
const FETCHED_FRESH: Duration = Duration::from_mins(5);

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Largest document that is fetched; the operator's own file may be larger.
const MAX_FETCHED: u64 = 5 * 1024 * 1024;

/// Longest time for fetching one.
const FETCH: Duration = Duration::from_secs(15);

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// In this file of the operator's.
    File(PathBuf),
    /// At this address, which whoever defined the server wrote down.
    Address(Uri),
}

/// An API as the operator described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiEndpoint {
    /// Its document.
    pub document: DocumentSource,
    /// Where it is, if that is written down.
    pub base: Option<Uri>,
    /// Headers that the credential or the operator fills, which are no arguments.
    pub withheld: Vec<HeaderName>,
    /// Whether requests carry anything that is not for everybody.
    pub credentialed: bool,
}

/// Why there is no document to use; for the operator.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// One server's document.
#[derive(Debug)]
pub(super) struct Documents {
    server: ServerId,
    source: DocumentSource,
    origin: Origin,
    credentialed: bool,
    policy: EgressPolicy,
    limit: Duration,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while the document is read: one at a time.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    api: Option<Arc<Api>>,
    /// When it was last read, or tried to.
    read: Option<Duration>,
    failed: Option<Unusable>,
}

impl Documents {
    pub(super) fn new(server: &UpstreamServer, endpoint: &OpenApiEndpoint, means: &Means) -> Self {
        let parsed = |uri: &Uri| uri.to_string().parse().ok();
        let document = match &endpoint.document {
            DocumentSource::File(_) => None,
            DocumentSource::Address(uri) => parsed(uri),
        };
        Self {
            server: server.id.clone(),
            source: endpoint.document.clone(),
            origin: Origin {
                base: endpoint.base.as_ref().and_then(parsed),
                document,
                withheld: endpoint.withheld.clone(),
            },
            credentialed: endpoint.credentialed,
            policy: EgressPolicy {
                max_body: Some(MAX_FETCHED),
                ..EgressPolicy::document(server.destination)
            },
            limit: server.timeout.min(FETCH),
            client: Arc::clone(&means.client),
            clock: Arc::clone(&means.clock),
            state: Mutex::default(),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is read anew before it is used again.
    pub(super) fn recheck(&self) {
        self.state().read = None;
    }

    /// The document as tools: what was read lately, or else read now. When that fails, the last good
    /// one.
    pub(super) async fn api(&self) -> Result<Arc<Api>, UpstreamError> {
        if let Some(settled) = self.settled() {
            return settled;
        }
        let _reading = match (self.reading.try_lock(), self.kept()) {
            (Ok(reading), _) => reading,
            // Somebody reads it already, and there is one to go on with.
            (Err(_), Some(api)) => return Ok(api),
            (Err(_), None) => self.reading.lock().await,
        };
        if let Some(settled) = self.settled() {
            return settled;
        }
        let kept = self.kept();
        let read = self.read(kept.clone()).await;
        let mut state = self.state();
        state.read = Some(self.clock.monotonic());
        match read {
            Ok(api) => {
                state.failed = None;
                state.api = Some(Arc::clone(&api));
                drop(state);
                self.told(&api, kept.as_ref());
                Ok(api)
            }
            Err(unusable) => {
                tracing::warn!(mcp.server.id = %self.server, error = %unusable, kept = kept.is_some(), "OpenAPI document cannot be used");
                state.failed = Some(unusable.clone());
                kept.ok_or_else(|| self.error(unusable))
            }
        }
    }

    fn kept(&self) -> Option<Arc<Api>> {
        self.state().api.clone()
    }

    /// What there is, if it need not be looked at again yet.
    fn settled(&self) -> Option<Result<Arc<Api>, UpstreamError>> {
        let state = self.state();
        let life = match (&state.failed, &self.source) {
            (Some(_), _) => RETRY,
            (None, DocumentSource::File(_)) => FILE_FRESH,
            (None, DocumentSource::Address(_)) => FETCHED_FRESH,
        };
        let age = self.clock.monotonic().saturating_sub(state.read?);
        if age >= life {
            return None;
        }
        match (&state.api, &state.failed) {
            (Some(api), _) => Some(Ok(Arc::clone(api))),
            (None, Some(unusable)) => Some(Err(self.error(unusable.clone()))),
            (None, None) => None,
        }
    }

    fn told(&self, api: &Arc<Api>, before: Option<&Arc<Api>>) {
        if before.is_some_and(|before| Arc::ptr_eq(before, api)) {
            return;
        }
        for finding in api.findings() {
            tracing::warn!(mcp.server.id = %self.server, %finding, "in the OpenAPI document");
        }
        let tools = api.tools().len();
        tracing::info!(mcp.server.id = %self.server, tools, "OpenAPI document read");
    }

    fn error(&self, unusable: Unusable) -> UpstreamError {
        UpstreamError {
            source: Some(Box::new(unusable)),
            ..UpstreamError::new(&self.server, UpstreamErrorKind::Document)
        }
    }

    async fn read(&self, kept: Option<Arc<Api>>) -> Result<Arc<Api>, Unusable> {
        let text = match &self.source {
            DocumentSource::File(path) => {
                let path = path.clone();
                aside(move || file(&path)).await??
            }
            DocumentSource::Address(uri) => tokio::time::timeout(self.limit, self.fetch(uri))
                .await
                .map_err(|_| Unusable(format!("{uri} took too long")))??,
        };
        let (origin, credentialed) = (self.origin.clone(), self.credentialed);
        // Large ones take a while.
        aside(move || compiled(&text, &origin, credentialed, kept)).await?
    }

    async fn fetch(&self, uri: &Uri) -> Result<String, Unusable> {
        let mut request = Request::new(RequestBody::default());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        let kinds = "application/json, application/yaml;q=0.9, */*;q=0.5";
        headers.insert(ACCEPT, HeaderValue::from_static(kinds));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let sent = self.client.send(request, &self.policy).await;
        let failed = |error: portcullis_egress::EgressError| {
            Unusable(format!("{uri} cannot be fetched: {error}"))
        };
        let response = sent.map_err(failed)?;
        let status = response.status();
        if status != StatusCode::OK {
            let hint = if status.is_redirection() {
                "; redirects are not followed: write the address it leads to"
            } else {
                ""
            };
            return Err(Unusable(format!("{uri} answered {status}{hint}")));
        }
        let bytes = response.into_body().collect().await.map_err(failed)?;
        String::from_utf8(bytes.into()).map_err(|_| Unusable(format!("{uri} is not UTF-8")))
    }
}

/// Runs what keeps a processor or a disk busy where it holds up nobody.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unusable> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Unusable("reading was broken off".to_owned()))
}

fn file(path: &Path) -> Result<String, Unusable> {
    let failed = |why: &dyn std::fmt::Display| Unusable(format!("{}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&"not a file"));
    }
    let mut bytes = Vec::new();
    let most = MAX_DOCUMENT_BYTES as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|_| failed(&"not UTF-8"))
}

fn compiled(
    text: &str,
    origin: &Origin,
    credentialed: bool,
    kept: Option<Arc<Api>>,
) -> Result<Arc<Api>, Unusable> {
    let digest = portcullis_core::sha256(text.as_bytes());
    if let Some(kept) = kept.filter(|kept| *kept.digest() == digest) {
        return Ok(kept);
    }
    let api = Api::read(text, origin).map_err(|error| Unusable(error.to_string()))?;
    let mut bases = api.tools().iter().map(portcullis_openapi::Tool::base);
    let elsewhere = bases.find(|base| base.chosen_by == ChosenBy::Document);
    if let Some(base) = elsewhere
        && credentialed
    {
        let origin = base.url.origin().ascii_serialization();
        return Err(Unusable(format!(
            "it came over the network and names {origin} for its server, which would be handed the \
             credential: if that is right, write it as `url`"
        )));
    }
    Ok(Arc::new(api))
}

#[cfg(test)]
mod tests;
