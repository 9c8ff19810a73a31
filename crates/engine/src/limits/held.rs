//! What a call holds for as long as it lasts, and gives back however it ends.

use std::sync::Arc;

use portcullis_core::ErrorKind;

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
    /// Whether places are taken, and where.
    pub(super) places: Option<Counted>,
    /// Whether money is set aside.
    pub(super) reserved: bool,
    /// What the call costs, if it is made; nothing until it may be.
    pub(super) cost_nano_usd: u64,
    pub(super) whose: Whose,
}

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// The store.
    Together,
    /// This process, because the store could not.
    Here,
}

impl Held {
    pub(super) fn new(holding: Holding) -> Self {
        Self(Some(Box::new(holding)))
    }

    /// What is held, while it is being taken.
    pub(super) fn holding(&mut self) -> Option<&mut Holding> {
        self.0.as_deref_mut()
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
        let tracker = holding.limiter.tracker.clone();
        let given_back = tracker.spawn(holding.give_back(outcome));
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
            let tracker = holding.limiter.tracker.clone();
            tracker.spawn(holding.give_back(Outcome::Abandoned));
        }
    }
}

impl Holding {
    /// Whether nobody has to be told.
    const fn is_local(&self) -> bool {
        self.places.is_none() && !self.reserved
    }

    /// What it has cost, now that it ended like this.
    const fn spent(&self, outcome: Outcome) -> u64 {
        if was_made(outcome) {
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
        let deps = &self.limiter.deps;
        match self.places {
            None => {}
            Some(Counted::Here) => self.limiter.local.release(&self.holder).await,
            Some(Counted::Together) => {
                self.limiter.places().remove(&self.holder);
                if let Err(error) = deps.concurrency.release(&self.holder).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a place is not given back before its lease ends"
                    );
                }
            }
        }
        if self.reserved {
            let settled = deps.budgets.settle(&self.holder, self.spent(outcome)).await;
            if let Err(error) = settled {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what a call was thought to cost stays spent"
                );
            }
        }
    }
}

/// Whether a call that ended like this may have done its work. What was refused on our side of the door,
/// or found nobody behind it, was not made, and costs nothing; in doubt it costs.
const fn was_made(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Ok | Outcome::ToolError | Outcome::Abandoned | Outcome::Panicked => true,
        Outcome::Kind(kind) => !matches!(
            kind,
            ErrorKind::Forbidden
                | ErrorKind::NotFound
                | ErrorKind::Invalid
                | ErrorKind::Conflict
                | ErrorKind::RateLimited
                | ErrorKind::ConsentRequired
                | ErrorKind::Unauthenticated
                | ErrorKind::Unavailable
                | ErrorKind::UpstreamUnreachable
        ),
    }
}
