//! What each server offers, as last seen by the gateway's own service identity: the registry that
//! calls are resolved through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Members, Method, ParamHeaders, Revision, code, string_of,
};
use portcullis_policy::{Evidence, authorize_service};
use portcullis_upstream::{SessionWish, UpstreamError, UpstreamErrorKind};
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::EngineError;
use crate::exchange::{Note, Speech, revealing};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// Older than this, a listing is refreshed behind the call that uses it.
const FRESH: Duration = Duration::from_mins(1);
/// A name that is not there is looked for again at most this often.
const RETRY: Duration = Duration::from_secs(1);
/// Most pages, and items, that a server's list may have.
const MAX_PAGES: usize = 1000;
const MAX_ITEMS: usize = 10_000;

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
    /// When, and why, it came to nothing: those who waited for it share that too.
    failed: Option<(Duration, UpstreamErrorKind)>,
}

#[derive(Debug, Default)]
struct Shelf {
    listing: Mutex<Option<Arc<Listing>>>,
    /// Held while a fetch is under way: one at a time. Remembers the last attempt.
    fetching: tokio::sync::Mutex<Attempt>,
    changed: AtomicBool,
    /// The last attempt failed; what was seen before may still be there.
    failed: AtomicBool,
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
            self.shelf(*kind).changed.store(true, Ordering::Release);
        }
    }
}

impl Gateway {
    /// A server's list in which `wanted` is looked for: what was last seen when it is there, else
    /// a fresh one.
    pub(crate) async fn listing(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        wanted: Option<&str>,
    ) -> Result<Arc<Listing>, EngineError> {
        let shelf = entry.catalog.shelf(kind);
        let now = self.clock.monotonic();
        if let Some(listing) = entry.catalog.seen(kind)
            && !shelf.changed.load(Ordering::Acquire)
            && wanted.is_none_or(|name| listing.get(name).is_some())
        {
            if now.saturating_sub(listing.fetched) > FRESH {
                self.refresh_behind(entry, kind);
            }
            return Ok(listing);
        }
        Box::pin(self.refresh(entry, kind)).await
    }

    /// Fetches the tools anew.
    pub(crate) async fn refresh_tools(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
    ) -> Result<(), EngineError> {
        self.refresh(entry, Kind::Tools).await.map(drop)
    }

    fn refresh_behind(self: &Arc<Self>, entry: &Arc<ServerEntry>, kind: Kind) {
        if entry.catalog.shelf(kind).fetching.try_lock().is_err() {
            return;
        }
        let gateway = Arc::clone(self);
        let entry = Arc::clone(entry);
        self.tracker.spawn(async move {
            if let Err(error) = gateway.refresh(&entry, kind).await {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "catalogue not refreshed");
            }
        });
    }

    /// Fetches one list; concurrent callers share the fetch, and failures are not hammered.
    async fn refresh(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        kind: Kind,
    ) -> Result<Arc<Listing>, EngineError> {
        let shelf = entry.catalog.shelf(kind);
        let asked = self.clock.monotonic();
        let mut fetching = shelf.fetching.lock().await;
        let seen = entry.catalog.seen(kind);
        if let Some(listing) = &seen
            && !shelf.changed.load(Ordering::Acquire)
            && (listing.fetched >= asked
                || fetching
                    .begun
                    .is_some_and(|last| asked.saturating_sub(last) < RETRY))
        {
            return Ok(Arc::clone(listing));
        }
        if let Some((at, kind)) = fetching.failed
            && at >= asked
        {
            return Err(failed(entry, kind));
        }
        fetching.begun = Some(asked);
        shelf.changed.store(false, Ordering::Release);
        let fetched = self.fetch(entry, kind).await;
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
        });
        *shelf.listing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&listing));
        Ok(listing)
    }

    async fn fetch(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        kind: Kind,
    ) -> Result<Vec<Item>, EngineError> {
        let permit = authorize_service(&entry.id);
        let evidence = permit.evidence();
        let speech = self.own_speech(entry, evidence).await?;
        let modern = matches!(speech, Speech::Modern);
        let mut items: Vec<Item> = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .ask(
                    entry,
                    evidence,
                    &speech,
                    kind.method(),
                    &own_params(modern, cursor.as_deref()),
                    None,
                )
                .await?;
            let Some(page) = Page::read(&page, kind.method()) else {
                return match rpc_code(&page) {
                    // A server without this capability has nothing of the kind.
                    Some(code::METHOD_NOT_FOUND) => Ok(items),
                    _ => Err(bad_answer(entry)),
                };
            };
            for raw in page.items {
                if items.len() >= MAX_ITEMS {
                    return Err(bad_answer(entry));
                }
                if let Some(item) = item(kind, raw, modern, entry) {
                    items.push(item);
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(items),
            }
        }
        Err(bad_answer(entry))
    }

    /// The wire of a request that we make ourselves: stateless where the server speaks it.
    pub(crate) async fn own_speech(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
    ) -> Result<Speech, EngineError> {
        if self.speaks_modern(entry, evidence).await? {
            return Ok(Speech::Modern);
        }
        let revision = match entry.upstream.server().protocol {
            portcullis_upstream::ProtocolChoice::Pinned(revision) => revision,
            portcullis_upstream::ProtocolChoice::Auto => Revision::V2025_11_25,
        };
        let wish = SessionWish {
            revision,
            capabilities: ClientCapabilities::none(),
        };
        Ok(Speech::Legacy(wish, None))
    }

    /// Makes one request of our own and returns the whole answer message.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        speech: &Speech,
        method: Method,
        params: &str,
        named: Option<(&str, HeaderMap)>,
    ) -> Result<String, EngineError> {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{params}}}"#,
            method.as_str()
        );
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(entry))?;
        let mut headers = HeaderMap::new();
        if matches!(speech, Speech::Modern) {
            if let Some((name, more)) = named {
                headers = more;
                headers.insert(
                    HeaderName::from_static("mcp-name"),
                    portcullis_mcp::header_value::encode(name),
                );
            }
            headers.insert(
                HeaderName::from_static("mcp-method"),
                HeaderValue::from_static(method.as_str()),
            );
        }
        let mut note = Note::default();
        let opened = self
            .exchange(
                entry,
                evidence,
                speech,
                &envelope,
                Edits::of(&text),
                headers,
                &mut note,
            )
            .await?;
        // A list that dribbles in, or never ends, is bounded like any other.
        let limit = entry.upstream.server().timeout;
        let text = tokio::time::timeout(limit, self.final_answer(entry, evidence, opened))
            .await
            .map_err(|_| failed(entry, UpstreamErrorKind::Timeout))??;
        if note
            .presented
            .is_some_and(|credential| credential.appears_in(text.as_bytes()))
        {
            return Err(revealing(entry));
        }
        Ok(text)
    }
}

/// One page of a list.
pub(crate) struct Page<'a> {
    pub(crate) items: Vec<&'a RawValue>,
    pub(crate) next: Option<String>,
    pub(crate) ttl_ms: Option<u64>,
}

impl<'a> Page<'a> {
    /// Reads an answer message; `None` when it is an error or not a page of this list.
    pub(crate) fn read(text: &'a str, method: Method) -> Option<Self> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let result = Members::of(envelope.result()?).ok()?;
        let items = serde_json::from_str(result.get(method.list_member()?)?.get()).ok()?;
        let next = result
            .get("nextCursor")
            .and_then(string_of)
            .map(std::borrow::Cow::into_owned);
        let ttl_ms = result.get("ttlMs").and_then(|raw| raw.get().parse().ok());
        Some(Self {
            items,
            next,
            ttl_ms,
        })
    }
}

/// The params of a list request of our own.
pub(crate) fn own_params(modern: bool, cursor: Option<&str>) -> String {
    let mut params = if modern {
        json!({"_meta": portcullis_upstream::own_meta()})
    } else {
        json!({})
    };
    if let (Some(cursor), Some(params)) = (cursor, params.as_object_mut()) {
        params.insert("cursor".to_owned(), cursor.into());
    }
    params.to_string()
}

/// A listed item, unless a client must not use it: nameless, or a tool whose `x-mcp-header`
/// annotations break the rules ("HTTP clients MUST drop" it, 2026-07-28).
fn item(kind: Kind, raw: &RawValue, modern: bool, entry: &ServerEntry) -> Option<Item> {
    let members = Members::of(raw).ok()?;
    let name = members.string(kind.key())?;
    let headers = if kind == Kind::Tools && modern {
        match param_headers(&members) {
            Ok(headers) => headers,
            Err(reason) => {
                tracing::warn!(mcp.server.id = %entry.id, mcp.tool.name = %name, %reason, "tool dropped");
                return None;
            }
        }
    } else {
        None
    };
    Some(Item {
        name: name.into(),
        raw: raw.to_owned(),
        headers,
    })
}

/// The header annotations of a tool.
pub(crate) fn param_headers(
    tool: &Members<'_>,
) -> Result<Option<ParamHeaders>, portcullis_mcp::InvalidAnnotation> {
    let Some(schema) = tool
        .get("inputSchema")
        .filter(|raw| raw.get().contains("x-mcp-header"))
    else {
        return Ok(None);
    };
    let schema: serde_json::Value = serde_json::from_str(schema.get()).unwrap_or_default();
    ParamHeaders::from_schema(&schema).map(Some)
}

fn rpc_code(text: &str) -> Option<i64> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    Members::of(envelope.error()?)
        .ok()?
        .get("code")?
        .get()
        .parse()
        .ok()
}

pub(crate) fn bad_answer(entry: &ServerEntry) -> EngineError {
    failed(entry, UpstreamErrorKind::BadAnswer)
}

pub(crate) fn failed(entry: &ServerEntry, kind: UpstreamErrorKind) -> EngineError {
    UpstreamError {
        server: entry.id.clone(),
        kind,
        source: None,
    }
    .into()
}
