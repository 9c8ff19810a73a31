//! Obligations of [`crate::UsageStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::{CONTENDERS, at_once};
use crate::{Stores, UsageOf, UsageRow};

const HOUR: i64 = 3_600_000;

fn row(hour: i64, key: &str, server: &str) -> UsageRow {
    UsageRow {
        hour_millis: hour * HOUR,
        key_id: key.to_owned(),
        user_id: "alice".to_owned(),
        team: String::new(),
        server: server.to_owned(),
        calls: 2,
        limited: 1,
        spent_nano_usd: 5,
    }
}

async fn sums(stores: &Stores, from: i64, until: i64, key: Option<&str>) -> Vec<UsageRow> {
    let (from, until) = (from * HOUR, until * HOUR);
    let (from, until) = (Timestamp::from_millis(from), Timestamp::from_millis(until));
    stores.usage.sums(from, until, key, 100).await.unwrap()
}

pub(super) async fn what_is_added_at_once_is_all_there(stores: Stores) {
    at_once(|number| {
        let usage = Arc::clone(&stores.usage);
        let mut rows = vec![row(1, "k", "x"), row(1, "k", "y")];
        if number % 2 == 1 {
            rows.reverse();
        }
        async move { usage.add(&rows).await.unwrap() }
    })
    .await;
    let all = CONTENDERS as u64;
    let sum = |server| UsageRow {
        calls: 2 * all,
        limited: all,
        spent_nano_usd: 5 * all,
        ..row(1, "k", server)
    };
    assert_eq!(sums(&stores, 1, 2, None).await, [sum("x"), sum("y")]);
}

pub(super) async fn sums_are_of_the_time_that_is_asked_about(stores: Stores) {
    let rows = [
        row(1, "k", "x"),
        row(2, "k", "x"),
        row(2, "j", "x"),
        row(3, "k", "x"),
    ];
    stores.usage.add(&rows).await.unwrap();
    stores.usage.add(&[]).await.unwrap();
    let twice = UsageRow {
        calls: 4,
        limited: 2,
        spent_nano_usd: 10,
        ..row(1, "k", "x")
    };
    let both = sums(&stores, 1, 3, None).await;
    assert_eq!(both, [row(2, "j", "x"), twice.clone()]);
    assert_eq!(sums(&stores, 1, 3, Some("k")).await, [twice]);
    assert_eq!(sums(&stores, 3, 9, None).await, [row(3, "k", "x")]);
    assert_eq!(sums(&stores, 4, 9, None).await, []);
    let (ever, end) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let some = stores.usage.sums(ever, end, None, 1).await.unwrap();
    assert_eq!(some.len(), 1);
}

pub(super) async fn what_somebody_spent_is_told_of_them_alone(stores: Stores) {
    let of_team = UsageRow {
        user_id: "bob".to_owned(),
        team: "ops".to_owned(),
        ..row(3, "j", "y")
    };
    let rows = [
        row(1, "k", "x"),
        row(2, "k", "y"),
        row(2, "j", "x"),
        of_team,
    ];
    stores.usage.add(&rows).await.unwrap();
    for (of, spent) in [
        (UsageOf::Key("k"), 10),
        (UsageOf::Key("j"), 10),
        (UsageOf::User("alice"), 15),
        (UsageOf::User("bob"), 5),
        (UsageOf::Team("ops"), 5),
        (UsageOf::Team("k"), 0),
        (UsageOf::Key("ops"), 0),
    ] {
        assert_eq!(stores.usage.spent(of).await.unwrap(), spent, "{of:?}");
    }
}

pub(super) async fn purging_forgets_only_what_is_older(stores: Stores) {
    let rows = [row(1, "k", "x"), row(2, "k", "x"), row(3, "k", "x")];
    stores.usage.add(&rows).await.unwrap();
    let before = Timestamp::from_millis(2 * HOUR);
    assert_eq!(stores.usage.purge(before).await.unwrap(), 1);
    assert_eq!(stores.usage.purge(before).await.unwrap(), 0);
    let left = sums(&stores, 0, 9, None).await;
    assert_eq!(left[0].calls, 4);
}
