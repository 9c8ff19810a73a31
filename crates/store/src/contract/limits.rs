//! Obligations of [`crate::LimitStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::{LimitRecord, LimitScope, Stores};

fn scope(kind: &str, id: &str) -> LimitScope {
    LimitScope {
        kind: kind.to_owned(),
        id: id.to_owned(),
    }
}

fn record(kind: &str, id: &str, version: u64) -> LimitRecord {
    LimitRecord {
        scope: scope(kind, id),
        limits: format!(r#"{{"rpm_limit":{version}}}"#),
        version,
        updated_at: Timestamp::from_millis(7),
        updated_by: "master".to_owned(),
        seal: [9; 32],
    }
}

async fn put(stores: &Stores, record: &LimitRecord, follows: Option<u64>) -> bool {
    stores.limits.put(record, follows).await.unwrap()
}

async fn changes(stores: &Stores, after: u64, limit: usize) -> Vec<(u64, LimitRecord)> {
    stores.limits.changed_since(after, limit).await.unwrap()
}

pub(super) async fn limits_come_back_as_they_were_written(stores: Stores) {
    let odd = "' OR '1'='1\n%_\\ 数据🗝";
    let written = LimitRecord {
        scope: scope(odd, odd),
        limits: odd.to_owned(),
        updated_by: odd.to_owned(),
        ..record("key", "a", 1)
    };
    assert!(put(&stores, &written, None).await);
    let found = stores.limits.get(&written.scope).await.unwrap();
    assert_eq!(found.as_ref(), Some(&written));
    let nobody = stores.limits.get(&scope("key", odd)).await.unwrap();
    assert_eq!(nobody, None);
}

pub(super) async fn of_many_who_follow_one_state_exactly_one_writes(stores: Stores) {
    for (version, follows) in [(1, None), (2, Some(1)), (3, Some(2))] {
        let written = at_once(|number| {
            let limits = Arc::clone(&stores.limits);
            let record = LimitRecord {
                updated_by: number.to_string(),
                ..record("team", "t", version)
            };
            async move { limits.put(&record, follows).await.unwrap() }
        })
        .await;
        assert_eq!(written.iter().filter(|done| **done).count(), 1, "{version}");
    }
    assert!(!put(&stores, &record("team", "t", 4), None).await);
    assert!(!put(&stores, &record("team", "t", 4), Some(2)).await);
    assert!(!put(&stores, &record("team", "u", 4), Some(3)).await);
    assert_eq!(changes(&stores, 0, 10).await.len(), 1);
}

pub(super) async fn the_feed_reports_in_order_and_resumes(stores: Stores) {
    for id in ["c", "a", "b"] {
        assert!(put(&stores, &record("key", id, 1), None).await);
    }
    let names = |changes: &[(u64, LimitRecord)]| {
        let name = |(_, record): &(u64, LimitRecord)| record.scope.id.clone();
        changes.iter().map(name).collect::<Vec<_>>()
    };
    let first = changes(&stores, 0, 2).await;
    assert_eq!(names(&first), ["c", "a"]);
    assert!(0 < first[0].0 && first[0].0 < first[1].0);
    assert!(put(&stores, &record("key", "c", 2), Some(1)).await);
    let rest = changes(&stores, first[1].0, 10).await;
    assert_eq!(names(&rest), ["b", "c"]);
    assert_eq!(rest[1].1, record("key", "c", 2));
}
