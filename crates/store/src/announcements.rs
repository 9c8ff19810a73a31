//! That something changed, said to whoever keeps it in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic(&'static str);

impl Topic {
    /// Virtual keys.
    pub const KEYS: Self = Self("keys");
    /// Teams, organizations, people, end users and toolsets.
    pub const DIRECTORY: Self = Self("directory");
    /// How much whoever may do.
    pub const LIMITS: Self = Self("limits");
    /// What servers' tools looked like.
    pub const PINS: Self = Self("pins");
    /// The revocation list.
    pub const REVOCATIONS: Self = Self("revocations");
    /// Servers that the admin API defined.
    pub const SERVERS: Self = Self("servers");
    /// Legacy MCP sessions that ended.
    pub const SESSIONS: Self = Self("sessions");

    /// What is followed under this name.
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Says that something changed, and never what: whoever hears it asks the store, which alone is believed.
/// An announcement may be lost and may come without a change, so whoever listens asks now and then anyway.
#[async_trait]
pub trait Announcements: Send + Sync + fmt::Debug {
    /// Says it to everybody who listens, in this process and in others. What cannot be said is not an error:
    /// the change itself is in the store.
    async fn announce(&self, topic: Topic);

    /// Hears what is announced of this topic from now on.
    fn hear(&self, topic: Topic) -> Heard;
}

/// What one listener has heard.
#[derive(Debug)]
pub struct Heard(watch::Receiver<u64>);

impl Heard {
    /// Whether something was announced that nobody waited for yet.
    pub fn has_news(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits until something was announced since the last time. Many announcements are one.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody announces any more.
            std::future::pending::<()>().await;
        }
    }
}

/// The listeners of one process, by topic.
#[derive(Debug, Default)]
pub struct Bells(Mutex<HashMap<&'static str, watch::Sender<u64>>>);

impl Bells {
    /// Hears what is rung of this topic from now on.
    pub fn hear(&self, topic: Topic) -> Heard {
        let mut bells = self.bells();
        let bell = bells.entry(topic.as_str());
        Heard(bell.or_insert_with(|| watch::Sender::new(0)).subscribe())
    }

    /// Tells those who listen to this topic. One that nobody listens to is nobody's.
    pub fn ring(&self, topic: &str) {
        if let Some(bell) = self.bells().get(topic) {
            bell.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
    }

    /// Tells everybody: something may have been missed.
    pub fn ring_all(&self) {
        for bell in self.bells().values() {
            bell.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
    }

    fn bells(&self) -> MutexGuard<'_, HashMap<&'static str, watch::Sender<u64>>> {
        // Every change under this lock is one insertion.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
