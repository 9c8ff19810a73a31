//! Where requests are counted: before it is known what they are about, and before they go out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_core::{ErrorKind, ServerId, Timestamp};
use portcullis_policy::{ToolLimits, requests};
use portcullis_store::{
    BudgetScope, Charge, Reservation, Reserved, Seated, Slot, StoreError, Taken,
};

use super::held::{Counted, Held, Holding};
use super::refusal::{LimitKind, Limited};
use super::scopes::{ScopeKind, budget_scope};
use super::tally::{Used, Whose};
use super::{Allowance, AllowancesUnknown, LEASE, Limiter, Place, RESERVED};
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
            places: None,
            reserved: false,
            cost_nano_usd: 0,
            whose: Whose::of(&call.principal, Some(&entry.id), self.clock.now()),
        });
        let filled = self.fill(call, entry, &wanted, &mut held).await;
        if filled.is_err() {
            held.give_back(ErrorKind::RateLimited.into()).await;
        }
        filled.map(|()| held)
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
        let taken = match self.deps.counters.take(charges, now).await {
            Err(error) if self.counts_here(&error) => self.local.take(charges, now).await,
            taken => taken,
        };
        match taken.map_err(|error| not_counted(call, &error))? {
            Taken::Taken => Ok(()),
            Taken::Limited { which, retry_after } => {
                let limited = limited(scopes, which, LimitKind::Requests, Some(retry_after));
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
        let holder = Arc::clone(&holding.holder);
        let now = self.clock.now();
        holding.places = Some(Counted::Together);
        let concurrency = &self.deps.concurrency;
        let mut seated = concurrency
            .acquire(&holder, slots, now, now.after(LEASE))
            .await;
        if let Err(error) = &seated
            && self.counts_here(error)
        {
            holding.places = Some(Counted::Here);
            seated = self.local.acquire(&holder, slots, now).await;
        }
        let refused = match seated {
            Ok(Seated::Held) => {
                if holding.places == Some(Counted::Together) {
                    let place = Place {
                        slots: slots.as_slice().into(),
                        renewed: self.clock.monotonic(),
                    };
                    self.places().insert(holder, place);
                }
                return Ok(());
            }
            Ok(Seated::Full { which }) => {
                let wait = Some(SOMEBODY_ENDS);
                let limited = limited(scopes, which, LimitKind::Concurrency, wait);
                self.refuse(call, Some(entry), limited)
            }
            Err(error) => not_counted(call, &error),
        };
        holding.places = None;
        Err(refused)
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
        holding.reserved = true;
        let refused = match self.deps.budgets.reserve(&reservation, budgets).await {
            Ok(Reserved::Reserved) => return Ok(()),
            Ok(Reserved::Exhausted { which, resets_at }) => {
                let wait = resets_at.map(|resets_at| resets_at.since(now));
                let limited = limited(scopes, which, LimitKind::Budget, wait);
                self.refuse(call, Some(entry), limited)
            }
            Err(error) => not_counted(call, &error),
        };
        holding.reserved = false;
        Err(refused)
    }

    /// Whether a fault of the store is bridged by this process.
    fn counts_here(&self, error: &StoreError) -> bool {
        let here = self.local_share.load(Ordering::Relaxed);
        if here {
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
