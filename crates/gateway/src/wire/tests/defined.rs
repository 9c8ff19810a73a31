//! Servers of the store, as one process takes them up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use portcullis_config::CommandLine;
use portcullis_core::ManualClock;
use portcullis_identity::{Followed, MasterKey};
use portcullis_server::{BookError, NewServer, ServerBook};
use portcullis_store::ConnectionRecord;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lifecycle::{Reloads, reloads};
use crate::wire::defined::{Book, BookSource};
use crate::wire::embedded::Embedded;
use crate::wire::stored::{StoredValues, Why};

/// A process that serves its store, and another one beside it that has read it once and puts nothing in force by
/// itself.
struct Pair {
    clock: Arc<ManualClock>,
    one: Embedded,
    stored: Arc<StoredValues>,
    other: Arc<Book>,
    due: Reloads,
}

impl Pair {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let line = CommandLine::default();
        let one = Embedded::start_at(Arc::clone(&clock) as _, "", line, &tasks, &stop).await;
        let one = one.unwrap();
        let rooms = one.shared_rooms();
        let stored = Arc::new(StoredValues::new(Arc::clone(&clock) as _));
        let read = stored.parse("other.yaml", "", line, Why::Asked).await;
        read.unwrap().unwrap();
        stored.put_in_force();
        let (requester, due) = reloads();
        let source = BookSource {
            file: None,
            command_line: line,
        };
        let other = Book::open(&rooms, &stored, &requester, source)
            .await
            .unwrap();
        Self {
            clock,
            one,
            stored,
            other,
            due,
        }
    }

    async fn define(&self, name: &str) {
        let wish = NewServer {
            id: name.into(),
            entry: map(json!({"url": "https://mcp.example.com/mcp"})),
            submitted: false,
        };
        let book = self.one.server_book();
        book.define(wish, &MasterKey::principal()).await.unwrap();
    }

    /// Whether the other process, with its next pulse, wants to put in force what it read.
    async fn wants(&mut self) -> bool {
        self.other.take_in().await.unwrap();
        self.due.next().now_or_never().is_some()
    }

    /// The reload that was wanted.
    async fn reloads(&self) {
        let again = self.stored.again(CommandLine::default(), Why::Refresh);
        again.await.unwrap();
        self.stored.put_in_force();
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

/// A list that was asked for in between had read the change away, and it was served nowhere but where it was made.
#[tokio::test]
async fn what_somebody_else_has_read_is_put_in_force_still() {
    let mut pair = Pair::start().await;
    assert!(!pair.wants().await, "there is nothing");
    pair.define("tools").await;
    assert_eq!(pair.other.all().await.unwrap().len(), 1);
    assert!(pair.wants().await);
    pair.reloads().await;
    assert!(!pair.wants().await, "it is in force");

    let book = pair.one.server_book();
    book.remove(&"tools".into(), None).await.unwrap();
    assert!(pair.other.all().await.unwrap().is_empty());
    assert!(pair.wants().await, "and what was taken away ends");
    pair.reloads().await;
    assert!(!pair.wants().await);
}

#[tokio::test]
async fn what_was_refused_is_tried_again_but_not_with_every_pulse() {
    let mut pair = Pair::start().await;
    pair.define("tools").await;
    assert!(pair.wants().await);
    // Nothing comes of it.
    for _ in 0..3 {
        pair.clock.advance(Duration::from_secs(9));
        assert!(!pair.wants().await);
    }
    pair.clock.advance(Duration::from_secs(3));
    assert!(pair.wants().await, "again after a while");
    pair.define("others").await;
    assert!(pair.wants().await, "a change is no repetition");
}

/// Nobody asks for it again: the record is gone, and with it what a second attempt would go by.
#[tokio::test]
async fn connections_end_with_their_server_also_where_nothing_can_be_put_in_force() {
    let Pair {
        one, other, due, ..
    } = Pair::start().await;
    let book = one.server_book();
    let wish = NewServer {
        id: "tools".into(),
        entry: map(json!({"url": "https://mcp.example.com/mcp"})),
        submitted: false,
    };
    book.define(wish, &MasterKey::principal()).await.unwrap();
    let connections = &one.stores().connections;
    let record = ConnectionRecord {
        principal: "alice".into(),
        server: "tools".into(),
        sealed: vec![0],
        version: 1,
    };
    connections.put(&record).await.unwrap();
    drop(due);
    let removed = other.remove(&"tools".into(), None).await;
    assert_eq!(removed, Err(BookError::Unavailable));
    let left = connections.get(&"alice".into(), &"tools".into()).await;
    assert_eq!(left.unwrap(), None);
}
