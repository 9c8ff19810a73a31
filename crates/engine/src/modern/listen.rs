//! `subscriptions/listen` on the aggregate endpoint, and on that of a server of sessions: one stream
//! to the client, one to each server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Kind, Members, ModernMeta, SseEvent, meta_key,
};
use portcullis_policy::Evidence;
use portcullis_upstream::{EventStream, Reply, Restored, UpstreamError};
use serde_json::json;
use serde_json::value::RawValue;

use super::across::Listener;
use crate::answer::ByteStream;
use crate::backlog::{NewsSender, backlog};
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::changes::Changes;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::{ACKNOWLEDGED, AnswerFilter};
use crate::gateway::Gateway;
use crate::open_stream::OpenStream;
use crate::outcomes::{ServerResult, note, require_one};
use crate::prepare::listening;
use crate::presented::Presented;
use crate::pulse::{Pulse, STANDING};
use crate::relay::{encode, modern_message};
use crate::snapshot::ServerEntry;
use crate::tasks::Watched;
use crate::uris::Abroad;
use crate::view::View;

/// How long a server may take to acknowledge before the client is told without it.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);

/// Where a server's news comes from.
enum Feed {
    /// A subscription of its own.
    Stateless(EventStream),
    /// Its session.
    Session(Listener),
}

impl Feed {
    /// The next message; `None` at the end. Cancelling this loses none.
    async fn next_text(&mut self) -> Result<Option<String>, UpstreamError> {
        match self {
            Self::Stateless(stream) => stream.next_text().await,
            Self::Session(listener) => Ok(listener.next().await),
        }
    }
}

/// The resources of one server that are followed: its spelling of each, and the client's.
type Followed = Vec<(String, String)>;

/// One server's acknowledged stream.
pub(super) struct Source {
    filter: AnswerFilter,
    feed: Feed,
    changes: Changes,
    honoured: serde_json::Map<String, serde_json::Value>,
}

impl Source {
    /// Whether nothing will ever come of it.
    fn is_silent(&self) -> bool {
        matches!(self.feed, Feed::Session(_)) && self.honoured.is_empty()
    }
}

impl Gateway {
    /// Opens a stream to every server in view, each in its own era; one that does not answer never
    /// spoils the others.
    pub(super) async fn open_listens(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
    ) -> Result<Vec<Source>, EngineError> {
        let watched = Watched::by(&*self.handles, &call.principal.id, envelope)?;
        watched.require_within(view.servers().map(|entry| &entry.id))?;
        let followed = self.shared_out(view, &followed(envelope)).await;
        let opening = view.servers().map(|entry| {
            let (principal, watched) = (Arc::clone(&call.principal), &watched);
            let of_this = followed.iter().filter(|(owner, _)| owner.id == entry.id);
            let followed: Followed = of_this.map(|(_, spelled)| spelled.clone()).collect();
            async move {
                let opened = tokio::time::timeout(
                    ACKNOWLEDGE,
                    self.open_listen(view, entry, principal, envelope, meta, watched, &followed),
                )
                .await;
                let result = opened.unwrap_or_else(|_| Err(bad_answer(entry)));
                ServerResult {
                    server: entry.id.clone(),
                    result,
                }
            }
        });
        let opening = Box::pin(async { Ok(futures_util::future::join_all(opening).await) });
        let (principal, admission) = (&call.principal, &call.admission);
        let results: Vec<ServerResult<Source>> =
            self.while_standing(principal, admission, opening).await?;
        note(&mut call.audit, &results);
        require_one(&results)?;
        let mut sources: Vec<Source> = results
            .into_iter()
            .filter_map(|one| one.result.ok())
            .collect();
        // A session without news would keep the stream open that all the others ended.
        if sources.iter().any(|source| !source.is_silent()) {
            sources.retain(|source| !source.is_silent());
        }
        Ok(sources)
    }

    /// Opens the stream to the server of sessions of a named endpoint.
    pub(super) async fn open_listen_across(
        self: &Arc<Self>,
        call: &Call,
        filter: AnswerFilter,
        evidence: &Evidence,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
    ) -> Result<Source, EngineError> {
        let opening =
            Box::pin(self.listen_to_session(&filter.entry, evidence, envelope, meta, None));
        let listener = self
            .while_standing(&call.principal, &call.admission, opening)
            .await?;
        Ok(Source {
            honoured: listener.honoured(),
            feed: Feed::Session(listener),
            changes: Changes::since_now(self, &filter.entry, evidence),
            filter,
        })
    }

    async fn open_listen<'a>(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        principal: Arc<portcullis_core::Principal>,
        envelope: &Envelope<'a>,
        meta: &ModernMeta<'a>,
        watched: &Watched<'a>,
        followed: &Followed,
    ) -> Result<Source, EngineError> {
        let permit = view.authorize(entry, listening(envelope))?;
        let modern = self.serves_modern(entry, permit.evidence()).await?;
        let Kind::Request { id, method } = envelope.kind else {
            return Err(bad_answer(entry));
        };
        let mut edits = Edits::of(envelope.text);
        let narrowed =
            ClientCapabilities::narrowed(meta.capabilities.get(), entry.upstream.server().push)
                .map_err(|_| bad_answer(entry))?;
        edits.replace(meta.capabilities, narrowed.as_json());
        let own_tasks = watched.ask(&entry.id, &mut edits);
        let own_uris: Vec<String> = followed.iter().map(|(own, _)| own.clone()).collect();
        if let Some(list) = resource_subscriptions(envelope) {
            edits.replace(list, serde_json::Value::from(own_uris.clone()).to_string());
        }
        let mut filter = AnswerFilter {
            method: portcullis_mcp::Method::Listen,
            modern: true,
            entry: Arc::clone(entry),
            principal,
            admission: view.admission().clone(),
            listens: listening(envelope),
            subject: String::new(),
            presented: Presented::default(),
            declared: Some(narrowed),
            watched: own_tasks,
            asked: None,
            abroad: Abroad::of(view, followed.clone()),
        };
        if !modern {
            let listener = self
                .listen_to_session(entry, permit.evidence(), envelope, meta, Some(own_uris))
                .await?;
            return Ok(Source {
                honoured: known_abroad(&filter, listener.honoured()),
                feed: Feed::Session(listener),
                changes: Changes::since_now(self, entry, permit.evidence()),
                filter,
            });
        }
        let mut headers = HeaderMap::new();
        if let Ok(method) = HeaderValue::from_str(method) {
            headers.insert(HeaderName::from_static("mcp-method"), method);
        }
        let mut note = Note::default();
        let opened = self
            .exchange(
                entry,
                permit.evidence(),
                &Speech::Modern,
                envelope,
                edits,
                headers,
                &mut note,
            )
            .await?;
        let Opened::Modern(Reply::Stream(mut stream)) = opened else {
            return Err(bad_answer(entry));
        };
        filter.presented.add(note.presented);
        let changes = Changes::since_now(self, entry, permit.evidence());
        let honoured = acknowledged(self, &filter, &mut stream, id.as_json())
            .await?
            .ok_or_else(|| bad_answer(entry))?;
        Ok(Source {
            filter,
            feed: Feed::Stateless(stream),
            changes,
            honoured,
        })
    }

    /// The client's stream: one acknowledgement of what any server honours, then whatever comes.
    pub(super) fn merge_listens(
        self: &Arc<Self>,
        call: Call,
        sources: Vec<Source>,
        client_id: &str,
        named: Option<&Arc<ServerEntry>>,
    ) -> ByteStream {
        let id: serde_json::Value = serde_json::from_str(client_id).unwrap_or_default();
        let acknowledgement = json!({
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {
                "_meta": {meta_key::SUBSCRIPTION_ID: id},
                "notifications": union(sources.iter().map(|source| &source.honoured)),
            },
        });
        let (messages, receiver) = backlog();
        for source in sources {
            let (gateway, messages) = (Arc::clone(self), messages.clone());
            let client_id = client_id.to_owned();
            self.tracker
                .spawn(async move { pump(&gateway, source, &client_id, &messages).await });
        }
        let farewell = farewell(client_id);
        let first = encode(&SseEvent::message(acknowledgement.to_string()));
        OpenStream::new(self, call, receiver, Some(farewell), named).into_stream(first)
    }
}

fn resource_subscriptions<'a>(envelope: &Envelope<'a>) -> Option<&'a RawValue> {
    let wanted = envelope.params()?.object("notifications").ok()??;
    wanted.get("resourceSubscriptions")
}

/// The resources that a client asks to follow.
fn followed(envelope: &Envelope<'_>) -> Vec<String> {
    resource_subscriptions(envelope)
        .and_then(|list| serde_json::from_str(list.get()).ok())
        .unwrap_or_default()
}

/// What a server of sessions honours, its resources as the client knows them.
fn known_abroad(
    filter: &AnswerFilter,
    mut honoured: serde_json::Map<String, serde_json::Value>,
) -> serde_json::Map<String, serde_json::Value> {
    if let (Some(abroad), Some(uris)) = (&filter.abroad, honoured.get_mut("resourceSubscriptions"))
        && let Ok(own) = serde_json::from_value(uris.take())
    {
        *uris = abroad.all(&filter.entry, own);
    }
    honoured
}

/// Reads up to the acknowledgement, which must come first.
async fn acknowledged(
    gateway: &Gateway,
    filter: &AnswerFilter,
    stream: &mut EventStream,
    client_id: &str,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>, EngineError> {
    let Some(text) = stream.next_text().await? else {
        return Ok(None);
    };
    let Restored::Notification(text) = modern_message(&text, client_id) else {
        return Ok(None);
    };
    let Some(text) = filter.notification(gateway, text) else {
        return Ok(None);
    };
    let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
        return Ok(None);
    };
    if !matches!(envelope.kind, Kind::Notification { method } if method == ACKNOWLEDGED) {
        return Ok(None);
    }
    Ok(envelope
        .params()
        .and_then(|params| params.get("notifications"))
        .and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// What at least one server honours; lists of URIs and of task handles are joined.
fn union<'a>(
    all: impl Iterator<Item = &'a serde_json::Map<String, serde_json::Value>>,
) -> serde_json::Map<String, serde_json::Value> {
    let mut joined = serde_json::Map::new();
    let mut lists: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in all.flatten() {
        match value {
            serde_json::Value::Bool(true) => {
                joined.insert(name.clone(), true.into());
            }
            serde_json::Value::Array(list) if !list.is_empty() => {
                let items = list.iter().filter_map(serde_json::Value::as_str);
                lists.entry(name).or_default().extend(items);
            }
            _ => {}
        }
    }
    let lists = lists.into_iter();
    joined.extend(lists.map(|(name, items)| (name.to_owned(), items.into_iter().collect())));
    joined
}

/// Passes one server's notifications on until either side is gone, or is no longer the other's.
async fn pump(gateway: &Gateway, mut source: Source, client_id: &str, messages: &NewsSender) {
    let mut pulse = Pulse::started(gateway.clock.monotonic());
    loop {
        if pulse.must_look(gateway.clock.monotonic())
            && !gateway.still_serves(
                &source.filter.principal,
                &source.filter.admission,
                &source.filter.entry,
                source.filter.listens,
            )
        {
            return;
        }
        let text = tokio::select! {
            text = tokio::time::timeout(STANDING, source.feed.next_text()) => text,
            changed = source.changes.next() => {
                if !messages.send(encode(&SseEvent::message(changed))).await {
                    return;
                }
                continue;
            }
            () = messages.closed() => return,
        };
        let Ok(text) = text else { continue };
        let Ok(Some(text)) = text else { return };
        let Restored::Notification(text) = modern_message(&text, client_id) else {
            continue;
        };
        let Some(text) = source.filter.notification(gateway, text) else {
            continue;
        };
        let is_second_acknowledgement = Members::parse(&text)
            .ok()
            .and_then(|members| members.string("method"))
            .is_some_and(|method| method == ACKNOWLEDGED);
        if is_second_acknowledgement {
            continue;
        }
        let Some(text) = source.changes.take(text) else {
            continue;
        };
        if !messages.send(encode(&SseEvent::message(text))).await {
            return;
        }
    }
}

/// The answer to `subscriptions/listen` when nothing more will be told.
pub(crate) fn farewell(client_id: &str) -> Bytes {
    let id: serde_json::Value = serde_json::from_str(client_id).unwrap_or_default();
    let complete = json!({
        "jsonrpc": "2.0",
        "id": id,
        "result": {"resultType": "complete", "_meta": {meta_key::SUBSCRIPTION_ID: id}},
    });
    encode(&SseEvent::message(complete.to_string()))
}
