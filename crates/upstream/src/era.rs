//! What is known of a server's era, and from whom.
//!
//! What was found out with a credential that is the same for everybody holds for everybody. What was
//! found out with something of one caller's own holds for that caller: headers or a token that the
//! server cannot read, or that lead to another server behind the same address, say nothing about others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::Shares;
use portcullis_policy::{Acting, Party};

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::probe::{ask, settled};
use crate::transport::{Presents, Wire};

/// A verdict expires, because an upgraded server still answers the old way.
const VERDICT_LIFE: Duration = Duration::from_mins(5);

/// A verdict this young is not doubted.
const DOUBT_AFTER: Duration = Duration::from_secs(5);

/// Most verdicts of callers' own that are kept; for whoever has to make room the server is asked anew.
const MOST_OWN: usize = 1024;

/// Most of one party, which can make up any number of acting parties.
const MOST_OF_ONE: usize = 64;

/// What is known of a server's era.
#[derive(Debug)]
pub(crate) struct Era {
    everybodys: Slot,
    own: Mutex<Own>,
}

type Own = Shares<Party, Acting, Arc<Slot>>;

impl Default for Era {
    fn default() -> Self {
        Self {
            everybodys: Slot::default(),
            own: Mutex::new(Shares::new(MOST_OWN, MOST_OF_ONE)),
        }
    }
}

/// One verdict.
#[derive(Debug, Default)]
struct Slot {
    verdict: Mutex<Option<Verdict>>,
    /// Held while the server is being asked: one at a time.
    asking: tokio::sync::Mutex<()>,
}

/// What was found out, and when.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    modern: bool,
    asked: Duration,
    /// Something came that the server should not have said.
    doubted: bool,
}

impl Slot {
    fn verdict(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn modern(&self) -> Option<bool> {
        self.verdict().map(|verdict| verdict.modern)
    }

    fn asked(&self) -> Option<Duration> {
        self.verdict().map(|verdict| verdict.asked)
    }

    fn fresh(&self, now: Duration) -> Option<bool> {
        self.verdict()
            .filter(|verdict| !verdict.doubted)
            .filter(|verdict| now.saturating_sub(verdict.asked) < VERDICT_LIFE)
            .map(|verdict| verdict.modern)
    }

    fn doubt(&self, now: Duration) {
        if let Some(verdict) = &mut *self.verdict() {
            verdict.doubted |= now.saturating_sub(verdict.asked) >= DOUBT_AFTER;
        }
    }

    async fn find_out(
        &self,
        wire: &Wire,
        presents: &dyn Presents,
        now: Duration,
    ) -> Result<bool, UpstreamError> {
        let _asking = self.asking.lock().await;
        if let Some(modern) = self.fresh(now) {
            return Ok(modern);
        }
        let modern = ask(wire, presents).await?;
        *self.verdict() = Some(Verdict {
            modern,
            asked: now,
            doubted: false,
        });
        Ok(modern)
    }
}

impl Era {
    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdict that counts for whoever acts: their own, where one was ever reached.
    fn of(&self, acting: &Acting) -> Option<Arc<Slot>> {
        let slot = self.own().get(&acting.party(), acting).map(Arc::clone);
        slot.filter(|slot| slot.modern().is_some())
    }

    /// What is known without asking.
    pub(crate) fn known(&self, wire: &Wire, acting: &Acting) -> Option<bool> {
        settled(wire).or_else(|| match self.of(acting) {
            Some(own) => own.modern(),
            None => self.everybodys.modern(),
        })
    }

    /// The same for nobody in particular: what everybody's credential showed, else the latest of all.
    pub(crate) fn reported(&self, wire: &Wire) -> Option<bool> {
        let latest = || {
            let own = self.own();
            let latest = own.values().max_by_key(|slot| slot.asked())?;
            latest.modern()
        };
        settled(wire)
            .or_else(|| self.everybodys.modern())
            .or_else(latest)
    }

    /// The server said what one of its era would not: it is asked anew before the next request,
    /// unless it was asked just now. Callers can provoke this.
    pub(crate) fn doubt(&self, acting: &Acting, now: Duration) {
        match self.of(acting) {
            Some(own) => own.doubt(now),
            None => self.everybodys.doubt(now),
        }
    }

    /// What is known and not yet to be asked again.
    pub(crate) fn lately(&self, wire: &Wire, acting: &Acting, now: Duration) -> Option<bool> {
        settled(wire).or_else(|| match self.of(acting) {
            Some(own) => own.fresh(now),
            None => self.everybodys.fresh(now),
        })
    }

    /// Whether the server speaks 2026-07-28.
    pub(crate) async fn speaks_modern(
        &self,
        wire: &Wire,
        acting: &Acting,
        presents: &dyn Presents,
        now: Duration,
    ) -> Result<bool, UpstreamError> {
        if let Some(modern) = self.lately(wire, acting, now) {
            return Ok(modern);
        }
        // Also bounds those who wait behind a server that hangs: together, not one by one.
        let asking = async {
            if brings_something(acting) || presents.is_one_callers() {
                let slot = self.place(acting);
                slot.find_out(wire, presents, now).await
            } else {
                self.everybodys.find_out(wire, presents, now).await
            }
        };
        tokio::time::timeout(wire.server.timeout, asking)
            .await
            .map_err(|_| wire.error(UpstreamErrorKind::Timeout))?
    }

    /// Where the verdict of one who acts is.
    fn place(&self, acting: &Acting) -> Arc<Slot> {
        let (party, mut own) = (acting.party(), self.own());
        if let Some(slot) = own.get(&party, acting) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        own.insert(&party, acting.clone(), Arc::clone(&slot));
        slot
    }
}

/// Whether something of the caller's own request goes along.
const fn brings_something(acting: &Acting) -> bool {
    match acting {
        Acting::Principal(_) | Acting::Service => false,
        Acting::Bearer(..) | Acting::Scoped(..) | Acting::Keyed(..) | Acting::Delegated(..) => true,
    }
}

#[cfg(test)]
mod tests;
