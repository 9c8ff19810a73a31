//! Connections in memory. One that was looked at in this second is believed; then its version is
//! asked for, so that a person who disconnects at another replica is not acted for here any longer
//! than that.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use portcullis_core::{AccessToken, PrincipalId, ServerId, Shares};

use super::flow::LONGEST as FLOW;
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

/// The first time that a server's refusal of fresh tokens is believed, and the longest.
const DISTRUST: Duration = Duration::from_secs(30);
const LONGEST_DISTRUST: Duration = Duration::from_mins(30);
/// Most flows of one person for one server that are under way at a replica.
const MOST_FLOWS: usize = 20;

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
    /// That the server refused fresh tokens too.
    refused: ArcSwapOption<Refused>,
    /// When people were sent away lately who may still come back; monotonic.
    flows: Mutex<Vec<Duration>>,
    /// Whoever reads or renews it: one at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// A server that does not take what its own authorization server grants.
struct Refused {
    /// Of which consent.
    account: [u8; 32],
    /// How often in a row.
    times: u32,
    /// Until when nothing is renewed because of a refusal; monotonic.
    until: Duration,
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

    /// Remembers that the server refused a token that was fresh, when no further consent can be asked
    /// for: each time for twice as long, unless it was long ago.
    pub(super) fn refuse(&self, account: [u8; 32], now: Duration) {
        let last = self.refused.load_full();
        let last = last.filter(|last| {
            last.account == account && now < last.until.saturating_add(LONGEST_DISTRUST)
        });
        let times = last.map_or(0, |last| last.times.saturating_add(1));
        let pause = DISTRUST.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
        self.refused.store(Some(Arc::new(Refused {
            account,
            times,
            until: now.saturating_add(pause.min(LONGEST_DISTRUST)),
        })));
    }

    /// Whether a fresh token of this consent was refused so lately that another one is not asked for.
    pub(super) fn is_refused(&self, account: &[u8; 32], now: Duration) -> bool {
        let refused = self.refused.load();
        let refused = refused.as_ref();
        refused.is_some_and(|last| last.account == *account && now < last.until)
    }

    /// Counts somebody who is sent away; `false`: as many as may be are away already.
    pub(super) fn begins(&self, now: Moment) -> bool {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|begun| now.monotonic.saturating_sub(*begun) < FLOW);
        let has_room = flows.len() < MOST_FLOWS;
        if has_room {
            flows.push(now.monotonic);
        }
        has_room
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
            refused: ArcSwapOption::empty(),
            flows: Mutex::default(),
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
            let mut flows = place.flows.lock().unwrap_or_else(PoisonError::into_inner);
            flows.clear();
        }
    }

    pub(super) fn keep_only(&mut self, servers: &BTreeSet<ServerId>) {
        self.0.retain(|(server, _)| servers.contains(server));
    }
}
