//! Usage in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{StoreError, UsageOf, UsageRow, UsageStore};

/// Key, person, team and server.
type Whose = (String, String, String, String);

#[derive(Debug, Default)]
pub(super) struct MemoryUsage {
    rows: Mutex<BTreeMap<(Whose, i64), UsageRow>>,
}

fn whose(row: &UsageRow) -> Whose {
    let UsageRow {
        key_id,
        user_id,
        team,
        server,
        ..
    } = row.clone();
    (key_id, user_id, team, server)
}

fn add(sum: &mut UsageRow, row: &UsageRow) {
    sum.calls = sum.calls.saturating_add(row.calls);
    sum.limited = sum.limited.saturating_add(row.limited);
    sum.spent_nano_usd = sum.spent_nano_usd.saturating_add(row.spent_nano_usd);
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn add(&self, rows: &[UsageRow]) -> Result<(), StoreError> {
        let mut kept = lock(&self.rows, "usage.add")?;
        for row in rows {
            kept.entry((whose(row), row.hour_millis))
                .and_modify(|sum| add(sum, row))
                .or_insert_with(|| row.clone());
        }
        Ok(())
    }

    async fn sums(
        &self,
        from: Timestamp,
        until: Timestamp,
        key_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let kept = lock(&self.rows, "usage.sums")?;
        let mut sums: BTreeMap<Whose, UsageRow> = BTreeMap::new();
        for row in kept.values() {
            let within = from.as_millis() <= row.hour_millis && row.hour_millis < until.as_millis();
            if within && key_id.is_none_or(|key| row.key_id == key) {
                sums.entry(whose(row))
                    .and_modify(|sum| add(sum, row))
                    .or_insert_with(|| row.clone());
            }
        }
        Ok(sums.into_values().take(limit).collect())
    }

    async fn spent(&self, of: UsageOf<'_>) -> Result<u64, StoreError> {
        let kept = lock(&self.rows, "usage.spent")?;
        let theirs = kept.values().filter(|row| match of {
            UsageOf::Key(id) => row.key_id == id,
            UsageOf::User(id) => row.user_id == id,
            UsageOf::Team(id) => row.team == id,
        });
        let spent = theirs.map(|row| row.spent_nano_usd);
        Ok(spent.fold(0, u64::saturating_add))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut kept = lock(&self.rows, "usage.purge")?;
        let rows = kept.len();
        kept.retain(|(_, hour), _| *hour >= before.as_millis());
        Ok((rows - kept.len()) as u64)
    }
}
