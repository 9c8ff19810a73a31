//! Messages that belong to no request. Each upstream session has at most one listening stream; what
//! arrives on it goes to every GET stream of the same client, and a question to just one of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::{Principal, PrincipalId, ServerId};
use portcullis_credentials::UpstreamCredential;
use portcullis_mcp::{SseEvent, SseItem};
use portcullis_policy::{Acting, Evidence, Operation};
use portcullis_upstream::{LegacySession, Owner, Restored};

use super::LegacyClient;
use crate::backlog::{NewsReceiver, NewsSender, backlog};
use crate::call::Call;
use crate::changes::Changes;
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::presented::Presented;
use crate::pulse::{Pulse, STANDING};
use crate::relay::encode;
use crate::snapshot::ServerEntry;
use crate::uris::news_for;
use crate::view::View;

/// Most open GET streams of one principal.
const MOST_OF_ONE: usize = 256;
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// Open GET streams and the upstream streams that feed them.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: Mutex<OpenStreams>,
    /// Sessions that are being listened to, by address.
    running: Mutex<HashSet<usize>>,
}

/// By principal, then by the digest of their session: every call asks whether one of its own caller's
/// streams waits, and must not look at everybody's.
#[derive(Debug, Default)]
struct OpenStreams {
    of: HashMap<PrincipalId, HashMap<[u8; 32], Subscriber>>,
    /// Streams opened since the closed ones of all principals were last forgotten.
    since_sweep: usize,
}

/// Fewer are not worth a look at everybody's.
const SWEEP: usize = 1024;

impl OpenStreams {
    /// Forgets closed streams of those who do not come back to open another, at a cost that each
    /// opened stream bears a small and constant part of.
    fn sweep(&mut self) {
        self.since_sweep += 1;
        if self.since_sweep < SWEEP.max(self.of.len()) {
            return;
        }
        self.since_sweep = 0;
        self.of.retain(|_, own| {
            own.retain(|_, subscriber| !subscriber.messages.is_closed());
            !own.is_empty()
        });
    }
}

#[derive(Debug)]
struct Subscriber {
    client: LegacyClient,
    view: View,
    messages: NewsSender,
}

impl Subscriber {
    /// `acting`: for whom the session is open; several people may share a key. The view is that of
    /// the stream's beginning: what the rules of today hide is not heard of any more.
    fn wants(
        &self,
        gateway: &Gateway,
        acting: &Acting,
        client: &LegacyClient,
        entry: &ServerEntry,
    ) -> bool {
        let (principal, admission) = (self.view.principal(), self.view.admission());
        self.client.revision == client.revision
            && self.client.capabilities == client.capabilities
            && !self.messages.is_closed()
            && self.view.server(entry.id.as_str()).is_some()
            && self.view.acting(entry).as_ref() == Some(acting)
            && gateway.still_stands(principal, admission)
            && gateway.still_serves(principal, admission, entry, Operation::Use)
    }
}

impl Subscriber {
    /// Puts a message of a server on the stream, with the resource that it is about as this view spells
    /// it. `bytes`: the message as it is. Says whether there was room.
    fn take(&self, server: &ServerId, text: &str, bytes: &Bytes) -> bool {
        let entry = self.view.server(server.as_str());
        let bytes = match entry.map(|entry| news_for(&self.view, entry, text)) {
            Some(Cow::Owned(respelled)) => encode(&SseEvent::message(respelled)),
            _ => bytes.clone(),
        };
        self.messages.try_send(bytes)
    }
}

/// Who gets a message.
#[derive(Clone, Copy, Debug)]
enum Whom {
    /// Every stream of the client: news.
    All,
    /// The first that takes it: questions.
    One,
    /// The stream of the session whose request it is about, and no other.
    Only(Option<Owner>),
}

impl Listeners {
    fn open(&self) -> MutexGuard<'_, OpenStreams> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(
        &self,
        gateway: &Gateway,
        acting: &Acting,
        client: &LegacyClient,
        entry: &ServerEntry,
    ) -> bool {
        let open = self.open();
        let own = acting.principal().and_then(|one| open.of.get(one));
        own.is_some_and(|own| {
            own.values()
                .any(|one| one.wants(gateway, acting, client, entry))
        })
    }

    /// Whether a principal's session has an open stream.
    pub(super) fn is_open(&self, principal: &PrincipalId, session: &[u8; 32]) -> bool {
        let open = self.open();
        let subscriber = open.of.get(principal).and_then(|own| own.get(session));
        subscriber.is_some_and(|subscriber| !subscriber.messages.is_closed())
    }

    /// Whether a session is listened to already.
    fn is_running(&self, address: usize) -> bool {
        self.running().contains(&address)
    }

    fn running(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new GET stream; an older one of the same session ends. `None`: too many are open.
    pub(super) fn subscribe(
        &self,
        principal: &Principal,
        client: &LegacyClient,
        view: &View,
        digest: [u8; 32],
    ) -> Option<NewsReceiver> {
        let mut open = self.open();
        open.sweep();
        let own = open.of.entry(principal.id.clone()).or_default();
        own.retain(|_, subscriber| !subscriber.messages.is_closed());
        if own.len() >= MOST_OF_ONE && !own.contains_key(&digest) {
            return None;
        }
        let (messages, receiver) = backlog();
        let (client, view) = (client.clone(), view.clone());
        own.insert(
            digest,
            Subscriber {
                client,
                view,
                messages,
            },
        );
        Some(receiver)
    }

    /// Ends the stream of a principal's session.
    pub(super) fn unsubscribe(&self, principal: &PrincipalId, digest: &[u8; 32]) {
        let mut open = self.open();
        if let Some(own) = open.of.get_mut(principal) {
            own.remove(digest);
            if own.is_empty() {
                open.of.remove(principal);
            }
        }
    }

    /// Hands news of ours about a server to the streams of a principal that have it in view, or to
    /// that of one session.
    pub(crate) fn tell(
        &self,
        gateway: &Gateway,
        principal: &PrincipalId,
        server: &ServerId,
        session: Option<&[u8; 32]>,
        text: &str,
    ) {
        let bytes = encode(&SseEvent::message(text.to_owned()));
        let mut open = self.open();
        let Some(own) = open.of.get_mut(principal) else {
            return;
        };
        own.retain(|digest, subscriber| {
            let (principal, admission) = (subscriber.view.principal(), subscriber.view.admission());
            let hears = session.is_none_or(|session| session == digest)
                && gateway.still_stands(principal, admission)
                && subscriber
                    .view
                    .server(server.as_str())
                    .is_some_and(|entry| {
                        gateway.still_serves(principal, admission, entry, Operation::Use)
                    });
            if !hears {
                return !subscriber.messages.is_closed();
            }
            subscriber.take(server, text, &bytes)
        });
        if own.is_empty() {
            open.of.remove(principal);
        }
    }

    /// Hands a message to those streams of the client that it is meant for; says whether one took
    /// it.
    fn deliver(
        &self,
        gateway: &Gateway,
        acting: &Acting,
        client: &LegacyClient,
        entry: &ServerEntry,
        text: &str,
        whom: Whom,
    ) -> bool {
        let mut open = self.open();
        let Some(principal) = acting.principal() else {
            return false;
        };
        let Some(own) = open.of.get_mut(principal) else {
            return false;
        };
        let mut done = false;
        let bytes = encode(&SseEvent::message(text.to_owned()));
        own.retain(|digest, subscriber| {
            let meant = match whom {
                Whom::All => true,
                Whom::One => !done,
                Whom::Only(owner) => owner == Some(*digest),
            };
            if !meant || !subscriber.wants(gateway, acting, client, entry) {
                return !subscriber.messages.is_closed();
            }
            // A reader that is this far behind is cut off: it may come back, the memory does not.
            let taken = subscriber.take(&entry.id, text, &bytes);
            done |= taken;
            taken
        });
        if own.is_empty() {
            open.of.remove(principal);
        }
        done
    }
}

impl Gateway {
    /// Starts listening to a session if a GET stream waits for its messages.
    pub(crate) fn listen_if_wanted(
        self: &Arc<Self>,
        call: &Call,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        session: &Arc<LegacySession>,
        client: &LegacyClient,
    ) {
        let address = Arc::as_ptr(session).addr();
        if !session.offers_stream()
            || self.listeners.is_running(address)
            || !self
                .listeners
                .wanted(self, evidence.acting(), client, entry)
            || !self.listeners.running().insert(address)
        {
            return;
        }
        let listening = Listening {
            gateway: Arc::clone(self),
            entry: Arc::clone(entry),
            evidence: evidence.clone(),
            session: Arc::clone(session),
            client: client.clone(),
            filter: AnswerFilter {
                method: portcullis_mcp::Method::ToolsList,
                modern: false,
                entry: Arc::clone(entry),
                principal: Arc::clone(&call.principal),
                admission: call.admission.clone(),
                listens: Operation::Use,
                subject: String::new(),
                presented: Presented::default(),
                declared: None,
                watched: Vec::new(),
                asked: None,
                abroad: None,
            },
        };
        self.tracker.spawn(listening.run(address));
    }
}

/// One upstream session being listened to.
struct Listening {
    gateway: Arc<Gateway>,
    entry: Arc<ServerEntry>,
    evidence: Evidence,
    session: Arc<LegacySession>,
    client: LegacyClient,
    filter: AnswerFilter,
}

impl Listening {
    async fn run(self, address: usize) {
        let mut last_event_id: Option<HeaderValue> = None;
        let mut wait = RETRY;
        let mut changes = Changes::since_now(&self.gateway, &self.entry, &self.evidence);
        while self.wanted() {
            let once = self.once(&mut last_event_id, &mut wait, &mut changes);
            match once.await {
                Some(true) => {}
                Some(false) => wait = (wait * 2).min(MAX_RETRY),
                None => break,
            }
            tokio::time::sleep(wait).await;
        }
        self.gateway.listeners.running().remove(&address);
    }

    fn wanted(&self) -> bool {
        let (principal, admission) = (&self.filter.principal, &self.filter.admission);
        let gateway = &self.gateway;
        gateway
            .listeners
            .wanted(gateway, self.evidence.acting(), &self.client, &self.entry)
            && !self.session.is_lost()
            && gateway.still_stands(principal, admission)
            && gateway.still_serves(principal, admission, &self.entry, Operation::Use)
    }

    /// One stream, to its end. `None`: there is nothing to come back for; `Some(false)`: it failed.
    async fn once(
        &self,
        last: &mut Option<HeaderValue>,
        wait: &mut Duration,
        changes: &mut Changes,
    ) -> Option<bool> {
        let opened = self
            .gateway
            .stream(&self.entry, &self.evidence, &self.session, last.as_ref())
            .await;
        let (credential, mut stream) = match opened {
            Ok((credential, Some(stream))) => (credential, stream),
            Ok((_, None)) => return None,
            Err(error) => {
                tracing::info!(mcp.server.id = %self.entry.id, error = %error, "listening stream not opened");
                return (!self.session.is_lost()).then_some(false);
            }
        };
        let mut pulse = Pulse::started(self.gateway.clock.monotonic());
        loop {
            let item = tokio::select! {
                item = tokio::time::timeout(STANDING, stream.next()) => item,
                changed = changes.next() => {
                    self.deliver(&changed, Whom::All);
                    continue;
                }
            };
            match item {
                Err(_) | Ok(Ok(Some(SseItem::Comment))) => {}
                Ok(Ok(Some(SseItem::Event(event)))) => {
                    if let Some(id) = event
                        .id
                        .as_deref()
                        .and_then(|id| HeaderValue::from_str(id).ok())
                    {
                        *last = Some(id);
                    }
                    if let Some(millis) = event.retry_ms {
                        *wait = Duration::from_millis(millis).min(MAX_RETRY);
                    }
                    self.event(&event, &credential, changes).await;
                }
                Ok(Ok(None)) => return Some(true),
                Ok(Err(_)) => return Some(false),
            }
            // After what was read, so that no question goes unanswered.
            if pulse.must_look(self.gateway.clock.monotonic()) && !self.wanted() {
                return None;
            }
        }
    }

    async fn event(&self, event: &SseEvent, presented: &UpstreamCredential, changes: &mut Changes) {
        let Some(text) = event
            .data
            .as_ref()
            .and_then(|data| std::str::from_utf8(data).ok())
        else {
            return;
        };
        if presented.appears_in(text.as_bytes()) {
            tracing::warn!(mcp.server.id = %self.entry.id, "server repeated our credential: message withheld");
            return;
        }
        match self.session.restore(text) {
            Restored::Notification(text) => {
                let known = self.filter.notification(&self.gateway, text);
                let known = known.and_then(|text| self.gateway.understood(&self.session, text));
                if let Some(text) = known.and_then(|text| changes.take(text)) {
                    self.deliver(&text, Whom::All);
                }
            }
            Restored::Progress { owner, text, .. } => {
                self.deliver(&text, Whom::Only(owner));
            }
            Restored::Request(text) => self.question(text).await,
            Restored::Answer { .. } | Restored::Stray => {}
        }
    }

    async fn question(&self, text: String) {
        let (principal, entry) = (&self.filter.principal, &self.entry);
        let asked = self
            .gateway
            .push(principal, entry, &self.evidence, &self.session, text)
            .await;
        if let Some(asked) = asked
            && !self.deliver(&asked.text, Whom::One)
        {
            self.gateway.withdraw(&asked).await;
        }
    }

    fn deliver(&self, text: &str, whom: Whom) -> bool {
        let (acting, client) = (self.evidence.acting(), &self.client);
        self.gateway
            .listeners
            .deliver(&self.gateway, acting, client, &self.entry, text, whom)
    }
}
