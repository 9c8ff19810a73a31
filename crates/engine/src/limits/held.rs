//! What a call holds for as long as it lasts, and gives back however it ends.

use std::sync::Arc;

use super::Limiter;
use super::tally::{Used, Whose};
use crate::audit::Outcome;

/// Places and a reservation, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<Box<Holding>>);

/// What is to be given back.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) limiter: Arc<Limiter>,
    /// Under which name.
    pub(super) holder: Arc<str>,
    /// Whether the store has places taken for it.
    pub(super) shared: Shared,
    /// Whether this process has, because the store could not.
    pub(super) here: bool,
    /// Whether money may be set aside.
    pub(super) reserved: bool,
    /// What the call costs, if it is made; nothing until it may be.
    pub(super) cost_nano_usd: u64,
    /// Whether it may have left the house.
    pub(super) sent: bool,
    pub(super) whose: Whose,
}

/// Whether the store has something taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// It has not.
    No,
    /// It was asked, and did not answer.
    Perhaps,
    /// It has.
    Yes,
}

impl Held {
    pub(super) fn new(holding: Holding) -> Self {
        Self(Some(Box::new(holding)))
    }

    /// What is held, while it is being taken.
    pub(super) fn holding(&mut self) -> Option<&mut Holding> {
        self.0.as_deref_mut()
    }

    /// Whether the call may have reached its server, as whoever sent it knows. What went out once stays so,
    /// whatever becomes of a second attempt.
    pub(crate) fn sent(&mut self, sent: bool) {
        if let Some(holding) = self.holding() {
            holding.sent |= sent;
        }
    }

    /// The server said that it did nothing, or will not be asked at all.
    pub(crate) fn costs_nothing(&mut self) {
        if let Some(holding) = self.holding() {
            holding.cost_nano_usd = 0;
        }
    }

    /// Gives everything back before the answer is given, so that whoever has it may call again. Not
    /// waited for to its end, it is done all the same.
    pub(crate) async fn give_back(&mut self, outcome: Outcome) {
        let Some(holding) = self.0.take() else {
            return;
        };
        if holding.is_local() {
            return holding.spend(outcome);
        }
        let limiter = Arc::clone(&holding.limiter);
        let given_back = limiter.behind(holding.give_back(outcome));
        // A panic in there was told where it happened.
        let _ = given_back.await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(holding) = self.0.take() else {
            return;
        };
        if holding.is_local() {
            return holding.spend(Outcome::Abandoned);
        }
        // Without a runtime the process has ended: places end with their lease, and what is reserved
        // stays spent.
        if tokio::runtime::Handle::try_current().is_ok() {
            let limiter = Arc::clone(&holding.limiter);
            drop(limiter.behind(holding.give_back(Outcome::Abandoned)));
        }
    }
}

impl Holding {
    /// Whether nobody has to be told.
    fn is_local(&self) -> bool {
        self.shared == Shared::No && !self.here && !self.reserved
    }

    /// What it has cost, now that it ended like this.
    const fn spent(&self, outcome: Outcome) -> u64 {
        if self.sent || was_made(outcome) {
            self.cost_nano_usd
        } else {
            0
        }
    }

    fn spend(&self, outcome: Outcome) {
        let used = Used {
            spent_nano_usd: self.spent(outcome),
            ..Used::default()
        };
        if used.spent_nano_usd > 0 {
            self.limiter.tally.add(self.whose.clone(), used);
        }
    }

    pub(super) async fn give_back(self: Box<Self>, outcome: Outcome) {
        self.spend(outcome);
        if self.here {
            self.limiter.local.release(&self.holder).await;
        }
        let release = release(Arc::clone(&self.limiter), Arc::clone(&self.holder));
        match self.shared {
            Shared::No => {}
            // Nobody waits a second time for a store that did not answer.
            Shared::Perhaps => drop(self.limiter.behind(release)),
            Shared::Yes => release.await,
        }
        if self.reserved {
            let budgets = &self.limiter.deps.budgets;
            let settled = budgets.settle(&self.holder, self.spent(outcome)).await;
            if let Err(error) = settled {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what a call was thought to cost stays spent"
                );
            }
        }
    }
}

/// Gives places of the store back.
async fn release(limiter: Arc<Limiter>, holder: Arc<str>) {
    limiter.places().remove(&holder);
    if let Err(error) = limiter.deps.concurrency.release(&holder).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a place is not given back before its lease ends"
        );
    }
}

/// Whether a call of which nobody said that it went out may have done its work all the same. In doubt it
/// costs; what was refused on our side of the door, or found nobody behind it, was not made.
const fn was_made(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Ok | Outcome::ToolError | Outcome::Abandoned | Outcome::Panicked
    )
}
