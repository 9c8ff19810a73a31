//! What each server offers, as last seen by the gateway's own service identity, or by each caller
//! where a server knows callers only: the registry that calls are resolved through.

mod callers;
mod fetch;
mod lister;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_mcp::{Method, ParamHeaders};
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};
use serde_json::value::RawValue;

pub(crate) use self::callers::CallerCatalogs;
pub(crate) use self::fetch::{Page, own_params, param_headers, rpc_code};
pub(crate) use self::lister::Lister;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Older than this, a listing is refreshed behind the call that uses it.
const FRESH: Duration = Duration::from_mins(1);
/// A name that is not there is looked for again at most this often, and a server that failed to
/// list is asked again at most this often.
const RETRY: Duration = Duration::from_secs(1);

/// What can be listed and is needed to resolve calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourceTemplatesList,
        }
    }

    /// The member that names an item.
    const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// One item as the server wrote it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Box<str>,
    pub(crate) raw: Box<RawValue>,
    /// For tools: which arguments are mirrored in headers (2026-07-28).
    pub(crate) headers: Option<ParamHeaders>,
}

/// One list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Item>,
    index: HashMap<Box<str>, usize>,
    fetched: Duration,
    /// How often the server had said that this list changed when it was asked for.
    changes: u64,
}

impl Listing {
    pub(crate) fn get(&self, name: &str) -> Option<&Item> {
        self.items.get(*self.index.get(name)?)
    }
}

/// The last attempt to fetch a list.
#[derive(Debug, Default)]
struct Attempt {
    begun: Option<Duration>,
    /// When, and why, it came to nothing: those who waited for it, or come soon after, share that.
    failed: Option<(Duration, UpstreamErrorKind)>,
}

#[derive(Debug, Default)]
struct Shelf {
    listing: Mutex<Option<Arc<Listing>>>,
    /// Held while a fetch is under way: one at a time. Remembers the last attempt.
    fetching: tokio::sync::Mutex<Attempt>,
    /// How often the server said that this list changed.
    changes: AtomicU64,
    /// The last attempt failed; what was seen before may still be there.
    failed: AtomicBool,
}

impl Shelf {
    /// Whether the server has said nothing new since.
    fn is_current(&self, listing: &Listing) -> bool {
        listing.changes == self.changes.load(Ordering::Acquire)
    }
}

/// One server's lists.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tools: Shelf,
    prompts: Shelf,
    resources: Shelf,
    templates: Shelf,
}

impl Catalog {
    const fn shelf(&self, kind: Kind) -> &Shelf {
        match kind {
            Kind::Tools => &self.tools,
            Kind::Prompts => &self.prompts,
            Kind::Resources => &self.resources,
            Kind::Templates => &self.templates,
        }
    }

    /// What was last seen, however old.
    pub(crate) fn seen(&self, kind: Kind) -> Option<Arc<Listing>> {
        self.shelf(kind)
            .listing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the last attempt to list these failed.
    pub(crate) fn failed(&self, kind: Kind) -> bool {
        self.shelf(kind).failed.load(Ordering::Acquire)
    }

    /// The server said that its lists changed.
    pub(crate) fn changed(&self, notification: &str) {
        let kinds: &[Kind] = match notification {
            "notifications/tools/list_changed" => &[Kind::Tools],
            "notifications/prompts/list_changed" => &[Kind::Prompts],
            "notifications/resources/list_changed" => &[Kind::Resources, Kind::Templates],
            _ => &[],
        };
        for kind in kinds {
            self.shelf(*kind).changes.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Gateway {
    /// A server's list in which `wanted` is looked for: what was last seen when it is there, else
    /// a fresh one.
    pub(crate) async fn listing(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        wanted: Option<&str>,
    ) -> Result<Arc<Listing>, EngineError> {
        let lister = Lister::of(view, entry)?;
        let catalog = &lister.catalog;
        let shelf = catalog.shelf(kind);
        let now = self.clock.monotonic();
        let seen = catalog.seen(kind);
        if let Some(listing) = &seen
            && shelf.is_current(listing)
            && wanted.is_none_or(|name| listing.get(name).is_some())
        {
            if now.saturating_sub(listing.fetched) > FRESH {
                self.refresh_behind(&lister, kind);
            }
            return Ok(Arc::clone(listing));
        }
        // Where a name led it leads still, as long as the server cannot say what became of it.
        let led = seen.filter(|listing| wanted.is_some_and(|name| listing.get(name).is_some()));
        if let Some(listing) = &led
            && catalog.failed(kind)
        {
            self.refresh_behind(&lister, kind);
            return Ok(Arc::clone(listing));
        }
        let refreshed = Box::pin(self.refresh(&lister, kind)).await;
        refreshed.or_else(|error| led.ok_or(error))
    }

    /// Fetches the tools anew.
    pub(crate) async fn refresh_tools(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
    ) -> Result<(), EngineError> {
        let lister = Lister::service(entry);
        self.refresh(&lister, Kind::Tools).await.map(drop)
    }

    /// The same as this caller sees it.
    pub(crate) async fn refresh_tools_of(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
    ) -> Result<(), EngineError> {
        let lister = Lister::of(view, entry)?;
        self.refresh(&lister, Kind::Tools).await.map(drop)
    }

    fn refresh_behind(self: &Arc<Self>, lister: &Lister, kind: Kind) {
        if lister.catalog.shelf(kind).fetching.try_lock().is_err() {
            return;
        }
        let gateway = Arc::clone(self);
        let lister = lister.clone();
        self.tracker.spawn(async move {
            if let Err(error) = gateway.refresh(&lister, kind).await {
                tracing::info!(mcp.server.id = %lister.entry.id, error = %error, "catalogue not refreshed");
            }
        });
    }

    /// Fetches one list; concurrent callers share the fetch, and a server that failed to list is
    /// not asked again at once.
    async fn refresh(
        self: &Arc<Self>,
        lister: &Lister,
        kind: Kind,
    ) -> Result<Arc<Listing>, EngineError> {
        let (entry, catalog) = (&lister.entry, &lister.catalog);
        let shelf = catalog.shelf(kind);
        let asked = self.clock.monotonic();
        let mut fetching = shelf.fetching.lock().await;
        let seen = catalog.seen(kind);
        if let Some(listing) = &seen
            && shelf.is_current(listing)
            && (listing.fetched >= asked
                || fetching
                    .begun
                    .is_some_and(|last| asked.saturating_sub(last) < RETRY))
        {
            return Ok(Arc::clone(listing));
        }
        if let Some((at, kind)) = fetching.failed
            && asked.saturating_sub(at) < RETRY
        {
            return Err(failed(entry, kind));
        }
        fetching.begun = Some(asked);
        // Read before the server is asked: what changes meanwhile is asked for again.
        let changes = shelf.changes.load(Ordering::Acquire);
        // Page by page in time would be for ever.
        let limit = entry.upstream.server().timeout;
        let fetched = tokio::time::timeout(limit, Box::pin(self.fetch(lister, kind)))
            .await
            .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
        fetching.failed = match &fetched {
            Err(EngineError::Upstream(error)) => Some((self.clock.monotonic(), error.kind)),
            _ => None,
        };
        shelf.failed.store(fetched.is_err(), Ordering::Release);
        let items = fetched?;
        let index = items
            .iter()
            .enumerate()
            .map(|(at, item)| (item.name.clone(), at))
            .collect();
        let listing = Arc::new(Listing {
            items,
            index,
            fetched: self.clock.monotonic(),
            changes,
        });
        *shelf.listing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&listing));
        Ok(listing)
    }
}

pub(crate) fn bad_answer(entry: &ServerEntry) -> EngineError {
    failed(entry, UpstreamErrorKind::BadAnswer)
}

pub(crate) fn failed(entry: &ServerEntry, kind: UpstreamErrorKind) -> EngineError {
    UpstreamError {
        server: entry.id.clone(),
        kind,
        challenge: Box::default(),
        unanswered: None,
        source: None,
    }
    .into()
}
