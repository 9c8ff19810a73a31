//! What was used since it was last written down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{Principal, PrincipalId, ServerId, Timestamp};
use portcullis_store::UsageRow;

const HOUR_MILLIS: i64 = 3_600_000;
/// Most callers and servers that are kept apart until they are written down; what comes beyond is
/// counted without its server and person, so that no flood fills the memory.
const MOST_ROWS: usize = 100_000;

/// Who did something, where, and in which hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    hour: i64,
    /// Where that is a key: its principal.
    key: Option<PrincipalId>,
    user: Option<Arc<str>>,
    team: Option<Arc<str>>,
    server: Option<ServerId>,
}

/// What the ids of principals that are keys begin with.
const KEY: &str = "key:";

fn is_key(id: &PrincipalId) -> bool {
    id.as_str().starts_with(KEY)
}

fn key_id(id: &PrincipalId) -> String {
    let text = id.as_str();
    text.strip_prefix(KEY).unwrap_or(text).to_owned()
}

impl Whose {
    pub(super) fn of(principal: &Principal, server: Option<&ServerId>, now: Timestamp) -> Self {
        let now = now.as_millis();
        Self {
            hour: now.saturating_sub(now.rem_euclid(HOUR_MILLIS)),
            key: Some(&principal.id).filter(|id| is_key(id)).cloned(),
            user: principal.user_id.clone(),
            team: principal.team.clone(),
            server: server.cloned(),
        }
    }
}

/// How much.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) calls: u64,
    pub(super) limited: u64,
    pub(super) spent_nano_usd: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<Whose, Used>>);

impl Tally {
    pub(super) fn add(&self, whose: Whose, used: Used) {
        let mut sums = self.sums();
        let whose = if sums.len() < MOST_ROWS || sums.contains_key(&whose) {
            whose
        } else {
            Whose {
                hour: whose.hour,
                ..Whose::default()
            }
        };
        let sum = sums.entry(whose).or_default();
        sum.calls = sum.calls.saturating_add(used.calls);
        sum.limited = sum.limited.saturating_add(used.limited);
        sum.spent_nano_usd = sum.spent_nano_usd.saturating_add(used.spent_nano_usd);
    }

    /// All of it, and begins anew.
    pub(super) fn take(&self) -> Vec<UsageRow> {
        let sums = std::mem::take(&mut *self.sums());
        let text = |text: Option<Arc<str>>| text.map(|text| text.to_string()).unwrap_or_default();
        sums.into_iter()
            .map(|(whose, used)| UsageRow {
                hour_millis: whose.hour,
                key_id: whose.key.as_ref().map(key_id).unwrap_or_default(),
                user_id: text(whose.user),
                team: text(whose.team),
                server: whose
                    .server
                    .map(|server| server.to_string())
                    .unwrap_or_default(),
                calls: used.calls,
                limited: used.limited,
                spent_nano_usd: used.spent_nano_usd,
            })
            .collect()
    }

    pub(super) fn put_back(&self, rows: Vec<UsageRow>) {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        for row in rows {
            let whose = Whose {
                hour: row.hour_millis,
                key: some(row.key_id).map(|id| PrincipalId::from(format!("{KEY}{id}"))),
                user: some(row.user_id).map(Arc::from),
                team: some(row.team).map(Arc::from),
                server: some(row.server).map(ServerId::from),
            };
            let used = Used {
                calls: row.calls,
                limited: row.limited,
                spent_nano_usd: row.spent_nano_usd,
            };
            self.add(whose, used);
        }
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<Whose, Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
