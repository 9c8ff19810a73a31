//! News of sessions: each session of stateless clients that is listened to has one stream, whoever of
//! its principal's subscriptions hears it, and follows a resource once for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::ServerId;
use portcullis_mcp::eras::modern_client::Subscription;
use portcullis_policy::{Acting, Evidence};
use portcullis_upstream::SessionWish;
use tokio::sync::{Notify, mpsc, watch};

use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// Messages that a subscription may be behind; then it is cut off, and its client may come back.
const BEHIND: usize = 256;

/// Which session: who acts on which server with what was declared.
pub(super) type Key = (ServerId, Acting, SessionWish);

/// Everything that is listened to.
#[derive(Default)]
pub(crate) struct Ears(Mutex<HashMap<Key, Arc<Ear>>>);

/// Whether a session's news is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Not yet, or not at the moment.
    Trying,
    Yes,
    /// The server has no such stream.
    Never,
}

/// One session.
pub(super) struct Ear {
    pub(super) entry: Arc<ServerEntry>,
    pub(super) wish: SessionWish,
    subscribers: Mutex<Subscribers>,
    /// How many subscriptions follow each resource. Held while the server is told of one.
    pub(super) followed: tokio::sync::Mutex<HashMap<String, usize>>,
    pub(super) hearing: watch::Sender<Hearing>,
    /// Somebody left.
    pub(super) left: Notify,
    running: AtomicBool,
}

#[derive(Default)]
struct Subscribers {
    next: u64,
    all: HashMap<u64, Subscriber>,
}

struct Subscriber {
    line: mpsc::Sender<String>,
    evidence: Evidence,
}

/// One subscription's part in a session; dropped, it has left.
pub(in crate::modern) struct Listener {
    gateway: Arc<Gateway>,
    key: Key,
    pub(super) ear: Arc<Ear>,
    number: u64,
    evidence: Evidence,
    line: mpsc::Receiver<String>,
    pub(super) subscription: Subscription,
    id: String,
}

impl Listener {
    /// What of the request is honoured.
    pub(in crate::modern) fn honoured(&self) -> serde_json::Map<String, serde_json::Value> {
        self.subscription.honoured()
    }

    /// The next message; `None` when it is cut off. Cancelling this loses none.
    pub(in crate::modern) async fn next(&mut self) -> Option<String> {
        loop {
            let text = self.line.recv().await?;
            if let Some(text) = self.subscription.hears(&text, &self.id) {
                return Some(text);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ear.subscribers().all.remove(&self.number);
        self.ear.left.notify_one();
        let followed = std::mem::take(&mut self.subscription.uris);
        if followed.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            self.gateway.ears.forget_if_unused(&self.key);
            return;
        }
        let (gateway, ear) = (Arc::clone(&self.gateway), Arc::clone(&self.ear));
        let (key, evidence) = (self.key.clone(), self.evidence.clone());
        self.gateway.tracker.spawn(async move {
            gateway.leave_resources(&ear, &evidence, followed).await;
            ear.left.notify_one();
            gateway.ears.forget_if_unused(&key);
        });
    }
}

impl Ear {
    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// As whom the server is asked: as whoever subscribed last, whose credential is the freshest.
    pub(super) fn evidence(&self) -> Option<Evidence> {
        let subscribers = self.subscribers();
        let last = subscribers.all.keys().max()?;
        Some(subscribers.all.get(last)?.evidence.clone())
    }

    /// Hands a message to every subscription; one that does not read is cut off.
    pub(super) fn tell(&self, text: &str) {
        self.subscribers()
            .all
            .retain(|_, one| one.line.try_send(text.to_owned()).is_ok());
    }

    /// News may have been missed: each list may be another one by now.
    pub(super) async fn everything_changed(&self) {
        for list in ["tools", "prompts", "resources"] {
            let method = format!("notifications/{list}/list_changed");
            self.entry.changed(&method);
            self.tell(&format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
        }
        let followed: Vec<String> = self.followed.lock().await.keys().cloned().collect();
        for uri in followed {
            let params = serde_json::json!({"uri": uri});
            self.tell(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{params}}}"#
            ));
        }
    }

    fn is_unused(&self) -> bool {
        self.subscribers().all.is_empty()
            && self
                .followed
                .try_lock()
                .is_ok_and(|followed| followed.is_empty())
    }
}

impl Ears {
    fn table(&self) -> MutexGuard<'_, HashMap<Key, Arc<Ear>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this key, if it is listened to.
    pub(super) fn of(&self, key: &Key) -> Option<Arc<Ear>> {
        self.table().get(key).cloned()
    }

    fn forget_if_unused(&self, key: &Key) {
        let mut table = self.table();
        let unused = |ear: &Arc<Ear>| !ear.running.load(Ordering::Acquire) && ear.is_unused();
        if table.get(key).is_some_and(unused) {
            table.remove(key);
        }
    }

    /// Ends the listening to a session that nobody needs; says whether it did.
    pub(super) fn end_if_unused(&self, key: &Key, ear: &Arc<Ear>) -> bool {
        let mut table = self.table();
        if !ear.is_unused() {
            return false;
        }
        ear.running.store(false, Ordering::Release);
        table.remove(key);
        true
    }

    /// Ends the listening to a session that has nothing to hear.
    pub(super) fn end(&self, key: &Key, ear: &Arc<Ear>) {
        ear.running.store(false, Ordering::Release);
        self.forget_if_unused(key);
    }
}

impl Gateway {
    /// Listens to a session for one subscription.
    pub(super) fn join(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        wish: &SessionWish,
        subscription: Subscription,
        id: &str,
    ) -> Listener {
        let key: Key = (entry.id.clone(), evidence.acting().clone(), wish.clone());
        let (line, receiver) = mpsc::channel(BEHIND);
        let mut table = self.ears.table();
        // A server that was changed by a reload is another one.
        if table
            .get(&key)
            .is_some_and(|ear| !Arc::ptr_eq(&ear.entry.upstream, &entry.upstream))
        {
            table.remove(&key);
        }
        let ear = Arc::clone(table.entry(key.clone()).or_insert_with(|| {
            Arc::new(Ear {
                entry: Arc::clone(entry),
                wish: wish.clone(),
                subscribers: Mutex::default(),
                followed: tokio::sync::Mutex::default(),
                hearing: watch::Sender::new(Hearing::Trying),
                left: Notify::new(),
                running: AtomicBool::new(false),
            })
        }));
        let number = {
            let mut subscribers = ear.subscribers();
            let number = subscribers.next;
            subscribers.next += 1;
            let evidence = evidence.clone();
            subscribers
                .all
                .insert(number, Subscriber { line, evidence });
            number
        };
        if !ear.running.swap(true, Ordering::AcqRel) {
            let (gateway, ear, key) = (Arc::clone(self), Arc::clone(&ear), key.clone());
            self.tracker
                .spawn(async move { gateway.listen_across(&ear, &key).await });
        }
        drop(table);
        Listener {
            gateway: Arc::clone(self),
            key,
            ear,
            number,
            evidence: evidence.clone(),
            line: receiver,
            subscription,
            id: id.to_owned(),
        }
    }
}
