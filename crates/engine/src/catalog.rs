//! What each server offers, as last seen by the gateway's own service identity, or by each caller
//! where a server knows callers only: the registry that calls are resolved through.

mod callers;
mod fetch;
mod lister;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use portcullis_core::Sha256;
use portcullis_mcp::{Method, ParamHeaders};
use portcullis_policy::OnDrift;
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};
use serde_json::value::RawValue;

pub(crate) use self::callers::CallerCatalogs;
pub(crate) use self::fetch::{Page, own_params, param_headers, rpc_code};
pub(crate) use self::lister::Lister;
use crate::aggregate::SHARE;
use crate::error::EngineError;
use crate::exposed::Marks;
use crate::gateway::Gateway;
use crate::pins::{Listed, Sighted};
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
    pub(crate) const fn key(self) -> &'static str {
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
    /// For tools: the digest of all that it says.
    pub(crate) digest: [u8; 32],
    /// For tools: which arguments are mirrored in headers (2026-07-28).
    pub(crate) headers: Option<ParamHeaders>,
    /// A tool that answers with tasks, which nobody is offered.
    pub(crate) tasks_only: bool,
    /// A tool that only reads, as its server says.
    pub(crate) read_only: bool,
}

/// One list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Item>,
    index: HashMap<Box<str>, usize>,
    /// Made when the first name is looked for that could be a marked one.
    marks: OnceLock<Marks>,
    fetched: Duration,
    /// How often the server had said that this list changed when it was asked for.
    changes: u64,
    /// The digest of all that was read, and of what callers may see of it.
    read: [u8; 32],
    shown: [u8; 32],
}

impl Listing {
    pub(crate) fn get(&self, name: &str) -> Option<&Item> {
        self.items.get(*self.index.get(name)?)
    }

    /// The item that is called so on the aggregate endpoint, by a marked name under this alias.
    pub(crate) fn marked(&self, alias: &str, exposed: &str) -> Option<&Item> {
        let names = || self.items.iter().map(|item| &*item.name);
        let marks = self.marks.get_or_init(|| Marks::of(alias, names()));
        let position = if *marks.alias == *alias {
            marks.position(exposed)
        } else {
            Marks::of(alias, names()).position(exposed)
        };
        self.items.get(position?)
    }
}

/// What is looked for in a list.
pub(crate) type Sought<'a> = &'a (dyn Fn(&Listing) -> bool + Sync);

/// The last attempt to fetch a list.
#[derive(Debug, Default)]
struct Attempt {
    begun: Option<Duration>,
    /// When, and why, it came to nothing: those who waited for it, or come soon after, share that.
    failed: Option<(Duration, UpstreamErrorKind)>,
    /// When it began, by the clock that we sleep by.
    paced: Option<tokio::time::Instant>,
    /// How often the server had said that the list changed, when an attempt began that came to its end.
    covered: Option<u64>,
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
    /// Rises when the list became another, also where callers do not see it.
    read: AtomicU64,
    /// Rises when what callers may see of it became another.
    shown: AtomicU64,
    /// Held while a listing is held against the pins, in the order of listings.
    sighting: tokio::sync::Mutex<()>,
    /// Somebody waits to do that with the listing that is the latest by then.
    sighting_due: AtomicBool,
}

/// Which list it is, of all that a server had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListVersion {
    /// As we read it.
    pub(crate) read: u64,
    /// As callers may see it.
    pub(crate) shown: u64,
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
    /// A server's list in which something is looked for: what was last seen when it is there, else
    /// a fresh one.
    pub(crate) async fn listing(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        sought: Option<Sought<'_>>,
    ) -> Result<Arc<Listing>, EngineError> {
        let lister = Lister::of(view, entry)?;
        let catalog = &lister.catalog;
        let shelf = catalog.shelf(kind);
        let now = self.clock.monotonic();
        let seen = catalog.seen(kind);
        if let Some(listing) = &seen
            && shelf.is_current(listing)
            && sought.is_none_or(|is_in| is_in(listing))
        {
            if now.saturating_sub(listing.fetched) > FRESH {
                self.refresh_behind(&lister, kind);
            }
            return Ok(Arc::clone(listing));
        }
        // Where a name led it leads still, as long as the server cannot say what became of it.
        let led = seen.filter(|listing| sought.is_some_and(|is_in| is_in(listing)));
        if let Some(listing) = &led
            && catalog.failed(kind)
        {
            self.refresh_behind(&lister, kind);
            return Ok(Arc::clone(listing));
        }
        let refreshed = Box::pin(self.refresh(&lister, kind)).await;
        refreshed.or_else(|error| led.ok_or(error))
    }

    /// A server's list as far as it can be had in a server's share of the time: fresh, or as it was last
    /// seen. A server that failed to list is not waited for.
    pub(crate) async fn known(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
    ) -> Option<Arc<Listing>> {
        let lister = Lister::of(view, entry).ok()?;
        if lister.catalog.failed(kind) {
            self.refresh_behind(&lister, kind);
            return lister.catalog.seen(kind);
        }
        let limit = SHARE.min(entry.upstream.server().timeout);
        let listing = tokio::time::timeout(limit, self.listing(view, entry, kind, None)).await;
        match listing {
            Ok(Ok(listing)) => return Some(listing),
            Ok(Err(_)) => {}
            // The next one who asks need not wait as long.
            Err(_) => {
                let shelf = lister.catalog.shelf(kind);
                shelf.failed.store(true, Ordering::Release);
            }
        }
        lister.catalog.seen(kind)
    }

    /// The tools of a server that is not in force: asked for once, as ourselves, and kept nowhere.
    pub async fn try_out(
        self: &Arc<Self>,
        entry: Arc<ServerEntry>,
    ) -> Result<Vec<Box<RawValue>>, EngineError> {
        let listed = Box::pin(self.refresh(&Lister::service(&entry), Kind::Tools)).await;
        // Its session is closed like that of a server that was taken away.
        self.leaves(entry);
        let listing = listed?;
        Ok(listing.items.iter().map(|item| item.raw.clone()).collect())
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
        self.fetch_into(lister, kind, &mut fetching).await
    }

    /// Fetches a list of which the server said that it changed: once for all who ask for it meanwhile,
    /// and not sooner than a second after the last time. `None`: it cannot be had now. Gives the list's
    /// version.
    pub(crate) async fn relist(
        self: &Arc<Self>,
        lister: &Lister,
        kind: Kind,
    ) -> Option<ListVersion> {
        let shelf = lister.catalog.shelf(kind);
        let heard = shelf.changes.load(Ordering::Acquire);
        loop {
            let mut fetching = shelf.fetching.lock().await;
            if fetching.covered.is_some_and(|changes| changes >= heard) {
                let failed = shelf.failed.load(Ordering::Acquire);
                return (!failed).then(|| lister.version(kind));
            }
            let rest = |at: tokio::time::Instant| RETRY.saturating_sub(at.elapsed());
            let rest = fetching.paced.map_or(Duration::ZERO, rest);
            if rest.is_zero() {
                let fetched = Box::pin(self.fetch_into(lister, kind, &mut fetching)).await;
                return fetched.is_ok().then(|| lister.version(kind));
            }
            drop(fetching);
            tokio::time::sleep(rest).await;
        }
    }

    async fn fetch_into(
        self: &Arc<Self>,
        lister: &Lister,
        kind: Kind,
        fetching: &mut Attempt,
    ) -> Result<Arc<Listing>, EngineError> {
        let (entry, shelf) = (&lister.entry, lister.catalog.shelf(kind));
        fetching.begun = Some(self.clock.monotonic());
        // Read before the server is asked: what changes meanwhile is asked for again.
        let changes = shelf.changes.load(Ordering::Acquire);
        fetching.paced = Some(tokio::time::Instant::now());
        // Page by page in time would be for ever.
        let limit = entry.upstream.server().timeout;
        let fetched = tokio::time::timeout(limit, Box::pin(self.fetch(lister, kind)))
            .await
            .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
        fetching.failed = match &fetched {
            Err(EngineError::Upstream(error)) => Some((self.clock.monotonic(), error.kind)),
            _ => None,
        };
        // Only now: an attempt that its caller gave up has told nobody anything.
        fetching.covered = Some(changes);
        shelf.failed.store(fetched.is_err(), Ordering::Release);
        let items = fetched?;
        // What is withheld has to be known before it is listed.
        let withholds = entry.on_drift == OnDrift::Block;
        if kind == Kind::Tools && withholds {
            Box::pin(self.sighted(lister, &items)).await;
        }
        let read = digest(items.iter());
        let shown = digest(items.iter().filter(|item| self.is_shown(entry, kind, item)));
        let index = items
            .iter()
            .enumerate()
            .map(|(at, item)| (item.name.clone(), at))
            .collect();
        let listing = Arc::new(Listing {
            items,
            index,
            marks: OnceLock::new(),
            fetched: self.clock.monotonic(),
            changes,
            read,
            shown,
        });
        let mut kept = shelf.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.as_deref();
        for (counter, is_another) in [
            (&shelf.read, before.is_none_or(|before| before.read != read)),
            (
                &shelf.shown,
                before.is_none_or(|before| before.shown != shown),
            ),
        ] {
            if is_another {
                counter.fetch_add(1, Ordering::AcqRel);
            }
        }
        *kept = Some(Arc::clone(&listing));
        drop(kept);
        if kind == Kind::Tools && !withholds {
            self.sight_behind(lister);
        }
        Ok(listing)
    }

    /// Where nothing is withheld, nobody waits for what is written down of a listing.
    fn sight_behind(self: &Arc<Self>, lister: &Lister) {
        if lister
            .catalog
            .shelf(Kind::Tools)
            .sighting_due
            .swap(true, Ordering::AcqRel)
        {
            return;
        }
        let (gateway, lister) = (Arc::clone(self), lister.clone());
        self.tracker.spawn(async move {
            let shelf = lister.catalog.shelf(Kind::Tools);
            let _one_at_a_time = shelf.sighting.lock().await;
            shelf.sighting_due.store(false, Ordering::Release);
            if let Some(latest) = lister.catalog.seen(Kind::Tools) {
                gateway.sighted(&lister, &latest.items).await;
            }
        });
    }

    /// Whether the server's rules let callers see an item.
    fn is_shown(&self, entry: &ServerEntry, kind: Kind, item: &Item) -> bool {
        let by_rules = || !item.tasks_only && entry.policy.admits_tool(&item.name);
        kind != Kind::Tools || (by_rules() && !self.pins.withholds(entry, &item.name, &item.digest))
    }

    /// Holds what a server in force lists against what is pinned. A store that does not answer stops no
    /// list: what is not known to be pinned is withheld where that was asked for.
    async fn sighted(&self, lister: &Lister, items: &[Item]) {
        let (entry, snapshot) = (&lister.entry, self.snapshot());
        let in_force = snapshot.named(entry.id.as_str());
        if in_force.is_none_or(|(_, now)| !Arc::ptr_eq(&now.upstream, &entry.upstream)) {
            return;
        }
        let seen: Vec<Sighted<'_>> = items
            .iter()
            .map(|item| Sighted {
                name: &item.name,
                raw: &item.raw,
                digest: item.digest,
            })
            .collect();
        let listed = if Arc::ptr_eq(&lister.catalog, &entry.catalog) {
            Listed::ToUs
        } else {
            Listed::ToCaller
        };
        let written = self.pins.sight(&entry.id, entry.on_drift, &seen, listed);
        if let Err(error) = written.await {
            tracing::error!(
                mcp.server.id = %entry.id,
                error = &error as &dyn std::error::Error,
                on_drift = entry.on_drift.as_str(),
                "what a server lists is not compared with what is pinned"
            );
        }
    }
}

fn digest<'i>(items: impl Iterator<Item = &'i Item>) -> [u8; 32] {
    let digest = items.fold(Sha256::new(), |digest, item| {
        digest.part(item.raw.get().as_bytes())
    });
    digest.finish()
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
