//! Connections in memory. One that was looked at in this second is believed; then its version is
//! asked for, so that a person who disconnects at another replica is not acted for here any longer
//! than that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use portcullis_core::{AccessToken, PrincipalId, ServerId, Shares};

use super::keeper::Wish;
use super::row::Row;
use crate::error::Failure;
use crate::token::{Moment, bearer};

/// Most connections in memory, and most of one person; what was used longest ago makes room.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 500;
/// How long what the store said is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long a failed refresh is not repeated, at least.
const PAUSE: Duration = Duration::from_secs(5);
/// Nor is it longer than this, whatever the authorization server asks for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Whose connection a credential is of, and which token it is.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) principal: PrincipalId,
    pub(crate) fingerprint: [u8; 32],
    /// Which consent it came of.
    pub(crate) account: [u8; 32],
}

/// One person's connection to one server.
pub(crate) struct Place {
    current: ArcSwapOption<Live>,
    /// Why a renewal failed a moment ago, of which version, and until when that is told instead of
    /// asking again.
    failed: ArcSwapOption<(u64, Duration, Failure)>,
    /// Whoever reads or renews it: one at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// A connection, ready for use. Not `Debug`: it is the secret.
pub(crate) struct Live {
    pub(super) row: Row,
    pub(super) version: u64,
    pub(super) bearer: HeaderValue,
    pub(super) fingerprint: [u8; 32],
    /// Monotonic milliseconds.
    checked: AtomicU64,
    /// Until when a refresh is not tried again; monotonic milliseconds.
    paused: AtomicU64,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Live {
    /// `None`: the token does not fit into a header.
    pub(super) fn new(row: Row, version: u64, now: Moment) -> Option<Self> {
        Some(Self {
            bearer: bearer(&row.access)?,
            fingerprint: AccessToken::fingerprint(&row.access),
            row,
            version,
            checked: AtomicU64::new(millis(now.monotonic)),
            paused: AtomicU64::new(0),
        })
    }

    pub(super) fn is_believed(&self, now: Moment) -> bool {
        let checked = self.checked.load(Ordering::Relaxed);
        millis(now.monotonic).saturating_sub(checked) < millis(BELIEVED)
    }

    pub(super) fn believe(&self, now: Moment) {
        self.checked.store(millis(now.monotonic), Ordering::Relaxed);
    }

    /// Whether it can be presented as it is, without asking anybody.
    pub(super) fn serves(&self, wish: &Wish, now: Moment) -> bool {
        self.is_believed(now)
            && wish.is_met_by(&self.row)
            && self.row.is_usable(&wish.terms, now.wall)
            && (!self.row.is_due(&wish.terms, now.wall) || self.is_paused(now))
    }

    pub(super) fn is_paused(&self, now: Moment) -> bool {
        millis(now.monotonic) < self.paused.load(Ordering::Relaxed)
    }

    pub(super) fn pause(&self, now: Moment) {
        let until = now.monotonic.saturating_add(PAUSE);
        self.paused.store(millis(until), Ordering::Relaxed);
    }
}

impl Place {
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.current.load_full()
    }

    /// Remembers a failed renewal for as long as its server asked for, within bounds.
    pub(super) fn fail(&self, version: u64, failure: &Failure, now: Moment) {
        let pause = failure.wait.unwrap_or(PAUSE).clamp(PAUSE, LONGEST_PAUSE);
        let until = now.monotonic.saturating_add(pause);
        let failed = Arc::new((version, until, failure.clone()));
        self.failed.store(Some(failed));
    }

    /// Why nobody asks for a successor of this version now.
    pub(super) fn failure(&self, version: u64, now: Moment) -> Option<Failure> {
        let failed = self.failed.load_full()?;
        let (of, until, failure) = &*failed;
        (*of == version && now.monotonic < *until).then(|| failure.clone())
    }

    pub(super) fn put(&self, live: Option<Arc<Live>>) {
        self.current.store(live);
    }
}

/// The places that are in memory.
pub(crate) struct Places(Shares<PrincipalId, ServerId, (ServerId, Arc<Place>)>);

impl Default for Places {
    fn default() -> Self {
        Self(Shares::new(MOST, MOST_OF_ONE))
    }
}

impl Places {
    pub(super) fn of(&mut self, principal: &PrincipalId, server: &ServerId) -> Arc<Place> {
        if let Some((_, place)) = self.0.get(principal, server) {
            return Arc::clone(place);
        }
        let place = Arc::new(Place {
            current: ArcSwapOption::empty(),
            failed: ArcSwapOption::empty(),
            turn: Arc::default(),
        });
        let entry = (server.clone(), Arc::clone(&place));
        self.0.insert(principal, server.clone(), entry);
        place
    }

    /// What is known of it is not true any more.
    pub(super) fn forget(&mut self, principal: &PrincipalId, server: &ServerId) {
        if let Some((_, place)) = self.0.get(principal, server) {
            place.put(None);
        }
    }

    pub(super) fn keep_only(&mut self, servers: &BTreeSet<ServerId>) {
        self.0.retain(|(server, _)| servers.contains(server));
    }
}
