//! A receiver that is down, picky or gone, and what of the trail reaches it.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::audit::tests::fixture::{Process, TestStore, quick};
use crate::audit::{AuditSettings, Outcome, RemoteSink};

/// Takes so many lines at once at most, or nothing at all.
#[derive(Debug, Default)]
struct Receiver {
    taken: Mutex<Vec<String>>,
    offered: Notify,
    most: usize,
    /// Says that it has them, and that it will not keep so many of each portion.
    refuses: u64,
}

impl Receiver {
    fn taking(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            ..Self::default()
        })
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let taken = self.taken.lock().unwrap();
        taken
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[async_trait]
impl Courier for Receiver {
    async fn carry(&self, lines: &[String]) -> Result<Carried, Undelivered> {
        self.offered.notify_one();
        if self.most == 0 {
            return Err(UndeliveredKind::Unreachable("connect").into());
        }
        if lines.len() > self.most {
            return Err(UndeliveredKind::TooLarge.into());
        }
        self.taken.lock().unwrap().extend_from_slice(lines);
        self.offered.notify_one();
        Ok(Carried {
            refused: self.refuses,
            because: Some("no such field".to_owned()),
        })
    }
}

fn to(receiver: &Arc<Receiver>, folder: &tempfile::TempDir, spool_most: u64) -> AuditSettings {
    AuditSettings {
        required: true,
        remotes: vec![RemoteSink {
            name: "siem".to_owned(),
            spool: folder.path().join("siem"),
            spool_most,
            courier: Arc::clone(receiver) as _,
        }],
        ..quick()
    }
}

const ROOMY: u64 = 64 * 1024 * 1024;

async fn requests(process: &Process, count: usize) {
    for _ in 0..count {
        let event = process.event(Outcome::Ok);
        process.log.record_durable(event).await.unwrap();
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_up_nobody_and_gets_everything_after_a_restart() {
    let (store, folder) = (TestStore::new(), tempfile::tempdir().unwrap());
    let dead = Receiver::taking(0);
    let process = Process::begin(&store, 1, to(&dead, &folder, ROOMY)).await;
    requests(&process, 3).await;
    dead.offered.notified().await;
    while process.log.copies_are_well() {
        tokio::task::yield_now().await;
    }
    process.log.close().await.unwrap();

    let well = Receiver::taking(1000);
    let process = Process::begin(&store, 2, to(&well, &folder, ROOMY)).await;
    requests(&process, 2).await;
    process.log.close().await.unwrap();
    assert!(process.log.copies_are_well());
    // Each row of both lives, in order, as it stands in the store.
    let sent: Vec<_> = well
        .events()
        .iter()
        .map(|line| {
            (
                line["writer"].clone(),
                line["seq"].clone(),
                line["event"].clone(),
            )
        })
        .collect();
    let mut rows = store.rows.lock().unwrap().clone();
    rows.sort_by(|a, b| (&a.writer, a.seq).cmp(&(&b.writer, b.seq)));
    let stored: Vec<_> = rows
        .iter()
        .map(|row| {
            let event = serde_json::from_str::<serde_json::Value>(&row.event).unwrap();
            (row.writer.clone().into(), row.seq.into(), event)
        })
        .collect();
    assert_eq!(sent, stored);
}

#[tokio::test]
async fn a_receiver_that_wants_less_at_a_time_is_offered_less() {
    let (store, folder) = (TestStore::new(), tempfile::tempdir().unwrap());
    let picky = Receiver::taking(2);
    // A first life leaves more lines than it takes at once.
    let dead = Receiver::taking(0);
    let process = Process::begin(&store, 1, to(&dead, &folder, ROOMY)).await;
    requests(&process, 9).await;
    process.log.close().await.unwrap();
    let process = Process::begin(&store, 2, to(&picky, &folder, ROOMY)).await;
    while picky.taken.lock().unwrap().len() < 11 {
        picky.offered.notified().await;
    }
    process.log.close().await.unwrap();
    let seqs: Vec<_> = picky
        .events()
        .iter()
        .take(11)
        .map(|line| line["seq"].clone())
        .collect();
    assert_eq!(
        seqs,
        (1..=11).map(serde_json::Value::from).collect::<Vec<_>>()
    );
}

/// with a receiver that never comes back, what is durable in the store is answered all the same, and
/// what the copy lacks is counted and told.
#[tokio::test]
async fn a_full_spool_never_loses_a_required_event_and_the_copy_says_what_it_lacks() {
    let (store, folder) = (TestStore::new(), tempfile::tempdir().unwrap());
    let dead = Receiver::taking(0);
    let process = Process::begin(&store, 1, to(&dead, &folder, 1)).await;
    requests(&process, 20).await;
    assert_eq!(store.of_kind("request").len(), 20);
    process.log.close().await.unwrap();
    assert!(!process.log.copies_are_well());
    let text = process.metrics.encode();
    let dropped = text
        .lines()
        .find_map(|line| line.strip_prefix("portcullis_audit_lines_dropped_total{sink=\"siem\"} "))
        .unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{text}");
    assert!(store.verify().await.findings.is_empty());
}

#[tokio::test]
async fn what_a_receiver_asks_for_is_heeded_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let state = SinkState::new("siem", &crate::metrics::AuditMeters::default());
    let mut round = Round {
        spool: folder.path().to_owned(),
        courier: Receiver::taking(0),
        state,
        reader: None,
        most: MOST_LINES,
        pause: None,
        told: BTreeSet::new(),
        unnoted: false,
    };
    let asking = |seconds| Undelivered {
        why: UndeliveredKind::Refused(429),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    round.failed(&asking(20));
    assert_eq!(round.pause, Some(Duration::from_secs(20)));
    round.failed(&asking(86_400));
    assert_eq!(round.pause, Some(PAUSE_ASKED));
    for _ in 0..20 {
        round.failed(&UndeliveredKind::Refused(500).into());
    }
    assert_eq!(round.pause, Some(PAUSE_MOST));
}

#[tokio::test]
async fn lines_that_a_receiver_refuses_for_good_are_counted_and_the_copy_is_not_well() {
    let (store, folder) = (TestStore::new(), tempfile::tempdir().unwrap());
    let picky = Arc::new(Receiver {
        most: 1000,
        refuses: 1,
        ..Receiver::default()
    });
    let process = Process::begin(&store, 1, to(&picky, &folder, ROOMY)).await;
    requests(&process, 1).await;
    process.log.close().await.unwrap();
    assert!(!process.log.copies_are_well());
    let text = process.metrics.encode();
    let dropped = "portcullis_audit_lines_dropped_total{sink=\"siem\"} ";
    let dropped = text.lines().find_map(|line| line.strip_prefix(dropped));
    assert!(dropped.unwrap().parse::<u64>().unwrap() > 0, "{text}");
}

#[tokio::test]
async fn portions_grow_again_after_a_receiver_wanted_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let mut round = Round {
        spool: folder.path().to_owned(),
        courier: Receiver::taking(1000),
        state: SinkState::new("siem", &crate::metrics::AuditMeters::default()),
        reader: None,
        most: 1,
        pause: None,
        told: BTreeSet::new(),
        unnoted: false,
    };
    for _ in 0..40 {
        round.carried(&Carried::default(), 1);
    }
    assert_eq!(round.most, MOST_LINES);
}
