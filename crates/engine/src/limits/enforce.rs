//! Where requests are counted: before it is known what they are about, and before they go out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_core::{ErrorKind, ServerId, Timestamp};
use portcullis_policy::{ToolLimits, requests};
use portcullis_store::{
    BudgetScope, Charge, Reservation, Reserved, Seated, Slot, StoreError, Taken,
};

use super::held::{Held, Holding, Shared};
use super::refusal::{LimitKind, Limited};
use super::scopes::{ScopeKind, budget_scope};
use super::tally::{Used, Whose};
use super::{ALONE, Allowance, AllowancesUnknown, LEASE, Limiter, Place, RESERVED};
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// How long to wait for somebody else's call to end, of which nobody knows when that is.
const SOMEBODY_ENDS: Duration = Duration::from_secs(1);

/// What goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Going<'a> {
    /// A call of this tool, as its server spells it.
    Tool(&'a str),
    /// Another request.
    Request,
    /// One that stays open for news, beside which its caller goes on calling: it takes nobody's place.
    Listening,
}

/// A list of wishes, and whose each one is.
type Wished<T> = (Vec<T>, Vec<ScopeKind>);

impl Gateway {
    /// Counts a request of the caller's, whatever it is about: once, however often it is asked.
    pub(crate) async fn count(&self, call: &mut Call) -> Result<(), EngineError> {
        if call.allowances.is_some() {
            return Ok(());
        }
        let allowances = match self.limits.deps.allowances.of(&call.principal) {
            Ok(allowances) => allowances,
            Err(unknown) => return Err(unknown_to(call, unknown)),
        };
        let mut wishes: Wished<Charge> = Wished::default();
        for allowance in &allowances {
            if let Some(per_minute) = allowance.limits.requests_per_minute {
                let scope = allowance.kind.counted(&allowance.id);
                push(&mut wishes, allowance.kind, charge(scope, per_minute));
            }
        }
        self.limits.take(call, &wishes, None).await?;
        call.allowances = Some(allowances);
        Ok(())
    }

    /// Takes everything that a permitted request needs at this server, or nothing: places and money until
    /// it ends, and its part of what may be asked in a minute.
    pub(crate) async fn reserve(
        &self,
        call: &mut Call,
        entry: &ServerEntry,
        going: Going<'_>,
    ) -> Result<(), EngineError> {
        let allowances = call.allowances.as_deref().unwrap_or_default();
        let wanted = Wanted::of(allowances, entry, going, self.clock.now());
        // Boxed: every call would carry its room otherwise.
        let held = match wanted {
            None => None,
            Some(wanted) => Some(Box::pin(self.limits.hold(call, entry, wanted)).await?),
        };
        let used = Used {
            calls: 1,
            ..Used::default()
        };
        let whose = Whose::of(&call.principal, Some(&entry.id), self.clock.now());
        self.limits.tally.add(whose, used);
        if let Some(held) = held {
            call.held = held;
        }
        Ok(())
    }
}

/// All that one request needs; `None` where it needs nothing, as most do.
#[derive(Debug, Default)]
struct Wanted {
    charges: Wished<Charge>,
    slots: Wished<Slot>,
    budgets: Wished<BudgetScope>,
    cost_nano_usd: u64,
}

impl Wanted {
    fn of(
        allowances: &[Allowance],
        entry: &ServerEntry,
        going: Going<'_>,
        now: Timestamp,
    ) -> Option<Self> {
        let limits = &entry.limits;
        let mut wanted = Self::default();
        let tool = match going {
            Going::Tool(tool) => Some(tool),
            Going::Request | Going::Listening => None,
        };
        let (server, of_tool) = (ScopeKind::Server, ScopeKind::Tool);
        if let Some(per_minute) = limits.requests_per_minute {
            let scope = server.counted(entry.id.as_str());
            push(&mut wanted.charges, server, charge(scope, per_minute));
        }
        let one = tool.and_then(|tool| Some((tool, *limits.tools.get(tool)?)));
        let counted = |tool: &str| of_tool.counted_at(entry.id.as_str(), tool);
        if let Some((
            tool,
            ToolLimits {
                requests_per_minute: Some(per_minute),
                ..
            },
        )) = one
        {
            push(
                &mut wanted.charges,
                of_tool,
                charge(counted(tool), per_minute),
            );
        }
        for allowance in allowances {
            if let Some(per_minute) = allowance.per_minute_at(entry) {
                let scope = allowance.kind.counted_at(&allowance.id, entry.id.as_str());
                push(
                    &mut wanted.charges,
                    allowance.kind,
                    charge(scope, per_minute),
                );
            }
        }
        if !matches!(going, Going::Listening) {
            if let Some(most) = limits.concurrent {
                let scope = server.counted(entry.id.as_str());
                push(&mut wanted.slots, server, Slot { scope, most });
            }
            if let Some((
                tool,
                ToolLimits {
                    concurrent: Some(most),
                    ..
                },
            )) = one
            {
                let scope = counted(tool);
                push(&mut wanted.slots, of_tool, Slot { scope, most });
            }
            for allowance in allowances {
                if let Some(most) = allowance.limits.concurrent {
                    let scope = allowance.kind.counted(&allowance.id);
                    push(&mut wanted.slots, allowance.kind, Slot { scope, most });
                }
            }
        }
        if let Some(tool) = tool {
            wanted.cost_nano_usd = limits.costs.of(tool);
        }
        if wanted.cost_nano_usd > 0 {
            for allowance in allowances {
                if let Some(budget) = allowance.limits.budget {
                    let scope = budget_scope(allowance.kind, &allowance.id, budget, now);
                    push(&mut wanted.budgets, allowance.kind, scope);
                }
            }
        }
        let nothing =
            wanted.charges.0.is_empty() && wanted.slots.0.is_empty() && wanted.cost_nano_usd == 0;
        (!nothing).then_some(wanted)
    }
}

impl Allowance {
    /// By the server's id, or by the name that its tools carry.
    fn per_minute_at(&self, entry: &ServerEntry) -> Option<u32> {
        let servers = &self.limits.per_server;
        if servers.is_empty() {
            return None;
        }
        let by_id = servers.get(&entry.id);
        let by_alias = || servers.get(&ServerId::from(&*entry.alias));
        by_id.or_else(by_alias).copied()
    }
}

impl Limiter {
    async fn hold(
        self: &Arc<Self>,
        call: &mut Call,
        entry: &ServerEntry,
        wanted: Wanted,
    ) -> Result<Held, EngineError> {
        // From here on, whoever leaves in the middle gives back what was taken so far.
        let mut held = Held::new(Holding {
            limiter: Arc::clone(self),
            holder: self.holder(),
            shared: Shared::No,
            here: false,
            reserved: false,
            cost_nano_usd: 0,
            sent: false,
            whose: Whose::of(&call.principal, Some(&entry.id), self.clock.now()),
        });
        match self.fill(call, entry, &wanted, &mut held).await {
            Ok(()) => Ok(held),
            // What the store may have taken all the same is given back behind the answer's back: nobody
            // waits a second time for a store that did not answer.
            Err(error @ EngineError::NotCounted) => Err(error),
            Err(error) => {
                held.give_back(ErrorKind::RateLimited.into()).await;
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        call: &mut Call,
        entry: &ServerEntry,
        wanted: &Wanted,
        held: &mut Held,
    ) -> Result<(), EngineError> {
        if !wanted.slots.0.is_empty() {
            self.seat(call, entry, held, &wanted.slots).await?;
        }
        if !wanted.budgets.0.is_empty() {
            self.set_aside(call, entry, held, wanted).await?;
        }
        // Last, because what is counted cannot be given back.
        self.take(call, &wanted.charges, Some(entry)).await?;
        if let Some(holding) = held.holding() {
            holding.cost_nano_usd = wanted.cost_nano_usd;
        }
        Ok(())
    }

    async fn take(
        &self,
        call: &mut Call,
        (charges, scopes): &Wished<Charge>,
        entry: Option<&ServerEntry>,
    ) -> Result<(), EngineError> {
        if charges.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let taken = if self.asks_the_store() {
            match self.deps.counters.take(charges, now).await {
                Err(error) if self.counts_here(&error) => self.local.take(charges, now).await,
                taken => self.answered(taken),
            }
        } else {
            self.local.take(charges, now).await
        };
        match taken.map_err(|error| not_counted(call, &error))? {
            Taken::Taken => Ok(()),
            Taken::Limited { which, retry_after } => {
                // Where nothing may pass, nothing falls due.
                let ever = charges.get(which).is_none_or(|one| one.rate.burst > 0);
                let wait = ever.then_some(retry_after);
                let limited = limited(scopes, which, LimitKind::Requests, wait);
                Err(self.refuse(call, entry, limited))
            }
        }
    }

    async fn seat(
        &self,
        call: &mut Call,
        entry: &ServerEntry,
        held: &mut Held,
        (slots, scopes): &Wished<Slot>,
    ) -> Result<(), EngineError> {
        let Some(holding) = held.holding() else {
            return Ok(());
        };
        let seated = self.seated(holding, slots).await;
        match seated.map_err(|error| not_counted(call, &error))? {
            Seated::Held => Ok(()),
            Seated::Full { which } => {
                let ever = slots.get(which).is_none_or(|slot| slot.most > 0);
                let wait = ever.then_some(SOMEBODY_ENDS);
                let limited = limited(scopes, which, LimitKind::Concurrency, wait);
                Err(self.refuse(call, Some(entry), limited))
            }
        }
    }

    /// Takes places of the store, or here where it cannot give any. What is held says at every moment what
    /// may have been taken.
    pub(super) async fn seated(
        &self,
        holding: &mut Holding,
        slots: &[Slot],
    ) -> Result<Seated, StoreError> {
        let holder = Arc::clone(&holding.holder);
        let now = self.clock.now();
        if self.asks_the_store() {
            holding.shared = Shared::Perhaps;
            let store = &self.deps.concurrency;
            let seated = store.acquire(&holder, slots, now, now.after(LEASE)).await;
            match self.answered(seated) {
                Ok(Seated::Held) => {
                    holding.shared = Shared::Yes;
                    let place = Place {
                        slots: slots.into(),
                        renewed: self.clock.monotonic(),
                    };
                    self.places().insert(holder, place);
                    return Ok(Seated::Held);
                }
                Ok(full @ Seated::Full { .. }) => {
                    holding.shared = Shared::No;
                    return Ok(full);
                }
                Err(error) if self.counts_here(&error) => {}
                Err(error) => return Err(error),
            }
        }
        holding.here = true;
        let seated = self.local.acquire(&holder, slots, now).await;
        holding.here = matches!(seated, Ok(Seated::Held));
        seated
    }

    async fn set_aside(
        &self,
        call: &mut Call,
        entry: &ServerEntry,
        held: &mut Held,
        wanted: &Wanted,
    ) -> Result<(), EngineError> {
        let Some(holding) = held.holding() else {
            return Ok(());
        };
        let now = self.clock.now();
        let (budgets, scopes) = &wanted.budgets;
        let reservation = Reservation {
            id: holding.holder.to_string(),
            amount_nano_usd: wanted.cost_nano_usd,
            expires_at: now.after(RESERVED),
        };
        // Where the store does not answer, it may be set aside all the same.
        holding.reserved = true;
        match self.deps.budgets.reserve(&reservation, budgets).await {
            Ok(Reserved::Reserved) => Ok(()),
            Ok(Reserved::Exhausted { which, resets_at }) => {
                holding.reserved = false;
                let most = budgets.get(which).map(|budget| budget.most_nano_usd);
                // What costs more than there ever is, waits for nothing.
                let wait = resets_at
                    .filter(|_| most.is_none_or(|most| wanted.cost_nano_usd <= most))
                    .map(|resets_at| resets_at.since(now));
                let limited = limited(scopes, which, LimitKind::Budget, wait);
                Err(self.refuse(call, Some(entry), limited))
            }
            Err(error) => Err(not_counted(call, &error)),
        }
    }

    /// Whether the store is to be asked. One that failed a moment ago is not waited for, where this process
    /// may count by itself; after that moment one call asks, and the others go on without it.
    fn asks_the_store(&self) -> bool {
        let until = self.alone_until.load(Ordering::Relaxed);
        if until == 0 || !self.local_share.load(Ordering::Relaxed) {
            return true;
        }
        let now = self.millis();
        let next = now.saturating_add(ALONE);
        now >= until
            && self
                .alone_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn answered<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_ok() && self.alone_until.load(Ordering::Relaxed) > 0 {
            self.alone_until.store(0, Ordering::Relaxed);
        }
        answer
    }

    /// Since the process began.
    fn millis(&self) -> u64 {
        let millis = self.clock.monotonic().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    /// Whether a fault of the store is bridged by this process.
    fn counts_here(&self, error: &StoreError) -> bool {
        let here = self.local_share.load(Ordering::Relaxed);
        if here {
            let until = self.millis().saturating_add(ALONE);
            self.alone_until.store(until, Ordering::Relaxed);
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the store cannot count: this replica counts to its share (limits.on_store_fault)"
            );
        }
        here
    }

    fn refuse(
        &self,
        call: &mut Call,
        entry: Option<&ServerEntry>,
        limited: Limited,
    ) -> EngineError {
        call.audit.denied(limited.rule());
        let server = entry.map(|entry| &entry.id);
        let whose = Whose::of(&call.principal, server, self.clock.now());
        let used = Used {
            limited: 1,
            ..Used::default()
        };
        self.tally.add(whose, used);
        EngineError::Limited(limited)
    }
}

/// The store cannot count, and what cannot be counted is refused.
fn not_counted(call: &mut Call, error: &StoreError) -> EngineError {
    tracing::error!(
        request.id = %call.id,
        error = error as &dyn std::error::Error,
        "a limited request cannot be counted"
    );
    call.audit.denied("limits_unavailable");
    EngineError::NotCounted
}

/// Nobody knows what the caller may, so that nothing can be counted against it.
fn unknown_to(call: &mut Call, unknown: AllowancesUnknown) -> EngineError {
    tracing::error!(request.id = %call.id, error = %unknown, "a caller's limits are not known");
    call.audit.denied("limits_unavailable");
    EngineError::NotCounted
}

fn push<T>((wishes, scopes): &mut Wished<T>, scope: ScopeKind, wish: T) {
    wishes.push(wish);
    scopes.push(scope);
}

fn charge(scope: String, per_minute: u32) -> Charge {
    Charge {
        scope,
        rate: requests(per_minute),
    }
}

fn limited(
    scopes: &[ScopeKind],
    which: usize,
    kind: LimitKind,
    retry_after: Option<Duration>,
) -> Limited {
    Limited {
        scope: scopes.get(which).copied().unwrap_or(ScopeKind::Key),
        kind,
        retry_after,
    }
}
