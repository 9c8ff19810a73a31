//! Pruning: old rows go, the rest still proves itself, and nothing else looks like pruning.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, Timestamp};

use super::fixture::{Process, TestMac, TestStore, quick};
use crate::audit::{FindingKind, Outcome, Pruned, Retention};

fn retention(store: &Arc<TestStore>) -> Retention {
    Retention::new(store.clone(), Arc::new(TestMac::new()))
}

/// Two lives with an hour between: the first ended, the second goes on. The moment lies between them.
async fn lives(store: &Arc<TestStore>) -> (Process, Timestamp) {
    let first = Process::begin(store, 1, quick()).await;
    for _ in 0..5 {
        first.log.record(first.event(Outcome::Ok));
    }
    first.log.close().await.unwrap();
    let second = Process::begin(store, 2, quick()).await;
    second.log.record(second.event(Outcome::Ok));
    second.stored().await;
    second.clock.advance(Duration::from_hours(1));
    let between = second.clock.now();
    for _ in 0..3 {
        second.log.record(second.event(Outcome::Ok));
    }
    second.stored().await;
    (second, between)
}

fn kinds(report: &crate::audit::VerifyReport) -> Vec<FindingKind> {
    let mut kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn what_is_left_after_pruning_verifies_and_goes_on() {
    let store = TestStore::new();
    let (second, between) = lives(&store).await;
    let rows = store.rows.lock().unwrap().len() as u64;
    let due = retention(&store).due(between).await.unwrap();
    assert_eq!(store.rows.lock().unwrap().len() as u64, rows, "a dry run");
    let pruned = retention(&store).prune(between).await.unwrap();
    assert_eq!(pruned, due);
    // Five requests and the ends of the first life; of the second its start and one request.
    assert_eq!((pruned.chains, pruned.rows), (2, 7 + 2));
    let again = retention(&store).prune(between).await.unwrap();
    assert_eq!(again, Pruned::default());

    second.log.pruned(between, &pruned);
    second.log.record(second.event(Outcome::Ok));
    second.log.close().await.unwrap();
    let third = Process::begin(&store, 3, quick()).await;
    third.log.close().await.unwrap();
    let report = store.verify().await;
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!((report.pruned, report.open.len()), (2, 0));
    let told = store.of_kind("pruned");
    assert_eq!(told[0]["rows"], 9);

    // Everything that is left goes too, when its time has come.
    let late = third.clock.now().after(Duration::from_hours(48));
    retention(&store).prune(late).await.unwrap();
    assert!(store.rows.lock().unwrap().is_empty());
    let report = store.verify().await;
    assert!(report.findings.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_beginning_that_was_cut_is_not_taken_for_pruning() {
    let store = TestStore::new();
    let (_second, between) = lives(&store).await;
    retention(&store).prune(between).await.unwrap();
    // One more row than the mark says.
    let cut = store.rows.lock().unwrap().remove(0);
    assert!(kinds(&store.verify().await).contains(&FindingKind::Missing));
    store.rows.lock().unwrap().insert(0, cut.clone());
    assert!(store.verify().await.findings.is_empty());
    // The mark moved along, without the key.
    {
        store.rows.lock().unwrap().remove(0);
        let mut prunings = store.kept_prunings.lock().unwrap();
        let mark = prunings.get_mut(&cut.writer).unwrap();
        (mark.seq, mark.mac) = (cut.seq, cut.mac);
    }
    let found = kinds(&store.verify().await);
    assert!(found.contains(&FindingKind::PruningForged), "{found:?}");
    assert!(found.contains(&FindingKind::Missing), "{found:?}");
    // And a mark that is gone excuses nothing.
    store.kept_prunings.lock().unwrap().clear();
    assert!(kinds(&store.verify().await).contains(&FindingKind::Missing));
}

#[tokio::test]
async fn a_tail_that_was_cut_behind_a_pruned_beginning_is_found() {
    let store = TestStore::new();
    let (second, between) = lives(&store).await;
    second.log.close().await.unwrap();
    retention(&store).prune(between).await.unwrap();
    store.rows.lock().unwrap().clear();
    let report = store.verify().await;
    assert_eq!(kinds(&report), [FindingKind::TailCut], "{report:?}");
    assert!(!report.is_intact());
}

/// Whoever changed an old row must not have the gateway itself remove the evidence.
#[tokio::test]
async fn rows_that_do_not_verify_are_not_pruned() {
    let store = TestStore::new();
    let (_second, between) = lives(&store).await;
    let writer = {
        let mut rows = store.rows.lock().unwrap();
        rows[2].event = rows[2].event.replace("\"ok\"", "\"OK\"");
        rows[2].writer.clone()
    };
    let pruned = retention(&store).prune(between).await.unwrap();
    assert_eq!(pruned.unproven, [writer]);
    assert_eq!(pruned.chains, 1, "the other chain is pruned");
    let report = store.verify().await;
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.kind == FindingKind::Edited)
    );
}

#[tokio::test]
async fn an_old_row_behind_a_newer_one_stays() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let early = process.event(Outcome::Ok);
    process.clock.advance(Duration::from_hours(1));
    let between = process.clock.now();
    process.log.record(process.event(Outcome::Ok));
    // A request that took an hour: its event comes last and bears the moment of its arrival.
    process.log.record(early);
    process.stored().await;
    let pruned = retention(&store).prune(between).await.unwrap();
    assert_eq!(pruned.rows, 1, "only the chain's own first entry");
    assert_eq!(store.of_kind("request").len(), 2);
    assert!(store.verify().await.findings.is_empty());
}
