//! The trail when the store is well, down, slow or lying.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ErrorKind;

use super::fixture::{Mood, Process, TestStore, quick};
use crate::audit::{AuditSettings, AuditUnavailable, Outcome, Surface};

fn required() -> AuditSettings {
    AuditSettings {
        required: true,
        ..quick()
    }
}

#[tokio::test]
async fn with_audit_required_an_answer_waits_until_the_store_has_its_event() {
    let store = TestStore::new();
    // A poll that never comes: only the wake-up of a durable event can store it.
    let settings = AuditSettings {
        poll: Duration::from_hours(1),
        ..required()
    };
    let process = Process::begin(&store, 1, settings).await;
    assert!(process.log.is_available());
    let guard = process.log.open(process.request_id(), Surface::Mcp);
    guard.finish_before_answer(Outcome::Ok).await.unwrap();
    assert_eq!(store.of_kind("request").len(), 1);
}

#[tokio::test]
async fn many_concurrent_durable_events_are_each_stored_once_in_few_transactions() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, required()).await;
    let ids = (0..500).map(|_| process.request_id());
    let answers = ids.map(|id| {
        let guard = process.log.open(id, Surface::Mcp);
        async move {
            guard
                .finish_before_answer(Outcome::Ok)
                .await
                .map(|()| id.to_string())
        }
    });
    let stored = futures_util::future::join_all(answers).await;
    let stored: Result<HashSet<String>, _> = stored.into_iter().collect();
    let recorded: Vec<String> = store
        .of_kind("request")
        .iter()
        .map(|event| event["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(recorded.len(), 500);
    assert_eq!(stored.unwrap(), recorded.into_iter().collect());
    assert!(store.appends.load(std::sync::atomic::Ordering::SeqCst) < 50);
    assert!(store.verify().await.findings.is_empty());
}

#[tokio::test]
async fn with_audit_required_a_dead_store_denies_and_the_trail_says_so_afterwards() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, required()).await;
    store.be(Mood::Down);
    // The first learns it from the failed attempt, the second from the known state.
    for _ in 0..2 {
        let guard = process.log.open(process.request_id(), Surface::Mcp);
        let answer = guard.finish_before_answer(Outcome::Ok).await;
        assert_eq!(answer, Err(AuditUnavailable));
        assert_eq!(AuditUnavailable.error_kind(), ErrorKind::Unavailable);
        assert!(!process.log.is_available());
    }
    store.be(Mood::Well);
    process.stored().await;
    assert!(process.log.is_available());
    process.log.close().await.unwrap();

    let requests = store.of_kind("request");
    assert_eq!(requests.len(), 2);
    let withheld = store.of_kind("withheld");
    assert_eq!(withheld.len(), 1);
    assert_eq!(
        withheld[0]["request_ids"],
        serde_json::json!([requests[0]["request_id"]])
    );
    assert_eq!(requests[1]["withheld"], true);
    assert!(store.verify().await.findings.is_empty());
}

#[tokio::test]
async fn a_store_that_hangs_denies_after_its_time_limit() {
    let store = TestStore::new();
    let settings = AuditSettings {
        store_timeout: Duration::from_millis(5),
        ..required()
    };
    let process = Process::begin(&store, 1, settings).await;
    store.be(Mood::Hangs);
    let answer = process.log.record_durable(process.event(Outcome::Ok)).await;
    assert_eq!(answer, Err(AuditUnavailable));
}

#[tokio::test]
async fn a_batch_whose_acknowledgement_got_lost_is_not_written_twice() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    store.be(Mood::LosesTheAnswer);
    process.log.record(process.event(Outcome::Ok));
    process.stored().await;
    process.log.record(process.event(Outcome::ToolError));
    process.log.close().await.unwrap();
    assert_eq!(store.of_kind("request").len(), 2);
    assert!(store.verify().await.findings.is_empty());
}

#[tokio::test]
async fn a_full_queue_blocks_nobody_and_the_chain_tells_how_many_events_were_lost() {
    let store = TestStore::new();
    let settings = AuditSettings {
        capacity: 10,
        ..quick()
    };
    let process = Process::begin(&store, 1, settings).await;
    store.be(Mood::Down);
    // No await: the writer cannot take anything meanwhile.
    for _ in 0..35 {
        process.log.record(process.event(Outcome::Ok));
    }
    store.be(Mood::Well);
    process.stored().await;
    process.log.close().await.unwrap();
    assert_eq!(store.of_kind("request").len(), 10);
    assert_eq!(store.of_kind("gap")[0]["lost"], 25);
    let report = store.verify().await;
    assert!(report.is_intact());
    assert_eq!(report.lost, 25);
    let scraped = process.metrics.encode();
    assert!(scraped.contains("portcullis_audit_dropped_total 25\n"));
    assert!(scraped.contains("portcullis_audit_gaps_total 1\n"));
}

#[tokio::test]
async fn a_process_that_starts_before_its_store_keeps_events_until_the_store_is_there() {
    let store = TestStore::new();
    store.be(Mood::Down);
    let process = Process::begin(&store, 1, required()).await;
    assert!(!process.log.is_available());
    process.log.record(process.event(Outcome::Ok));
    store.be(Mood::Well);
    process.stored().await;
    assert_eq!(store.events()[0]["event"], "writer_started");
    assert_eq!(store.of_kind("request").len(), 1);
}

#[tokio::test]
async fn an_orderly_end_stores_everything_and_refuses_what_comes_later() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, required()).await;
    for _ in 0..3_000 {
        process.log.record(process.event(Outcome::Ok));
    }
    process.log.close().await.unwrap();
    assert_eq!(store.of_kind("request").len(), 3_000);
    assert_eq!(store.events().last().unwrap()["event"], "writer_stopped");
    assert!(!process.log.is_available());
    let late = process.log.record_durable(process.event(Outcome::Ok)).await;
    assert_eq!(late, Err(AuditUnavailable));
    let report = store.verify().await;
    assert!(report.findings.is_empty() && report.open.is_empty());
    assert_eq!((report.writers, report.rows), (1, 3_002));
}

#[tokio::test]
async fn an_end_with_a_dead_store_is_reported_and_does_not_hang() {
    let store = TestStore::new();
    let settings = AuditSettings {
        close_timeout: Duration::from_millis(5),
        ..quick()
    };
    let process = Process::begin(&store, 1, settings).await;
    store.be(Mood::Down);
    process.log.record(process.event(Outcome::Ok));
    assert_eq!(process.log.close().await, Err(AuditUnavailable));
}

#[test]
fn a_killed_process_leaves_a_chain_that_verifies_with_every_acknowledged_event_in_it() {
    let store = TestStore::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let acknowledged = runtime.block_on(async {
        let process = Process::begin(&store, 1, required()).await;
        let mut acknowledged = Vec::new();
        for _ in 0..20 {
            let id = process.request_id();
            let guard = process.log.open(id, Surface::Mcp);
            guard.finish_before_answer(Outcome::Ok).await.unwrap();
            acknowledged.push(id.to_string());
        }
        process.log.record(process.event(Outcome::Ok));
        acknowledged
    });
    // Nothing is closed or flushed.
    runtime.shutdown_background();
    let after = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let report = after.block_on(store.verify());
    assert!(report.findings.is_empty());
    assert_eq!(report.open.len(), 1);
    let stored: Vec<String> = store
        .of_kind("request")
        .iter()
        .map(|event| event["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stored[..20], acknowledged);
}

#[tokio::test]
async fn each_writer_swears_to_the_heads_it_finds_and_later_to_those_that_moved() {
    let store = TestStore::new();
    let settings = AuditSettings {
        anchor_rows: 5,
        ..quick()
    };
    let first = Process::begin(&store, 1, settings.clone()).await;
    let second = Process::begin(&store, 2, settings).await;
    let found = &store.of_kind("writer_started")[1]["heads"];
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(found[0]["seq"], 1);

    for _ in 0..6 {
        second.log.record(second.event(Outcome::Ok));
    }
    second.stored().await;
    first.clock.advance(Duration::from_mins(11));
    first.log.record(first.event(Outcome::Ok));
    first.stored().await;
    let anchors = store.of_kind("anchor");
    assert_eq!(anchors.len(), 1);
    assert_eq!(anchors[0]["heads"][0]["seq"], 7);

    // Nothing moved since: nothing to swear to.
    first.clock.advance(Duration::from_mins(11));
    first.stored().await;
    assert_eq!(store.of_kind("anchor").len(), 1);

    // Many rows bring the next anchor forward.
    second.clock.advance(Duration::from_secs(11));
    second.log.record(second.event(Outcome::Ok));
    second.stored().await;
    assert_eq!(store.of_kind("anchor").len(), 2);
    assert!(store.verify().await.findings.is_empty());
}

#[tokio::test]
async fn wall_time_that_jumps_back_two_hours_leaves_the_chain_in_order() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    for _ in 0..4 {
        process.clock.jump_millis(-7_200_000);
        process.log.record(process.event(Outcome::Ok));
    }
    process.log.close().await.unwrap();
    assert!(store.verify().await.findings.is_empty());
}

fn copy(path: &std::path::Path) -> crate::audit::FileSink {
    crate::audit::FileSink {
        name: "copy".to_owned(),
        path: path.to_owned(),
        rotation: crate::audit::Rotation::default(),
    }
}

#[tokio::test]
async fn the_file_holds_the_same_rows_and_only_its_owner_may_read_it() {
    let store = TestStore::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // What a crash in the middle of a line left behind.
    std::fs::write(&path, "{\"torn\":").unwrap();
    let settings = AuditSettings {
        files: vec![copy(&path)],
        ..quick()
    };
    let process = Process::begin(&store, 1, settings).await;
    for _ in 0..50 {
        process.log.record(process.event(Outcome::Ok));
    }
    process.log.close().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("{\"torn\":"));
    let rows = store.rows.lock().unwrap();
    for row in rows.iter() {
        let line: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(line["writer"], row.writer);
        assert_eq!(line["seq"], row.seq);
        assert_eq!(line["mac"], portcullis_core::hex(&row.mac));
        let event: serde_json::Value = serde_json::from_str(&row.event).unwrap();
        assert_eq!(line["event"], event);
    }
    assert_eq!(lines.next(), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings {
        files: vec![copy(folder.path())],
        ..quick()
    };
    let deps = crate::audit::AuditDeps {
        store: TestStore::new(),
        mac: Arc::new(super::fixture::TestMac::new()),
        writer: crate::audit::WriterId::generate(
            portcullis_core::Timestamp::from_secs(1),
            &portcullis_core::SeededEntropy::new(1),
        )
        .unwrap(),
        clock: Arc::new(portcullis_core::ManualClock::at_millis(0)),
        metrics: Arc::new(crate::metrics::Metrics::new()),
        tracker: tokio_util::task::TaskTracker::new(),
    };
    let error = crate::audit::AuditLog::start(settings, deps)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot append audit lines to ")
    );
}
