//! Reads the whole trail back and reports what does not fit.
//!
//! Shown: any changed, missing, added or moved row, except for the beginnings of chains that a genuine
//! mark says were pruned; a head that does not fit its chain; and, as far
//! as another chain has sworn to it since, a tail cut together with its head and a chain that is gone
//! altogether. Not shown: an end that no other chain, no copied line and no later start has seen.

use std::collections::BTreeMap;

use portcullis_core::{constant_time_eq, hex};
use portcullis_store::{
    AuditFilter, AuditHead, AuditPruning, AuditRow, AuditStore, PageRequest, StoreError,
};

use super::ChainMac;
use super::chain::{ChainEvent, SeenHead, genesis, head_anchor, is_genuine_pruning, row_mac};

/// Findings kept in full; more are only counted.
const MOST_FINDINGS: usize = 1_000;
const PAGE: usize = 1_000;

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// The row is not what was written at this place.
    Edited,
    /// One or more rows are gone, from this place on.
    Missing,
    /// A row stands twice or out of order.
    Reordered,
    /// The chain once went at least as far as this place.
    TailCut,
    /// The stored head is missing, was not written with the key, or contradicts its rows.
    HeadForged,
    /// Nothing is left of a chain that existed.
    MissingWriter,
    /// What says that the chain was pruned up to this place was not written with the key.
    PruningForged,
    /// The writer itself says that events were lost: no manipulation, but a hole in the record.
    Gap,
}

impl FindingKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::TailCut => "tail_cut",
            Self::HeadForged => "head_forged",
            Self::MissingWriter => "missing_writer",
            Self::PruningForged => "pruning_forged",
            Self::Gap => "gap",
        }
    }

    /// Whether somebody changed the store; otherwise the writer reported it itself.
    pub const fn is_manipulation(self) -> bool {
        !matches!(self, Self::Gap)
    }
}

/// One place that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The chain.
    pub writer: String,
    /// The place in it.
    pub seq: u64,
    /// What is wrong there.
    pub kind: FindingKind,
}

/// What verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Chains read.
    pub writers: u64,
    /// Rows read.
    pub rows: u64,
    /// Chains whose beginning was removed because it was old enough.
    pub pruned: u64,
    /// Events that writers report as lost.
    pub lost: u64,
    /// Chains without an orderly end: still running, or killed.
    pub open: Vec<String>,
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept.
    pub more_findings: u64,
    manipulated: bool,
}

impl VerifyReport {
    /// Whether the trail is as it was written. Reported gaps do not change that.
    pub const fn is_intact(&self) -> bool {
        !self.manipulated
    }

    fn add(&mut self, writer: &str, seq: u64, kind: FindingKind) {
        self.manipulated |= kind.is_manipulation();
        let finding = Finding {
            writer: writer.to_owned(),
            seq,
            kind,
        };
        if self.findings.contains(&finding) {
            return;
        }
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more_findings = self.more_findings.saturating_add(1);
        }
    }
}

/// Verifies every chain under one key.
pub async fn verify(
    store: &dyn AuditStore,
    mac: &dyn ChainMac,
) -> Result<VerifyReport, StoreError> {
    verify_with_keys(store, mac, &[]).await
}

/// Verifies every chain, page by page. Writers may go on writing meanwhile. A writer keeps its key
/// for life; chains from before a rotation verify under one of the `retired` keys.
pub async fn verify_with_keys(
    store: &dyn AuditStore,
    current: &dyn ChainMac,
    retired: &[&dyn ChainMac],
) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let heads_before = heads_by_writer(store).await?;
    let prunings = genuine_prunings(store, current, retired, &mut report).await?;
    report.pruned = prunings.len() as u64;
    let mut listed = rows_by_writer(store).await?;
    for writer in heads_before.keys().chain(prunings.keys()) {
        listed.entry(writer.clone()).or_default();
    }
    let mut walks = BTreeMap::new();
    let mut sworn = BTreeMap::new();
    for (writer, rows) in &listed {
        let before = heads_before.get(writer);
        let pruned = prunings.get(writer);
        let mac = key_of(store, current, retired, writer, pruned).await?;
        let chain = Chain {
            mac,
            writer,
            head: before,
            pruned,
        };
        let walk = walk_chain(store, &chain, &mut sworn, &mut report).await?;
        if walk.rows < *rows {
            // The listing shows rows that the chain's order hides: two at one place.
            report.add(writer, walk.last_seq, FindingKind::Reordered);
        }
        if !walk.stopped {
            report.open.push(writer.clone());
        }
        report.writers = report.writers.saturating_add(1);
        report.rows = report.rows.saturating_add(walk.rows);
        walks.insert(writer.clone(), (mac, walk));
    }
    // Read again after the rows: a head moves in the same step as its rows, so now each must have
    // at least reached the rows that were seen.
    let heads_after = heads_by_writer(store).await?;
    for (writer, (mac, walk)) in &walks {
        let heads = (heads_before.get(writer), heads_after.get(writer));
        judge_head(*mac, writer, walk, heads, &mut report);
    }
    for (writer, seen) in &sworn {
        judge_sworn(store, writer, seen, prunings.get(writer), &mut report).await?;
    }
    report.findings.sort();
    Ok(report)
}

/// What one pass over a chain leaves behind.
#[derive(Debug, Default)]
struct Walk {
    rows: u64,
    last_seq: u64,
    last_mac: Option<[u8; 32]>,
    /// The MAC at the place where the head stood before the rows were read.
    mac_at_head: Option<[u8; 32]>,
    stopped: bool,
}

/// Marks by writer. One that was not made with a key is a finding, and excuses nothing.
async fn genuine_prunings(
    store: &dyn AuditStore,
    current: &dyn ChainMac,
    retired: &[&dyn ChainMac],
    report: &mut VerifyReport,
) -> Result<BTreeMap<String, AuditPruning>, StoreError> {
    let keys = std::iter::once(current).chain(retired.iter().copied());
    let mut genuine = BTreeMap::new();
    for pruning in store.prunings().await? {
        if keys.clone().any(|mac| is_genuine_pruning(mac, &pruning)) {
            genuine.insert(pruning.writer.clone(), pruning);
        } else {
            report.add(&pruning.writer, pruning.seq, FindingKind::PruningForged);
        }
    }
    Ok(genuine)
}

/// The key that made the chain's first row that is left; the current one when none did.
async fn key_of<'a>(
    store: &dyn AuditStore,
    current: &'a dyn ChainMac,
    retired: &[&'a dyn ChainMac],
    writer: &str,
    pruned: Option<&AuditPruning>,
) -> Result<&'a dyn ChainMac, StoreError> {
    if retired.is_empty() {
        return Ok(current);
    }
    let from = pruned.map_or(1, |pruned| pruned.seq.saturating_add(1));
    let first = store.chain(writer, from, 1).await?;
    let made_first = |mac: &dyn ChainMac| {
        let before = pruned.map_or_else(|| genesis(mac, writer), |pruned| pruned.mac);
        first
            .first()
            .is_some_and(|row| fits(mac, &before, writer, row))
    };
    let found = retired.iter().copied().find(|mac| made_first(*mac));
    Ok(found.unwrap_or(current))
}

/// What is known of a chain before its rows are read.
struct Chain<'a> {
    mac: &'a dyn ChainMac,
    writer: &'a str,
    head: Option<&'a AuditHead>,
    pruned: Option<&'a AuditPruning>,
}

async fn walk_chain(
    store: &dyn AuditStore,
    chain: &Chain<'_>,
    sworn: &mut BTreeMap<String, SeenHead>,
    report: &mut VerifyReport,
) -> Result<Walk, StoreError> {
    let Chain {
        mac,
        writer,
        head,
        pruned,
    } = *chain;
    let mut walk = Walk::default();
    // `None` after a hole: what the next row followed is unknown.
    let mut previous = Some(genesis(mac, writer));
    if let Some(pruned) = pruned {
        previous = Some(pruned.mac);
        walk.last_seq = pruned.seq;
        walk.last_mac = previous;
        let stands_there = head.is_some_and(|head| head.seq == pruned.seq);
        walk.mac_at_head = previous.filter(|_| stands_there);
        // Nothing is left that could say how it ended.
        walk.stopped = stands_there;
    }
    let mut from = 0;
    loop {
        let page = store.chain(writer, from, PAGE).await?;
        for row in &page {
            walk.rows = walk.rows.saturating_add(1);
            if row.seq <= walk.last_seq {
                report.add(writer, row.seq, FindingKind::Reordered);
                continue;
            }
            let expected = walk.last_seq.saturating_add(1);
            if row.seq > expected {
                report.add(writer, expected, FindingKind::Missing);
                previous = None;
            }
            match previous {
                Some(previous) if fits(mac, &previous, writer, row) => {
                    walk.stopped = believe(row, sworn, report);
                }
                Some(_) => report.add(writer, row.seq, FindingKind::Edited),
                None => {}
            }
            // The stored MAC, not the computed one: one edit is one finding, not all that follow.
            previous = Some(row.mac);
            walk.last_seq = row.seq;
            walk.last_mac = Some(row.mac);
            if head.is_some_and(|head| head.seq == row.seq) {
                walk.mac_at_head = Some(row.mac);
            }
        }
        let next = walk.last_seq.saturating_add(1);
        if page.len() < PAGE || next <= from {
            return Ok(walk);
        }
        from = next;
    }
}

pub(super) fn fits(mac: &dyn ChainMac, previous: &[u8; 32], writer: &str, row: &AuditRow) -> bool {
    row.writer == writer && constant_time_eq(&row_mac(mac, previous, row), &row.mac)
}

/// Takes in what a verified row says about its own chain and others; whether it ends the chain.
fn believe(
    row: &AuditRow,
    sworn: &mut BTreeMap<String, SeenHead>,
    report: &mut VerifyReport,
) -> bool {
    match ChainEvent::read(&row.event) {
        Some(ChainEvent::WriterStarted { heads, .. } | ChainEvent::Anchor { heads }) => {
            for seen in heads {
                let known = sworn.get(&seen.writer).map_or(0, |known| known.seq);
                if seen.seq > known {
                    sworn.insert(seen.writer.clone(), seen);
                }
            }
            false
        }
        Some(ChainEvent::Gap { lost }) => {
            report.lost = report.lost.saturating_add(lost);
            report.add(&row.writer, row.seq, FindingKind::Gap);
            false
        }
        Some(ChainEvent::WriterStopped) => true,
        Some(ChainEvent::Withheld { .. } | ChainEvent::Pruned { .. }) | None => false,
    }
}

fn judge_head(
    mac: &dyn ChainMac,
    writer: &str,
    walk: &Walk,
    (before, after): (Option<&AuditHead>, Option<&AuditHead>),
    report: &mut VerifyReport,
) {
    let genuine = |head: &&AuditHead| {
        let anchor = head_anchor(mac, writer, head.seq, &head.mac);
        constant_time_eq(&anchor, &head.anchor)
    };
    let Some(after) = after.filter(genuine) else {
        report.add(writer, walk.last_seq, FindingKind::HeadForged);
        return;
    };
    if after.seq < walk.last_seq || (after.seq == walk.last_seq && walk.last_mac != Some(after.mac))
    {
        report.add(writer, after.seq, FindingKind::HeadForged);
    }
    let Some(before) = before.filter(genuine) else {
        return;
    };
    if walk.last_seq == 0 {
        report.add(writer, before.seq, FindingKind::MissingWriter);
    } else if before.seq > walk.last_seq {
        let cut = walk.last_seq.saturating_add(1);
        report.add(writer, cut, FindingKind::TailCut);
    } else if walk.mac_at_head.is_some_and(|mac| mac != before.mac) {
        report.add(writer, before.seq, FindingKind::HeadForged);
    }
}

/// Holds a chain against what another chain swore to. Looks the row up anew, because the oath may be
/// younger than our pass over that chain.
async fn judge_sworn(
    store: &dyn AuditStore,
    writer: &str,
    seen: &SeenHead,
    pruned: Option<&AuditPruning>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    if let Some(pruned) = pruned.filter(|pruned| pruned.seq >= seen.seq) {
        if pruned.seq == seen.seq && hex(&pruned.mac) != seen.mac {
            report.add(writer, seen.seq, FindingKind::Edited);
        }
        return Ok(());
    }
    let found = store.chain(writer, seen.seq, 1).await?;
    match found.first() {
        Some(row) if row.seq == seen.seq => {
            if hex(&row.mac) != seen.mac {
                report.add(writer, seen.seq, FindingKind::Edited);
            }
        }
        Some(_) => report.add(writer, seen.seq, FindingKind::Missing),
        None if pruned.is_none() && store.chain(writer, 0, 1).await?.is_empty() => {
            report.add(writer, seen.seq, FindingKind::MissingWriter);
        }
        None => report.add(writer, seen.seq, FindingKind::TailCut),
    }
    Ok(())
}

async fn heads_by_writer(
    store: &dyn AuditStore,
) -> Result<BTreeMap<String, AuditHead>, StoreError> {
    let heads = store.heads().await?;
    Ok(heads
        .into_iter()
        .map(|head| (head.writer.clone(), head))
        .collect())
}

/// How many rows there are of each writer, whether or not it has a head.
async fn rows_by_writer(store: &dyn AuditStore) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut request = PageRequest {
        after: None,
        limit: PAGE,
    };
    loop {
        let page = store.list(&AuditFilter::default(), &request).await?;
        for row in page.items {
            let count = counts.entry(row.writer).or_default();
            *count = count.saturating_add(1);
        }
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(counts),
        }
    }
}
