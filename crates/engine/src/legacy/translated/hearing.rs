//! One `subscriptions/listen` for each session and server: for the session's open GET stream, and for
//! its subscriptions. When these change, the new one is open before the old one is left, because
//! nothing is said twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{Principal, ServerId};
use portcullis_mcp::eras::legacy_client::{self, Listened, Stamp};
use portcullis_mcp::{ClientCapabilities, Edits, Envelope, Method};
use portcullis_policy::{Evidence, Operation};
use portcullis_upstream::{EventStream, Reply, Restored, UpstreamErrorKind};
use tokio::sync::mpsc;

use super::super::LegacyClient;
use super::own_info;
use super::request::Translated;
use crate::call::{Admission, Call};
use crate::catalog::{bad_answer, failed};
use crate::changes::Changes;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::pulse::{Pulse, STANDING};
use crate::relay::modern_message;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// How long a server may take to acknowledge.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// Between two attempts to listen, growing as they fail.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// A session and a server.
type Key = ([u8; 32], ServerId);

/// Who is being heard.
#[derive(Debug, Default)]
pub(crate) struct Hearings(Mutex<HashMap<Key, Hearing>>);

#[derive(Clone, Debug)]
struct Hearing {
    /// Where a stream with another filter takes the place of the one that is read.
    replace: mpsc::Sender<Source>,
}

/// An acknowledged stream.
#[derive(Debug)]
pub(super) struct Source {
    stream: EventStream,
    /// The id of its request.
    id: String,
    listened: Listened,
    filter: AnswerFilter,
}

/// For whom something is listened to.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    gateway: Arc<Gateway>,
    principal: Arc<Principal>,
    admission: Admission,
    session: [u8; 32],
    entry: Arc<ServerEntry>,
    evidence: Evidence,
}

enum Followed {
    Replaced(Box<Source>),
    Ended,
    Unwanted,
}

impl Hearings {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Hearing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, key: &Key) -> Option<Hearing> {
        self.all().get(key).cloned()
    }
}

impl Gateway {
    /// Starts listening to a server if the session's GET stream waits for its news.
    pub(in super::super) fn hear_if_wanted(
        self: &Arc<Self>,
        call: &Call,
        client: &LegacyClient,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
    ) {
        let Some(session) = client.digest else {
            return;
        };
        if !self.listeners.is_open(&call.principal.id, &session) {
            return;
        }
        let listener = Listener {
            gateway: Arc::clone(self),
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            session,
            entry: Arc::clone(entry),
            evidence: evidence.clone(),
        };
        listener.start(None);
    }

    /// Listens with what a session is subscribed to now, if it listens at all; says whether `wanted`
    /// is honoured, which nobody knows before it listens. Whoever calls this holds what lets one change
    /// be made at a time (`SessionStates::changing`): the last change must be the last stream.
    pub(super) async fn hear_anew(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        listener: Listener,
        wanted: Option<&str>,
    ) -> Result<bool, EngineError> {
        if view.authorize(&listener.entry, Operation::Use).is_err()
            || !self
                .listeners
                .is_open(&call.principal.id, &listener.session)
        {
            return Ok(true);
        }
        let key = listener.key();
        let mut note = Note::default();
        let opened = listener.open(&mut note).await;
        note.record(&mut call.audit);
        let source = opened?;
        let honoured = wanted.is_none_or(|uri| source.listened.resources.contains(uri));
        if honoured {
            // Looked for after the server had its time: a stream that was opened meanwhile may not know of
            // this change.
            match self.translation.hearings.of(&key) {
                Some(hearing) => {
                    // It fails where nobody listens any more: whoever listens next asks for the same.
                    let _ = hearing.replace.send(source).await;
                }
                None => listener.start(Some(source)),
            }
        }
        Ok(honoured)
    }
}

impl Listener {
    pub(super) fn of(
        gateway: &Arc<Gateway>,
        call: &Call,
        session: [u8; 32],
        request: &Translated,
    ) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            session,
            entry: Arc::clone(&request.entry),
            evidence: request.evidence.clone(),
        }
    }

    fn key(&self) -> Key {
        (self.session, self.entry.id.clone())
    }

    /// Listens in the background, unless that is done already.
    fn start(self, first: Option<Source>) {
        let gateway = Arc::clone(&self.gateway);
        let mut hearings = gateway.translation.hearings.all();
        let std::collections::hash_map::Entry::Vacant(free) = hearings.entry(self.key()) else {
            return;
        };
        let (replace, replaced) = mpsc::channel(1);
        free.insert(Hearing { replace });
        drop(hearings);
        gateway.tracker.spawn(self.run(first, replaced));
    }

    /// Whether the stream is still there for which this is done, and whose it is may still hear it; and
    /// whether the server has not turned to sessions, whose news come otherwise.
    fn is_wanted(&self) -> bool {
        let gateway = &self.gateway;
        let operation = Operation::Use;
        gateway.listeners.is_open(&self.principal.id, &self.session)
            && self.entry.upstream.opened_no_session_last()
            && gateway.still_stands(&self.principal, &self.admission)
            && gateway.still_serves(&self.principal, &self.admission, &self.entry, operation)
    }

    async fn run(self, mut next: Option<Source>, mut replaced: mpsc::Receiver<Source>) {
        let mut wait = RETRY;
        let mut interrupted = false;
        let mut changes = Changes::since_now(&self.gateway, &self.entry, &self.evidence);
        loop {
            if !self.is_wanted() {
                let mut hearings = self.gateway.translation.hearings.all();
                // Whoever opened a stream meanwhile saw that this one listens.
                if !self.is_wanted() {
                    hearings.remove(&self.key());
                    return;
                }
            }
            let source = match next.take() {
                Some(source) => Ok(source),
                None => self.open(&mut Note::default()).await,
            };
            let source = match source {
                Ok(source) => source,
                Err(error) => {
                    tracing::info!(mcp.server.id = %self.entry.id, error = %error, "not listened to");
                    next = self.rest(wait, &mut replaced).await;
                    wait = (wait * 2).min(MAX_RETRY);
                    continue;
                }
            };
            if std::mem::take(&mut interrupted) {
                for news in legacy_client::changes(&source.listened) {
                    let heard = source.filter.notification(&self.gateway, news);
                    if let Some(news) = heard.and_then(|news| changes.take(news)) {
                        self.deliver(&news);
                    }
                }
            }
            match self.follow(source, &mut replaced, &mut changes).await {
                Followed::Replaced(source) => next = Some(*source),
                Followed::Ended => {
                    interrupted = true;
                    next = self.rest(RETRY, &mut replaced).await;
                    wait = RETRY;
                }
                Followed::Unwanted => {}
            }
        }
    }

    /// Waits before another attempt, unless somebody else made it meanwhile or nobody wants it.
    async fn rest(&self, wait: Duration, replaced: &mut mpsc::Receiver<Source>) -> Option<Source> {
        let until = self.gateway.clock.monotonic().saturating_add(wait);
        while self.gateway.clock.monotonic() < until && self.is_wanted() {
            tokio::select! {
                source = replaced.recv() => return source,
                () = tokio::time::sleep(STANDING.min(wait)) => {}
            }
        }
        None
    }

    /// Opens a stream for what the session is subscribed to now, up to its acknowledgement.
    async fn open(&self, note: &mut Note) -> Result<Source, EngineError> {
        let states = &self.gateway.translation.states;
        let resources = states.resources(&self.principal.id, &self.session, &self.entry.id);
        tokio::time::timeout(ACKNOWLEDGE, self.listen(&resources, note))
            .await
            .unwrap_or_else(|_| Err(failed(&self.entry, UpstreamErrorKind::Timeout)))
    }

    async fn listen(
        &self,
        resources: &BTreeSet<String>,
        note: &mut Note,
    ) -> Result<Source, EngineError> {
        let entry = &self.entry;
        let stamp = Stamp {
            id: self.gateway.translation.next_id(),
            // Nobody is asked on this stream.
            capabilities: &ClientCapabilities::none(),
            client_info: own_info(),
            level: None,
        };
        let text = legacy_client::listen(&stamp, resources);
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(entry))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static(Method::Listen.as_str()),
        );
        let opened = self
            .gateway
            .exchange(
                entry,
                &self.evidence,
                &Speech::Modern,
                &envelope,
                Edits::of(&text),
                headers,
                note,
            )
            .await?;
        let Opened::Modern(Reply::Stream(mut stream)) = opened else {
            return Err(bad_answer(entry));
        };
        let filter = AnswerFilter {
            method: Method::Listen,
            modern: false,
            entry: Arc::clone(entry),
            principal: Arc::clone(&self.principal),
            admission: self.admission.clone(),
            listens: Operation::Use,
            subject: String::new(),
            presented: note.presented.clone().into(),
            declared: None,
            watched: Vec::new(),
            asked: None,
            abroad: None,
        };
        let first = stream.next_text().await?;
        let first = first.filter(|text| !filter.reveals(text));
        let listened = first.and_then(|text| legacy_client::acknowledged(&text).ok());
        Ok(Source {
            stream,
            id: stamp.id.to_string(),
            listened: listened.ok_or_else(|| bad_answer(entry))?,
            filter,
        })
    }

    /// Passes news on until the stream ends, another takes its place, or nobody wants them.
    async fn follow(
        &self,
        mut source: Source,
        replaced: &mut mpsc::Receiver<Source>,
        changes: &mut Changes,
    ) -> Followed {
        let mut pulse = Pulse::started(self.gateway.clock.monotonic());
        loop {
            if pulse.must_look(self.gateway.clock.monotonic()) && !self.is_wanted() {
                return Followed::Unwanted;
            }
            let text = tokio::select! {
                biased;
                Some(other) = replaced.recv() => return Followed::Replaced(Box::new(other)),
                changed = changes.next() => {
                    self.deliver(&changed);
                    continue;
                }
                text = tokio::time::timeout(STANDING, source.stream.next_text()) => text,
            };
            let text = match text {
                Err(_) => continue,
                Ok(Ok(Some(text))) => text,
                Ok(Ok(None) | Err(_)) => return Followed::Ended,
            };
            match modern_message(&text, &source.id) {
                Restored::Notification(text) => {
                    let known = source.filter.notification(&self.gateway, text);
                    let news = known.and_then(|text| legacy_client::news(&text, &source.listened));
                    if let Some(news) = news.and_then(|news| changes.take(news)) {
                        self.deliver(&news);
                    }
                }
                // The server takes its leave.
                Restored::Answer { .. } => return Followed::Ended,
                _ => {}
            }
        }
    }

    fn deliver(&self, news: &str) {
        self.gateway.listeners.tell(
            &self.gateway,
            &self.principal.id,
            &self.entry.id,
            Some(&self.session),
            news,
        );
    }
}
