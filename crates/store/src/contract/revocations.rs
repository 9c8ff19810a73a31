//! Obligations of [`crate::RevocationStore`].

use std::sync::Arc;

use portcullis_core::{KeyId, RevocationId, Timestamp, sha256};

use super::at_once;
use crate::{Inserted, Lifted, PageRequest, RevocationRecord, RevokedTarget, Stores};

/// An entry with nothing optional.
pub fn plain_revocation(id: &str) -> RevocationRecord {
    RevocationRecord {
        id: RevocationId::from(id),
        target: RevokedTarget::Token {
            issuer: "https://idp.example".to_owned(),
            jti: format!("jti of {id}"),
        },
        reason: None,
        created_at: Timestamp::from_millis(1),
        created_by: "master".to_owned(),
        until: None,
        lifted: None,
        seal: sha256(b"a seal"),
    }
}

fn until(id: &str, millis: i64) -> RevocationRecord {
    RevocationRecord {
        until: Some(Timestamp::from_millis(millis)),
        ..plain_revocation(id)
    }
}

fn at(millis: i64) -> Lifted {
    Lifted {
        at: Timestamp::from_millis(millis),
        by: "key:admin".to_owned(),
    }
}

async fn add(stores: &Stores, record: &RevocationRecord) {
    let outcome = stores.revocations.add(record).await.unwrap();
    assert_eq!(outcome, Inserted::Stored, "{}", record.id);
}

async fn lift(stores: &Stores, id: &str, millis: i64) -> bool {
    let id = RevocationId::from(id);
    let lifted = at(millis);
    let done = stores.revocations.lift(&id, &lifted, &[7; 32]).await;
    done.unwrap()
}

async fn get(stores: &Stores, id: &str) -> Option<RevocationRecord> {
    let id = RevocationId::from(id);
    stores.revocations.get(&id).await.unwrap()
}

/// The feed of a store that nobody damaged.
async fn changes(stores: &Stores, after: u64, limit: usize) -> Vec<(u64, RevocationRecord)> {
    let changes = stores.revocations.changed_since(after, limit).await;
    let readable = |(change, entry): (u64, crate::ReadRevocation)| (change, entry.unwrap());
    changes.unwrap().into_iter().map(readable).collect()
}

async fn names(stores: &Stores, after: u64, limit: usize) -> Vec<String> {
    let changes = changes(stores, after, limit).await;
    let name = |(_, entry): &(u64, RevocationRecord)| entry.id.to_string();
    changes.iter().map(name).collect()
}

async fn listed(stores: &Stores, now: i64) -> Vec<String> {
    let now = Timestamp::from_millis(now);
    let page = stores.revocations.list(now, &PageRequest::first(100)).await;
    let listed: Vec<String> = page
        .unwrap()
        .items
        .into_iter()
        .map(|entry| entry.unwrap().id.to_string())
        .collect();
    let mut standing = stores.revocations.standing(now).await.unwrap();
    standing.sort();
    let standing: Vec<String> = standing.iter().map(ToString::to_string).collect();
    assert_eq!(listed, standing);
    listed
}

pub(super) async fn every_kind_of_entry_comes_back_as_it_was_stored(stores: Stores) {
    let before = Timestamp::from_millis(-5);
    let odd = "' OR '1'='1\n%_\\ 数据🗝";
    let issuer = || format!("https://idp.example/{odd}");
    let targets = [
        RevokedTarget::Key {
            id: KeyId::from("file:ci"),
        },
        RevokedTarget::User {
            user_id: odd.to_owned(),
            before,
        },
        RevokedTarget::Token {
            issuer: issuer(),
            jti: odd.to_owned(),
        },
        RevokedTarget::Session {
            issuer: issuer(),
            sid: odd.to_owned(),
        },
        RevokedTarget::Subject {
            issuer: issuer(),
            sub: odd.to_owned(),
            before,
        },
        RevokedTarget::Issuer {
            issuer: issuer(),
            before: Timestamp::from_millis(i64::MAX),
        },
    ];
    for (number, target) in targets.into_iter().enumerate() {
        let record = RevocationRecord {
            target,
            reason: Some(odd.to_owned()),
            created_by: odd.to_owned(),
            until: Some(Timestamp::from_millis(i64::MAX)),
            lifted: None,
            ..plain_revocation(&format!("r{number}"))
        };
        add(&stores, &record).await;
        assert_eq!(get(&stores, record.id.as_str()).await, Some(record));
    }
    let plain = plain_revocation("plain");
    add(&stores, &plain).await;
    assert_eq!(get(&stores, "plain").await, Some(plain));
    assert_eq!(get(&stores, "nobody").await, None);
}

pub(super) async fn of_many_adds_of_one_id_exactly_one_is_stored(stores: Stores) {
    let outcomes = at_once(|number| {
        let revocations = Arc::clone(&stores.revocations);
        let record = RevocationRecord {
            reason: Some(number.to_string()),
            ..plain_revocation("same")
        };
        async move { revocations.add(&record).await.unwrap() }
    })
    .await;
    let stored = outcomes.iter().filter(|one| **one == Inserted::Stored);
    assert_eq!(stored.count(), 1, "{outcomes:?}");
    assert_eq!(changes(&stores, 0, 100).await.len(), 1);
}

pub(super) async fn two_entries_may_refuse_the_same(stores: Stores) {
    let first = plain_revocation("r1");
    let second = RevocationRecord {
        id: RevocationId::from("r2"),
        ..first.clone()
    };
    add(&stores, &first).await;
    add(&stores, &second).await;
    assert!(lift(&stores, "r1", 5).await);
    assert_eq!(listed(&stores, 10).await, ["r2"]);
}

pub(super) async fn the_first_lift_wins_and_is_told_to_readers(stores: Stores) {
    let record = plain_revocation("r1");
    add(&stores, &record).await;
    let seen = changes(&stores, 0, 10).await[0].0;
    assert!(lift(&stores, "r1", 50).await);
    assert!(!lift(&stores, "r1", 60).await, "lifted before");
    assert!(!lift(&stores, "nobody", 60).await);
    let lifted = RevocationRecord {
        lifted: Some(at(50)),
        seal: [7; 32],
        ..record.clone()
    };
    assert_eq!(get(&stores, "r1").await.as_ref(), Some(&lifted));
    let news = changes(&stores, seen, 10).await;
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].1, lifted);
    assert_eq!(changes(&stores, 0, 10).await.len(), 1, "it appears once");
    let again = stores.revocations.add(&record).await.unwrap();
    assert_eq!(again, Inserted::Duplicate);
}

pub(super) async fn only_what_still_refuses_is_listed(stores: Stores) {
    add(&stores, &until("a", 1000)).await;
    add(&stores, &until("b", 1001)).await;
    add(&stores, &plain_revocation("c")).await;
    add(&stores, &plain_revocation("d")).await;
    assert!(lift(&stores, "d", 5).await);
    assert_eq!(listed(&stores, 999).await, ["a", "b", "c"]);
    assert_eq!(listed(&stores, 1000).await, ["b", "c"]);
    assert_eq!(listed(&stores, 5000).await, ["c"]);
}

pub(super) async fn pages_cover_every_entry_once_in_order(stores: Stores) {
    let ids = ["B", "a", "a0", "b", "z"];
    for id in ids.iter().rev() {
        add(&stores, &plain_revocation(id)).await;
    }
    add(&stores, &until("a1", 5)).await;
    let now = Timestamp::from_millis(5);
    for limit in 1..=6 {
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(limit));
        loop {
            let part = stores.revocations.list(now, &page).await.unwrap();
            assert!(part.items.len() <= limit);
            let items = part.items.into_iter();
            seen.extend(items.map(|entry| entry.unwrap().id.to_string()));
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids, "pages of {limit}");
    }
}

pub(super) async fn the_feed_reports_in_order_and_resumes(stores: Stores) {
    for id in ["c", "a", "b"] {
        add(&stores, &plain_revocation(id)).await;
    }
    let first = changes(&stores, 0, 2).await;
    assert_eq!(names(&stores, 0, 2).await, ["c", "a"]);
    assert!(0 < first[0].0 && first[0].0 < first[1].0);
    assert!(lift(&stores, "c", 9).await);
    assert_eq!(names(&stores, first[1].0, 10).await, ["b", "c"]);
}

pub(super) async fn purging_forgets_what_is_over_and_what_was_lifted_long_ago(stores: Stores) {
    for (id, end) in [("a", 999), ("b", 1000), ("c", 1001)] {
        add(&stores, &until(id, end)).await;
    }
    for (id, end) in [("d", 399), ("e", 400)] {
        add(&stores, &plain_revocation(id)).await;
        assert!(lift(&stores, id, end).await);
    }
    let (now, lifted) = (Timestamp::from_millis(1000), Timestamp::from_millis(400));
    assert_eq!(stores.revocations.purge(now, lifted).await.unwrap(), 2);
    assert_eq!(stores.revocations.purge(now, lifted).await.unwrap(), 0);
    assert_eq!(names(&stores, 0, 10).await, ["b", "c", "e"]);
    let seen = changes(&stores, 0, 10).await[2].0;
    let all = Timestamp::from_millis(i64::MAX);
    assert_eq!(stores.revocations.purge(all, all).await.unwrap(), 3);
    add(&stores, &plain_revocation("f")).await;
    assert_eq!(
        names(&stores, seen, 10).await,
        ["f"],
        "a reader at {seen} must see the next entry"
    );
}
