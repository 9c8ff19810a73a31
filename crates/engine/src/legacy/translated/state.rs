//! What a session was told to remember that a stateless server does not: from which level on it hears
//! log messages, and to which resources it is subscribed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{PrincipalId, ServerId, Timestamp};
use portcullis_mcp::eras::modern_client::LogLevel;

use super::super::LegacyClient;

/// Most sessions that have something to remember, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 256;
/// Most resources that one session is subscribed to, and the longest URI of one.
const MOST_RESOURCES: usize = 128;
const LONGEST_URI: usize = 2048;
/// What a client hears that never said: it is the server's choice then (2025-11-25, "Logging").
const UNSAID: LogLevel = LogLevel::Info;

#[derive(Debug, Default)]
pub(crate) struct SessionStates(Mutex<HashMap<PrincipalId, HashMap<[u8; 32], State>>>);

#[derive(Debug)]
struct State {
    expires: Timestamp,
    level: LogLevel,
    resources: HashMap<ServerId, BTreeSet<String>>,
    changing: HashMap<ServerId, Changing>,
}

/// Held while a session's subscriptions at a server change, until the server has said what it honours.
pub(super) type Changing = Arc<tokio::sync::Mutex<()>>;

impl SessionStates {
    fn states(&self) -> MutexGuard<'_, HashMap<PrincipalId, HashMap<[u8; 32], State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered of a session; `None`: it has none, or there is no more room.
    fn change<T>(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        change: impl FnOnce(&mut State) -> T,
    ) -> Option<T> {
        let session = client.digest?;
        let mut states = self.states();
        let known = states
            .get(principal)
            .is_some_and(|own| own.contains_key(&session));
        if !known {
            let all: usize = states.values().map(HashMap::len).sum();
            let of_one = states.get(principal).map_or(0, HashMap::len);
            if all >= MOST || of_one >= MOST_OF_ONE {
                return None;
            }
        }
        let own = states.entry(principal.clone()).or_default();
        let state = own.entry(session).or_insert_with(|| State {
            expires: client.expires,
            level: UNSAID,
            resources: HashMap::new(),
            changing: HashMap::new(),
        });
        Some(change(state))
    }

    /// From which level on a session hears log messages.
    pub(super) fn level(&self, principal: &PrincipalId, client: &LegacyClient) -> LogLevel {
        let states = self.states();
        let state = client
            .digest
            .and_then(|session| states.get(principal)?.get(&session));
        state.map_or(UNSAID, |state| state.level)
    }

    /// Remembers the level; `false`: there is no more room.
    pub(in super::super) fn set_level(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        level: LogLevel,
    ) -> bool {
        self.change(principal, client, |state| state.level = level)
            .is_some()
    }

    /// The resources of a server that a session is subscribed to.
    pub(super) fn resources(
        &self,
        principal: &PrincipalId,
        session: &[u8; 32],
        server: &ServerId,
    ) -> BTreeSet<String> {
        let states = self.states();
        let state = states.get(principal).and_then(|own| own.get(session));
        state
            .and_then(|state| state.resources.get(server).cloned())
            .unwrap_or_default()
    }

    /// What is held while a session's subscriptions at this server change; `None`: there is no more room.
    pub(super) fn changing(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        server: &ServerId,
    ) -> Option<Changing> {
        self.change(principal, client, |state| {
            Arc::clone(state.changing.entry(server.clone()).or_default())
        })
    }

    /// Subscribes a session to a resource; `None`: there is no more room. Else whether it was not.
    pub(super) fn subscribe(
        &self,
        principal: &PrincipalId,
        client: &LegacyClient,
        server: &ServerId,
        uri: &str,
    ) -> Option<bool> {
        if uri.len() > LONGEST_URI {
            return None;
        }
        self.change(principal, client, |state| {
            let all: usize = state.resources.values().map(BTreeSet::len).sum();
            let of_server = state.resources.entry(server.clone()).or_default();
            if of_server.contains(uri) {
                return Some(false);
            }
            (all < MOST_RESOURCES).then(|| of_server.insert(uri.to_owned()))
        })?
    }

    /// Ends a subscription; says whether there was one.
    pub(super) fn unsubscribe(
        &self,
        principal: &PrincipalId,
        session: &[u8; 32],
        server: &ServerId,
        uri: &str,
    ) -> bool {
        let mut states = self.states();
        let state = states
            .get_mut(principal)
            .and_then(|own| own.get_mut(session));
        let resources = state.and_then(|state| state.resources.get_mut(server));
        resources.is_some_and(|resources| resources.remove(uri))
    }

    pub(super) fn forget(&self, principal: &PrincipalId, session: &[u8; 32]) {
        let mut states = self.states();
        if let Some(own) = states.get_mut(principal) {
            own.remove(session);
            if own.is_empty() {
                states.remove(principal);
            }
        }
    }

    pub(super) fn expire(&self, now: Timestamp) {
        self.states().retain(|_, own| {
            own.retain(|_, state| now < state.expires);
            !own.is_empty()
        });
    }
}
