//! Changing limits, and looking at what was used of them.

use std::sync::Arc;

use portcullis_core::{Clock, ErrorKind, Principal, Role, Timestamp};
use portcullis_policy::{InvalidLimits, Limits};
use portcullis_store::{
    BudgetStore, LimitRecord, LimitScope, LimitStore, StoreError, UsageOf, UsageRow, UsageStore,
};
use serde_json::{Map, Value};

use super::index::LimitIndex;
use super::scopes::{ScopeKind, budget_scope};

/// Another administrator may write at the same moment, this often in a row.
const ATTEMPTS: usize = 4;
/// Most rows of one look at what was used.
const MOST_ROWS: usize = 10_000;

/// A wish about limits that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum LimitAdminError {
    /// Not for this principal.
    #[error("not allowed for this principal")]
    Forbidden,
    /// It says what no limit is.
    #[error(transparent)]
    Invalid(#[from] InvalidLimits),
    /// Somebody else kept writing.
    #[error("the limits were changed at the same time: try again")]
    Conflict,
    /// What is stored cannot be read, or is not as it was sealed.
    #[error("the stored limits of this {} are damaged: write all of them anew", .0.as_str())]
    Damaged(ScopeKind),
    /// The store failed.
    #[error("the store of limits failed")]
    Store(#[from] StoreError),
}

impl LimitAdminError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden => ErrorKind::Forbidden,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Conflict | Self::Damaged(_) => ErrorKind::Conflict,
            Self::Store(error) => error.error_kind(),
        }
    }
}

/// What stands of a scope.
#[derive(Clone, Debug)]
pub struct LimitStanding {
    /// What is in force.
    pub limits: Arc<Limits>,
    /// What was spent: in the present period of its budget, or in all that is remembered where it has
    /// none; `None`: nobody kept account of it. In billionths of a US dollar.
    pub spent_nano_usd: Option<u64>,
    /// When its budget begins anew.
    pub resets_at: Option<Timestamp>,
}

/// What a change made of the limits of a scope.
#[derive(Clone, Debug)]
pub struct LimitChange {
    /// The version that stood before.
    pub from: Option<u64>,
    /// The members that are others now.
    pub members: Vec<String>,
    after: LimitRecord,
    /// What was said before; `None`: nobody knows.
    before: Option<Map<String, Value>>,
}

impl LimitChange {
    /// The version that stands now.
    pub const fn to(&self) -> u64 {
        self.after.version
    }

    /// Whose limits: the kind of the scope.
    pub fn kind(&self) -> &str {
        &self.after.scope.kind
    }

    /// Whose limits.
    pub fn id(&self) -> &str {
        &self.after.scope.id
    }
}

/// The service behind every way of managing limits. Changes are in force here before the call returns,
/// and on the other replicas within a second.
#[derive(Clone, Debug)]
pub struct LimitAdmin {
    store: Arc<dyn LimitStore>,
    budgets: Arc<dyn BudgetStore>,
    usage: Arc<dyn UsageStore>,
    index: Arc<LimitIndex>,
    clock: Arc<dyn Clock>,
}

impl LimitAdmin {
    /// Manages what this index reads.
    pub const fn new(
        store: Arc<dyn LimitStore>,
        budgets: Arc<dyn BudgetStore>,
        usage: Arc<dyn UsageStore>,
        index: Arc<LimitIndex>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            budgets,
            usage,
            index,
            clock,
        }
    }

    /// Changes what is said of a scope: members that are named are replaced, and taken away by `null`;
    /// the others stay. Only an administrator may.
    pub async fn change(
        &self,
        kind: ScopeKind,
        id: &str,
        members: &Map<String, Value>,
        by: &Principal,
    ) -> Result<LimitChange, LimitAdminError> {
        if by.role < Role::Admin {
            return Err(LimitAdminError::Forbidden);
        }
        let scope = LimitScope {
            kind: kind.as_str().to_owned(),
            id: id.to_owned(),
        };
        for _ in 0..ATTEMPTS {
            let before = self.store.get(&scope).await?;
            let known = match &before {
                None => Some(Map::new()),
                Some(record) => match self.index.read(record) {
                    Some(limits) => Some(limits.write()),
                    // Nothing of it can be kept; only who says everything anew mends it.
                    None if says_everything(members) => None,
                    None => return Err(LimitAdminError::Damaged(kind)),
                },
            };
            let mut limits = known.clone().unwrap_or_default();
            for (name, value) in members {
                limits.insert(name.clone(), value.clone());
            }
            // A budget that is taken away takes its duration along.
            if limits.get("max_budget").is_none_or(Value::is_null)
                && !members.contains_key("budget_duration")
            {
                limits.remove("budget_duration");
            }
            let limits = Limits::read(&limits)?.write();
            let from = before.map(|record| record.version);
            if let Some(after) = self.put(&scope, &limits, from, by).await? {
                return Ok(LimitChange {
                    from,
                    members: differing(known.as_ref(), &limits),
                    after,
                    before: known,
                });
            }
        }
        Err(LimitAdminError::Conflict)
    }

    /// Limits of what nobody has yet, so that it is there with them or not at all. Of what has any, this is a
    /// conflict.
    pub async fn begin(
        &self,
        kind: ScopeKind,
        id: &str,
        members: &Map<String, Value>,
        by: &Principal,
    ) -> Result<LimitChange, LimitAdminError> {
        if by.role < Role::Admin {
            return Err(LimitAdminError::Forbidden);
        }
        let scope = LimitScope {
            kind: kind.as_str().to_owned(),
            id: id.to_owned(),
        };
        let limits = Limits::read(members)?.write();
        let put = self.put(&scope, &limits, None, by).await?;
        let after = put.ok_or(LimitAdminError::Conflict)?;
        Ok(LimitChange {
            from: None,
            members: limits.keys().cloned().collect(),
            after,
            before: Some(Map::new()),
        })
    }

    /// Says again what was said before a change, for what was to be changed beside the limits was not. What
    /// somebody else wrote since stays, and so do limits that took the place of damaged ones.
    pub async fn take_back(
        &self,
        change: LimitChange,
        by: &Principal,
    ) -> Result<(), LimitAdminError> {
        let Some(before) = change.before else {
            return Ok(());
        };
        let after = change.after;
        let put = self.put(&after.scope, &before, Some(after.version), by);
        put.await.map(drop)
    }

    /// Writes what follows a version; `None`: another stands there.
    async fn put(
        &self,
        scope: &LimitScope,
        limits: &Map<String, Value>,
        follows: Option<u64>,
        by: &Principal,
    ) -> Result<Option<LimitRecord>, LimitAdminError> {
        // Replicas that know a later version, because the database came back without it, take this one.
        let mut kinds = ScopeKind::OF_CALLERS.iter();
        let kind = kinds.find(|kind| kind.as_str() == scope.kind);
        let latest = kind.map_or(0, |kind| self.index.version_of(*kind, &scope.id));
        let mut record = LimitRecord {
            scope: scope.clone(),
            limits: Value::Object(limits.clone()).to_string(),
            version: follows.unwrap_or_default().max(latest).saturating_add(1),
            updated_at: self.clock.now(),
            updated_by: by.id.as_str().to_owned(),
            seal: [0; 32],
        };
        record.seal = self.index.seal(&record);
        if !self.store.put(&record, follows).await? {
            return Ok(None);
        }
        self.index.learn(&record);
        Ok(Some(record))
    }

    /// What stands of a scope that is new: nothing was spent, and nothing is asked of a store.
    pub fn begun(&self, kind: ScopeKind, id: &str) -> LimitStanding {
        LimitStanding {
            limits: self.index.in_force(kind, id).unwrap_or_default(),
            spent_nano_usd: Some(0),
            resets_at: None,
        }
    }

    /// What is in force for a scope, without what was spent.
    pub fn in_force(&self, kind: ScopeKind, id: &str) -> Result<Arc<Limits>, LimitAdminError> {
        let limits = self.index.in_force(kind, id);
        limits.map_err(|_| LimitAdminError::Damaged(kind))
    }

    /// What stands of a scope. Whoever asks was found to be allowed to see the scope.
    pub async fn standing(
        &self,
        kind: ScopeKind,
        id: &str,
    ) -> Result<LimitStanding, LimitAdminError> {
        let limits = self.in_force(kind, id)?;
        let now = self.clock.now();
        let Some(budget) = limits.budget else {
            let of = match kind {
                ScopeKind::Key => Some(UsageOf::Key(id)),
                ScopeKind::User => Some(UsageOf::User(id)),
                ScopeKind::Team => Some(UsageOf::Team(id)),
                _ => None,
            };
            let spent_nano_usd = match of {
                Some(of) => Some(self.usage.spent(of).await?),
                None => None,
            };
            return Ok(LimitStanding {
                limits,
                spent_nano_usd,
                resets_at: None,
            });
        };
        let budget = budget_scope(kind, id, budget, now);
        let began_at = budget.period.began_at;
        Ok(LimitStanding {
            limits,
            spent_nano_usd: Some(self.budgets.spent(&budget.scope, began_at).await?),
            resets_at: budget.period.ends_at,
        })
    }

    /// What was used from one moment to another, in whole hours, by key, person, team and server: of all,
    /// for those who may read everything; else of the own key alone. `true`: there is more than that.
    pub async fn usage(
        &self,
        from: Timestamp,
        until: Option<Timestamp>,
        by: &Principal,
    ) -> Result<(Vec<UsageRow>, bool), LimitAdminError> {
        let own = match by.role {
            Role::Viewer | Role::Admin => None,
            Role::User | Role::Approver => {
                let own = by.id.as_str().strip_prefix("key:");
                Some(own.ok_or(LimitAdminError::Forbidden)?)
            }
        };
        let until = until.unwrap_or_else(|| after(self.clock.now()));
        let mut rows = self.usage.sums(from, until, own, MOST_ROWS + 1).await?;
        let truncated = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        Ok((rows, truncated))
    }
}

/// A moment behind the hour that is now.
fn after(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_add(1))
}

/// The members that are not what they were; all of them, where nobody knows what that was.
fn differing(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<String> {
    let names = Limits::MEMBERS.into_iter();
    let differs = |name: &&str| before.is_none_or(|before| before.get(*name) != after.get(*name));
    names.filter(differs).map(str::to_owned).collect()
}

fn says_everything(members: &Map<String, Value>) -> bool {
    Limits::MEMBERS
        .iter()
        .all(|name| members.contains_key(*name))
}
