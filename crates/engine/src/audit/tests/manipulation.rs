//! What somebody who can write the store, but does not have the key, tries.

use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_store::{AuditHead, AuditRow};

use super::fixture::{Process, TestMac, TestStore, quick};
use crate::audit::FindingKind::{
    self, Edited, HeadForged, Missing, MissingWriter, Reordered, TailCut,
};
use crate::audit::{ChainMac, Outcome, verify, verify_with_keys};

/// Another key.
#[derive(Debug)]
struct Other;
impl ChainMac for Other {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        portcullis_core::sha256(&parts.concat())
    }
}

/// Three processes one after the other, each with five requests: rows 1 to 7.
async fn history() -> (Arc<TestStore>, Vec<String>) {
    let store = TestStore::new();
    for life in 1..=3 {
        let process = Process::begin(&store, life, quick()).await;
        for _ in 0..5 {
            process.log.record(process.event(Outcome::Ok));
        }
        process.log.close().await.unwrap();
    }
    let writers = store.kept_heads.lock().unwrap().keys().cloned().collect();
    (store, writers)
}

fn change(store: &TestStore, writer: &str, seq: u64, edit: impl FnOnce(&mut AuditRow)) {
    let mut rows = store.rows.lock().unwrap();
    edit(
        rows.iter_mut()
            .find(|row| row.writer == writer && row.seq == seq)
            .unwrap(),
    );
}

fn remove(store: &TestStore, writer: &str, gone: impl Fn(u64) -> bool) {
    let mut rows = store.rows.lock().unwrap();
    rows.retain(|row| row.writer != writer || !gone(row.seq));
}

fn head(store: &TestStore, writer: &str, edit: impl FnOnce(&mut AuditHead)) {
    edit(store.kept_heads.lock().unwrap().get_mut(writer).unwrap());
}

async fn found(store: &TestStore, writer: &str, seq: u64, kind: FindingKind) {
    let report = store.verify().await;
    assert!(!report.is_intact());
    let there = report
        .findings
        .iter()
        .any(|finding| finding.writer == writer && finding.seq == seq && finding.kind == kind);
    assert!(there, "{kind:?} at {seq} not in {:#?}", report.findings);
}

#[tokio::test]
async fn an_untouched_history_verifies() {
    let (store, writers) = history().await;
    let report = store.verify().await;
    assert!(report.findings.is_empty());
    assert_eq!((report.writers, report.rows), (3, 21));
    assert_eq!(writers.len(), 3);
}

#[tokio::test]
async fn every_column_of_every_row_is_covered() {
    let edits: [fn(&mut AuditRow); 4] = [
        |row| row.at = Timestamp::from_millis(row.at.as_millis() + 1),
        |row| row.request_id.push('0'),
        |row| row.event = row.event.replace('e', "E"),
        |row| row.mac[31] ^= 1,
    ];
    for edit in edits {
        for seq in 1..=7 {
            let (store, writers) = history().await;
            change(&store, &writers[1], seq, edit);
            found(&store, &writers[1], seq, Edited).await;
        }
    }
}

#[tokio::test]
async fn an_outcome_changed_from_denied_to_allowed_shows() {
    let (store, writers) = history().await;
    change(&store, &writers[0], 3, |row| {
        row.event = row
            .event
            .replace(r#""outcome":"ok""#, r#""outcome":"forbidden""#);
    });
    found(&store, &writers[0], 3, Edited).await;
}

#[tokio::test]
async fn a_row_taken_out_shows_wherever_it_stood() {
    for (gone, kind) in [(1, Missing), (4, Missing), (7, TailCut)] {
        let (store, writers) = history().await;
        remove(&store, &writers[1], |seq| seq == gone);
        found(&store, &writers[1], gone, kind).await;
    }
}

#[tokio::test]
async fn a_row_taken_out_with_the_rest_moved_up_shows() {
    let (store, writers) = history().await;
    remove(&store, &writers[0], |seq| seq == 3);
    for seq in 4..=7 {
        change(&store, &writers[0], seq, |row| row.seq -= 1);
    }
    found(&store, &writers[0], 3, Edited).await;
}

#[tokio::test]
async fn two_rows_that_change_places_show() {
    let (store, writers) = history().await;
    change(&store, &writers[0], 3, |row| row.seq = 99);
    change(&store, &writers[0], 4, |row| row.seq = 3);
    change(&store, &writers[0], 99, |row| row.seq = 4);
    found(&store, &writers[0], 3, Edited).await;
}

#[tokio::test]
async fn a_row_that_stands_twice_shows_also_at_the_edge_of_a_page() {
    let (store, writers) = history().await;
    let copy = store.rows.lock().unwrap()[2].clone();
    store.rows.lock().unwrap().push(copy);
    found(&store, &writers[0], 3, Reordered).await;

    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    for _ in 0..1_500 {
        process.log.record(process.event(Outcome::Ok));
    }
    process.log.close().await.unwrap();
    let at_the_edge = store.rows.lock().unwrap()[999].clone();
    let writer = at_the_edge.writer.clone();
    store.rows.lock().unwrap().push(at_the_edge);
    found(&store, &writer, 1_502, Reordered).await;
}

#[tokio::test]
async fn a_row_copied_from_another_chain_shows() {
    let (store, writers) = history().await;
    let mut copy = store.rows.lock().unwrap()[2].clone();
    copy.writer.clone_from(&writers[1]);
    remove(&store, &writers[1], |seq| seq == 3);
    store.rows.lock().unwrap().push(copy);
    found(&store, &writers[1], 3, Edited).await;
}

#[tokio::test]
async fn rows_invented_behind_the_end_show() {
    let (store, writers) = history().await;
    let mut invented = store.rows.lock().unwrap().last().unwrap().clone();
    invented.seq += 1;
    store.rows.lock().unwrap().push(invented);
    found(&store, &writers[2], 8, Edited).await;
    found(&store, &writers[2], 7, HeadForged).await;
}

#[tokio::test]
async fn a_tail_cut_together_with_its_head_shows_by_what_the_next_writer_swore_to() {
    let (store, writers) = history().await;
    // The attacker kept an old, genuine head of this chain.
    let process = Process::begin(&store, 4, quick()).await;
    process.log.record(process.event(Outcome::Ok));
    process.stored().await;
    let mine = store
        .kept_heads
        .lock()
        .unwrap()
        .keys()
        .last()
        .unwrap()
        .clone();
    let old = store.kept_heads.lock().unwrap()[&mine].clone();
    process.log.close().await.unwrap();
    let next = Process::begin(&store, 5, quick()).await;
    next.log.close().await.unwrap();
    assert!(store.verify().await.findings.is_empty());

    remove(&store, &mine, |seq| seq > old.seq);
    let sworn = store.kept_heads.lock().unwrap().insert(mine.clone(), old);
    found(&store, &mine, sworn.unwrap().seq, TailCut).await;
    assert_eq!(writers.len(), 3);
}

#[tokio::test]
async fn an_old_head_put_back_shows() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let (writer, old) = store
        .kept_heads
        .lock()
        .unwrap()
        .first_key_value()
        .map(|(a, b)| (a.clone(), b.clone()))
        .unwrap();
    process.log.record(process.event(Outcome::Ok));
    process.log.close().await.unwrap();
    store.kept_heads.lock().unwrap().insert(writer.clone(), old);
    found(&store, &writer, 1, HeadForged).await;
}

#[tokio::test]
async fn a_chain_that_is_gone_altogether_shows() {
    let (store, writers) = history().await;
    remove(&store, &writers[1], |_| true);
    store.kept_heads.lock().unwrap().remove(&writers[1]);
    found(&store, &writers[1], 7, MissingWriter).await;
}

#[tokio::test]
async fn a_chain_whose_rows_are_gone_but_not_its_head_shows() {
    let (store, writers) = history().await;
    remove(&store, &writers[2], |_| true);
    found(&store, &writers[2], 7, MissingWriter).await;
}

#[tokio::test]
async fn a_head_that_was_not_written_with_the_key_shows() {
    let edits: [fn(&mut AuditHead); 3] = [
        |head| head.seq -= 1,
        |head| head.mac[0] ^= 1,
        |head| head.anchor[0] ^= 1,
    ];
    for edit in edits {
        let (store, writers) = history().await;
        head(&store, &writers[2], edit);
        found(&store, &writers[2], 7, HeadForged).await;
    }
    let (store, writers) = history().await;
    store.kept_heads.lock().unwrap().remove(&writers[2]);
    found(&store, &writers[2], 7, HeadForged).await;
}

#[tokio::test]
async fn a_verifier_with_another_key_believes_nothing() {
    let (store, _) = history().await;
    let report = verify(&*store, &Other).await.unwrap();
    assert_eq!(report.findings.len(), 21 + 3);
}

#[tokio::test]
async fn a_history_from_before_a_key_rotation_verifies_with_the_retired_key_and_only_with_it() {
    let (store, writers) = history().await;
    let (new, old) = (Other, TestMac::new());
    let retired: [&dyn ChainMac; 1] = [&old];
    let rotated = || verify_with_keys(&*store, &new, &retired);
    assert!(rotated().await.unwrap().findings.is_empty());
    assert!(!verify(&*store, &new).await.unwrap().is_intact());
    change(&store, &writers[0], 3, |row| row.event.push(' '));
    assert!(!rotated().await.unwrap().is_intact());
}
