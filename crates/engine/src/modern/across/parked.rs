//! Calls that wait for their clients' answers: bounded in number, for each principal too, and in
//! time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::PrincipalId;
use portcullis_policy::Operation;
use portcullis_upstream::Owner;

use super::running::Running;
use crate::error::EngineError;
use crate::gateway::Gateway;

/// Most calls that wait, of all principals together and of one.
const MOST: usize = 1000;
const MOST_OF_ONE: usize = 32;
/// How long one waits. Many servers give up after a minute; what they answer then is what the retry
/// gets.
pub(super) const LIFETIME: Duration = Duration::from_mins(5);

/// The calls, each held by the one replica whose stream it is.
#[derive(Default)]
pub(crate) struct ParkedCalls {
    owners: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    calls: HashMap<u64, Parked>,
}

struct Parked {
    running: Box<Running>,
    since: Duration,
}

impl Parked {
    fn principal(&self) -> &PrincipalId {
        &self.running.filter.principal.id
    }
}

impl ParkedCalls {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for a request among those of its session: the ids of stateless clients are not unique
    /// there.
    pub(super) fn next_owner(&self) -> Owner {
        let mut owner = [0; 32];
        let number = self.owners.fetch_add(1, Ordering::Relaxed);
        for (place, byte) in owner.iter_mut().zip(number.to_be_bytes()) {
            *place = byte;
        }
        owner
    }

    /// Under which number it waits; the call itself when there is no room.
    pub(super) fn add(&self, running: Box<Running>, now: Duration) -> Result<u64, Box<Running>> {
        let mut table = self.table();
        let parked = Parked {
            running,
            since: now,
        };
        let of_one = table
            .calls
            .values()
            .filter(|other| other.principal() == parked.principal())
            .count();
        if table.calls.len() >= MOST || of_one >= MOST_OF_ONE {
            return Err(parked.running);
        }
        let number = table.next;
        table.next += 1;
        table.calls.insert(number, parked);
        Ok(number)
    }

    /// Takes a call out, if it is this principal's.
    pub(super) fn take(&self, number: u64, principal: &PrincipalId) -> Option<Taken<'_>> {
        let mut table = self.table();
        let found = table.calls.get(&number)?;
        if found.principal() != principal {
            return None;
        }
        let parked = table.calls.remove(&number)?;
        drop(table);
        Some(Taken {
            calls: self,
            number,
            since: parked.since,
            running: Some(parked.running),
        })
    }

    /// Lets go of everything, because the sessions end.
    pub(crate) fn forget_all(&self) {
        let calls = std::mem::take(&mut self.table().calls);
        drop(calls);
    }
}

/// A call that was taken to go on, and goes back unless it does.
pub(super) struct Taken<'a> {
    calls: &'a ParkedCalls,
    number: u64,
    since: Duration,
    running: Option<Box<Running>>,
}

impl Taken<'_> {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.running.as_deref_mut()
    }

    pub(super) fn goes_on(mut self) -> Option<Box<Running>> {
        self.running.take()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let parked = Parked {
                running,
                since: self.since,
            };
            self.calls.table().calls.insert(self.number, parked);
        }
    }
}

/// A call that waits for a retry of which its client was not told yet. Dropped, nobody will come: a client
/// that left before it had the question has cancelled its request (2026-07-28).
pub(super) struct Undelivered {
    gateway: Arc<Gateway>,
    number: u64,
    principal: PrincipalId,
    delivered: bool,
}

impl Undelivered {
    pub(super) fn delivered(mut self) {
        self.delivered = true;
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if self.delivered {
            return;
        }
        // A retry that came all the same has taken it.
        let taken = self.gateway.parked.take(self.number, &self.principal);
        if let Some(running) = taken.and_then(Taken::goes_on) {
            self.gateway.cancel_behind(running);
        }
    }
}

impl Gateway {
    /// Parks a call and seals what its retry has to come with.
    pub(super) fn park(
        self: &Arc<Self>,
        running: Box<Running>,
        asked: &[u8; 32],
    ) -> Result<(String, Undelivered), EngineError> {
        let filter = running.filter.clone();
        match self.parked.add(running, self.clock.monotonic()) {
            Ok(number) => {
                let parked = Undelivered {
                    gateway: Arc::clone(self),
                    number,
                    principal: filter.principal.id.clone(),
                    delivered: false,
                };
                Ok((self.seal_parked(&filter, asked, number)?, parked))
            }
            Err(running) => {
                self.cancel_behind(running);
                Err(EngineError::TooMany(
                    "calls that wait for their clients' answers",
                ))
            }
        }
    }

    /// Gives up the calls whose clients did not come back in time, or may not any more.
    pub(crate) fn give_up_parked(self: &Arc<Self>) {
        let now = self.clock.monotonic();
        let over: Vec<Box<Running>> = self
            .parked
            .table()
            .calls
            .extract_if(|_, parked| {
                let filter = &parked.running.filter;
                let (principal, admission) = (&filter.principal, &filter.admission);
                now.saturating_sub(parked.since) >= LIFETIME
                    || !self.still_stands(principal, admission)
                    || !self.still_serves(principal, admission, &filter.entry, Operation::Use)
            })
            .map(|(_, parked)| parked.running)
            .collect();
        for running in over {
            tracing::info!(mcp.server.id = %running.filter.entry.id, "a call given up: its client did not answer");
            self.cancel_behind(running);
        }
    }
}
