//! Where a legacy session is at home: its open streams, its requests under way and the questions to its
//! client are in one process. That is the one which opened it, as its id says; when that is gone,
//! whichever of the others is asked first takes it over, with what its client had set.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{PrincipalId, Purpose, ReplicaId, Timestamp};
use portcullis_mcp::{Envelope, Method};
use portcullis_store::{SessionHomeRecord, SessionHomeStore, StoreError};
use serde::{Deserialize, Serialize};

use super::Replicas;
use super::rows::Rows;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::legacy::{LegacyClient, SessionRefusal};
use crate::view::View;

/// Most sessions that are remembered as ours beside those that we opened. Beyond it the memory is
/// emptied, and the store is asked again.
const MOST: usize = 50_000;
/// Most resources of one session that another replica would subscribe to again, and most bytes of all that
/// is kept of one.
const MOST_RESOURCES: usize = 512;
const MOST_BYTES: usize = 32 * 1024;
/// How often a change is tried again that others were quicker with.
const TRIES: usize = 4;

/// Where a session's requests belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// In this process.
    Here,
    /// In another one, which runs.
    At(ReplicaId),
}

/// What a session's client set at its servers, which their sessions forget when they are opened anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionState {
    pub(crate) servers: BTreeMap<String, AtServer>,
}

/// What it set at one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AtServer {
    /// The level of `logging/setLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
    /// What it subscribed to, by the server's own addresses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) resources: BTreeSet<String>,
}

/// One thing that a client sets.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    Level(String),
    Subscribed(String),
    Unsubscribed(String),
}

impl Setting {
    const fn bytes(&self) -> usize {
        let (Self::Level(text) | Self::Subscribed(text) | Self::Unsubscribed(text)) = self;
        text.len()
    }

    /// What a request sets, if it sets anything that outlives it.
    pub(crate) fn of(method: Method, envelope: &Envelope<'_>, subject: &str) -> Option<Self> {
        match method {
            Method::SetLevel => {
                let level = envelope.params()?.string("level")?;
                Some(Self::Level(level.into_owned()))
            }
            Method::ResourcesSubscribe => Some(Self::Subscribed(subject.to_owned())),
            Method::ResourcesUnsubscribe => Some(Self::Unsubscribed(subject.to_owned())),
            _ => None,
        }
    }
}

impl SessionState {
    fn bytes(&self) -> usize {
        let each = self.servers.iter().map(|(server, at)| {
            let level = at.level.as_ref().map_or(0, String::len);
            let resources: usize = at.resources.iter().map(String::len).sum();
            server.len() + level + resources
        });
        each.sum()
    }

    /// Takes a setting over; says whether that changed anything.
    fn set(&mut self, server: &str, setting: &Setting) -> bool {
        let known: usize = self.servers.values().map(|at| at.resources.len()).sum();
        let room = MOST_BYTES.saturating_sub(self.bytes()) >= setting.bytes() + server.len();
        let at = self.servers.entry(server.to_owned()).or_default();
        let changed = match setting {
            Setting::Level(level) => {
                room && at.level.replace(level.clone()).as_ref() != Some(level)
            }
            Setting::Subscribed(uri) => {
                room && known < MOST_RESOURCES && at.resources.insert(uri.clone())
            }
            Setting::Unsubscribed(uri) => at.resources.remove(uri),
        };
        self.servers.retain(|_, at| *at != AtServer::default());
        changed
    }
}

/// The sessions that are ours although another process opened them.
#[derive(Debug)]
pub(crate) struct Homes {
    store: Arc<dyn SessionHomeStore>,
    ours: Mutex<HashSet<[u8; 32]>>,
    rows: Rows,
}

impl Homes {
    pub(super) fn new(store: Arc<dyn SessionHomeStore>) -> Self {
        Self {
            store,
            ours: Mutex::default(),
            rows: Rows::default(),
        }
    }

    fn ours(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, digest: [u8; 32]) {
        let mut ours = self.ours();
        if ours.len() >= MOST {
            ours.clear();
        }
        ours.insert(digest);
    }

    pub(super) async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.rows.expire(now);
        self.store.purge(now).await
    }

    /// Forgets a session that ended.
    pub(crate) async fn forget(&self, principal: &PrincipalId, digest: &[u8; 32]) {
        self.ours().remove(digest);
        self.rows.forget(principal, digest);
        if let Err(error) = self.store.remove(digest).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a session's settings stay until they expire"
            );
        }
    }
}

impl Replicas {
    fn seal_state(
        &self,
        digest: &[u8; 32],
        state: &SessionState,
        expires: Timestamp,
    ) -> Result<String, SessionRefusal> {
        let text = serde_json::to_vec(state).map_err(|error| unavailable(&error))?;
        self.sealer
            .seal(Purpose::SessionHome, digest, expires, &text)
            .map_err(|error| unavailable(&error))
    }

    /// What does not open was not written by a gateway with our ring: nothing was set then.
    fn open_state(&self, record: &SessionHomeRecord) -> SessionState {
        let now = self.clock.now();
        let opened = self
            .sealer
            .open(Purpose::SessionHome, &record.digest, now, &record.sealed);
        opened
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Writes the next state of a session that is ours; `false`: somebody was quicker.
    async fn put(
        &self,
        client: &LegacyClient,
        digest: [u8; 32],
        state: &SessionState,
        follows: Option<u64>,
    ) -> Result<bool, SessionRefusal> {
        let record = SessionHomeRecord {
            digest,
            home: self.own.clone(),
            sealed: self.seal_state(&digest, state, client.expires)?,
            version: follows.map_or(1, |version| version.saturating_add(1)),
            expires_at: client.expires,
        };
        let put = self.homes.store.put(&record, follows).await;
        put.map_err(|error| unavailable(&error))
    }

    /// Whose the session is; `Some` settings when it has just become ours.
    async fn settle(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
    ) -> Result<(Home, Option<SessionState>), SessionRefusal> {
        let Some(digest) = client.digest else {
            return Ok((Home::Here, None));
        };
        if client.home.as_ref() == Some(&self.own) {
            return Ok((Home::Here, None));
        }
        // Asked before what we took over: whoever opened the session believes to be its home for as long
        // as it runs, also where it was only thought gone.
        if let Some(home) = &client.home
            && self.still_runs(home).await?
        {
            self.homes.ours().remove(&digest);
            return Ok((Home::At(home.clone()), None));
        }
        if self.homes.ours().contains(&digest) {
            return Ok((Home::Here, None));
        }
        for _ in 0..TRIES {
            let found = self.homes.store.get(&digest).await;
            let found = found.map_err(|error| unavailable(&error))?;
            if let Some(record) = &found
                && self.still_runs(&record.home).await?
            {
                return Ok((Home::At(record.home.clone()), None));
            }
            let (follows, state) = self.read_state(found);
            if self.are_several() && !self.homes.rows.admits(principal, digest, client.expires) {
                tracing::warn!(principal = %principal, "a session is over: its home is gone, and its principal has too many that moved here");
                return Err(SessionRefusal::NotFound);
            }
            // Where there is nobody else, nobody asks whose it is.
            if !self.are_several() || self.put(client, digest, &state, follows).await? {
                self.homes.keep(digest);
                return Ok((Home::Here, Some(state)));
            }
        }
        // Others are always quicker: something is wrong, and whose it is stays open.
        Err(SessionRefusal::Unavailable)
    }

    async fn still_runs(&self, home: &ReplicaId) -> Result<bool, SessionRefusal> {
        self.runs(home).await.ok_or(SessionRefusal::Unavailable)
    }

    fn read_state(&self, found: Option<SessionHomeRecord>) -> (Option<u64>, SessionState) {
        match found {
            Some(record) => (Some(record.version), self.open_state(&record)),
            None => (None, SessionState::default()),
        }
    }

    /// Takes a setting over into what is kept of a session. Where that fails it holds all the same; it is
    /// only not set again when this process is gone.
    async fn keep_setting(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        digest: [u8; 32],
        server: &str,
        setting: &Setting,
    ) -> Result<(), SessionRefusal> {
        if !self.homes.rows.admits(principal, digest, client.expires) {
            tracing::info!(principal = %principal, "what a session's client sets is not kept for another replica: its principal has too many such sessions");
            return Ok(());
        }
        for _ in 0..TRIES {
            let found = self.homes.store.get(&digest).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let (follows, mut state) = self.read_state(found);
            if !state.set(server, setting) || self.put(client, digest, &state, follows).await? {
                break;
            }
        }
        Ok(())
    }
}

/// A take-over in the middle of which the client went away is none: the session's next request begins it
/// anew, so that what was set is not lost.
struct TakingOver<'a> {
    homes: &'a Homes,
    digest: Option<[u8; 32]>,
}

impl TakingOver<'_> {
    fn done(mut self) {
        self.digest = None;
    }
}

impl Drop for TakingOver<'_> {
    fn drop(&mut self) {
        if let Some(digest) = self.digest {
            self.homes.ours().remove(&digest);
        }
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> SessionRefusal {
    tracing::error!(
        error,
        "where a session is at home is neither read nor written"
    );
    SessionRefusal::Unavailable
}

impl Gateway {
    /// Where the requests of a session belong. A session whose home is gone is at home here from now on:
    /// what its client had set is set again before this returns.
    pub async fn home(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        client: &LegacyClient,
    ) -> Result<Home, SessionRefusal> {
        let (home, taken_over) = self.replicas.settle(&call.principal.id, client).await?;
        if let Some(state) = taken_over
            && !state.servers.is_empty()
        {
            let taking = TakingOver {
                homes: &self.replicas.homes,
                digest: client.digest,
            };
            self.restore(call, view, client, &state).await;
            taking.done();
        }
        Ok(home)
    }

    /// Keeps what a client set at a server, for the replica that may have to set it again.
    pub(crate) async fn remember(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        server: &str,
        setting: &Setting,
    ) {
        let Some(digest) = client.digest.filter(|_| client.comes_back) else {
            return;
        };
        // What went wrong was said where it did.
        let _ = self
            .replicas
            .keep_setting(principal, client, digest, server, setting)
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_whether_it_changed_and_forgets_what_is_empty() {
        let mut state = SessionState::default();
        let subscribed = Setting::Subscribed("file:///a".to_owned());
        assert!(state.set("docs", &subscribed));
        assert!(!state.set("docs", &subscribed));
        assert!(state.set("docs", &Setting::Level("info".to_owned())));
        assert!(!state.set("docs", &Setting::Level("info".to_owned())));
        assert!(state.set("docs", &Setting::Unsubscribed("file:///a".to_owned())));
        assert!(!state.set("other", &Setting::Unsubscribed("file:///a".to_owned())));
        let servers: Vec<_> = state.servers.keys().collect();
        assert_eq!(servers, ["docs"]);
    }

    #[test]
    fn a_session_is_not_kept_for_more_resources_than_its_share() {
        let mut state = SessionState::default();
        let subscribed = |number: usize| Setting::Subscribed(format!("file:///{number}"));
        for number in 0..MOST_RESOURCES {
            assert!(state.set("docs", &subscribed(number)));
        }
        assert!(!state.set("docs", &subscribed(MOST_RESOURCES)));
        assert!(!state.set("other", &subscribed(MOST_RESOURCES)));
    }

    #[test]
    fn what_is_kept_of_a_session_is_not_larger_than_its_share() {
        let mut state = SessionState::default();
        let of = |letter: &str| letter.repeat(MOST_BYTES / 2 - 10);
        assert!(state.set("docs", &Setting::Subscribed(of("a"))));
        assert!(state.set("docs", &Setting::Subscribed(of("b"))));
        assert!(!state.set("docs", &Setting::Subscribed(of("c"))));
        assert!(!state.set("docs", &Setting::Level(of("d"))));
        assert!(state.bytes() <= MOST_BYTES);
    }
}
