//! Removing what is old enough, so that the rest can still be proved.
//!
//! A chain is shortened from its beginning only, up to the first row that is to stay, and a mark under the
//! trail's key says how far. Rows go only when they verify: pruning hides nothing that somebody did to
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_store::{AuditPruning, AuditRow, AuditStore, StoreError};

use super::ChainMac;
use super::chain::{genesis, is_genuine_pruning, pruning_at};
use super::verify::fits;

/// Rows of one step, which is one transaction.
const STEP: usize = 1_000;

/// Prunes the trail of one store.
#[derive(Clone, Debug)]
pub struct Retention {
    store: Arc<dyn AuditStore>,
    mac: Arc<dyn ChainMac>,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Chains of which something went.
    pub chains: u64,
    /// Rows that went.
    pub rows: u64,
    /// Chains whose old rows stay, because they are not what was written: `audit verify` says where.
    pub unproven: Vec<String>,
}

/// Pruning did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("after {} events of the audit trail were removed", done.rows)]
pub struct PruneInterrupted {
    /// What was removed all the same.
    pub done: Pruned,
    /// What stopped it.
    #[source]
    pub source: StoreError,
}

/// How far a chain can be shortened in one step.
enum Prefix {
    /// Not at all.
    Nothing,
    /// Up to this row, the last of so many.
    UpTo(Box<AuditRow>, u64),
    /// Its rows or its mark do not verify.
    Unproven,
}

impl Retention {
    /// Over this store, whose trail is written under this key.
    pub fn new(store: Arc<dyn AuditStore>, mac: Arc<dyn ChainMac>) -> Self {
        Self { store, mac }
    }

    /// What [`prune`](Self::prune) would remove.
    pub async fn due(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        let mut due = Pruned::default();
        self.each(before, false, &mut due).await?;
        Ok(due)
    }

    /// Removes the rows from before this moment. A chain keeps those that stand behind a newer one.
    /// Interrupted at any point, it leaves a trail that verifies.
    pub async fn prune(&self, before: Timestamp) -> Result<Pruned, PruneInterrupted> {
        let mut done = Pruned::default();
        match self.each(before, true, &mut done).await {
            Ok(()) => Ok(done),
            Err(source) => Err(PruneInterrupted { done, source }),
        }
    }

    async fn each(
        &self,
        before: Timestamp,
        removing: bool,
        pruned: &mut Pruned,
    ) -> Result<(), StoreError> {
        let prunings = self.store.prunings().await?;
        let prunings: BTreeMap<String, AuditPruning> = prunings
            .into_iter()
            .map(|pruning| (pruning.writer.clone(), pruning))
            .collect();
        for head in self.store.heads().await? {
            let mark = prunings.get(&head.writer).cloned();
            let mut mark = mark.map_or(Mark::Beginning, Mark::At);
            let mut first = true;
            loop {
                match self.prefix(&head.writer, &mark, before).await? {
                    Prefix::Nothing => break,
                    Prefix::Unproven => {
                        pruned.unproven.push(head.writer.clone());
                        break;
                    }
                    Prefix::UpTo(last, count) => {
                        let pruning = pruning_at(&*self.mac, &last);
                        if removing {
                            self.store.prune(&pruning).await?;
                        }
                        pruned.chains += u64::from(std::mem::take(&mut first));
                        pruned.rows += count;
                        mark = Mark::At(pruning);
                    }
                }
            }
        }
        Ok(())
    }

    async fn prefix(
        &self,
        writer: &str,
        mark: &Mark,
        before: Timestamp,
    ) -> Result<Prefix, StoreError> {
        let (seq, mut previous) = match mark {
            Mark::Beginning => (0, genesis(&*self.mac, writer)),
            Mark::At(pruning) if is_genuine_pruning(&*self.mac, pruning) => {
                (pruning.seq, pruning.mac)
            }
            Mark::At(_) => return Ok(Prefix::Unproven),
        };
        let mut last: Option<AuditRow> = None;
        let mut expected = seq;
        let page = self
            .store
            .chain(writer, seq.saturating_add(1), STEP)
            .await?;
        for row in page.into_iter().take_while(|row| row.at < before) {
            expected = expected.saturating_add(1);
            if row.seq != expected || !fits(&*self.mac, &previous, writer, &row) {
                return Ok(Prefix::Unproven);
            }
            previous = row.mac;
            last = Some(row);
        }
        Ok(last.map_or(Prefix::Nothing, |row| {
            Prefix::UpTo(Box::new(row), expected.saturating_sub(seq))
        }))
    }
}

/// Where a chain begins by now.
enum Mark {
    Beginning,
    At(AuditPruning),
}
