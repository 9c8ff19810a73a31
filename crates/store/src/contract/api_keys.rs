//! Obligations of [`crate::ApiKeyStore`].

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::{
    KeyId, Role, ScopeSet, ServerGrants, ServerId, Timestamp, ToolGrants, sha256,
};

use super::at_once;
use crate::{ApiKeyRecord, Inserted, PageRequest, Replaced, Stores};

/// A key with nothing optional.
pub fn plain_key(id: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::from(id),
        mac: sha256(id.as_bytes()),
        alias: None,
        user_id: None,
        team: None,
        org: None,
        role: Role::User,
        grants: ServerGrants::default(),
        scopes: ScopeSet::default(),
        created_at: Timestamp::from_millis(1),
        created_by: "master".to_owned(),
        expires_at: None,
        revoked_at: None,
        metadata: "{}".to_owned(),
        seal: sha256(b"a seal"),
    }
}

fn full_key(id: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        alias: Some(format!("alias of {id}")),
        user_id: Some("alice@example.com".to_owned()),
        team: Some("plattform-größe".to_owned()),
        org: Some("組織".to_owned()),
        role: Role::Admin,
        grants: ServerGrants {
            all: true,
            servers: BTreeSet::from([ServerId::from("git\"hub"), ServerId::from("jira")]),
            access_groups: BTreeSet::from(["dev,ops".to_owned(), "x y".to_owned()]),
            none: true,
            of_team: true,
            toolsets: BTreeSet::from(["support".to_owned()]),
            toolset_tools: Arc::default(),
            tools: ToolGrants {
                permissions: [("jira".into(), BTreeSet::from(["*".to_owned()]))].into(),
                blocked: BTreeSet::from(["jira/delete".to_owned()]),
            },
        },
        scopes: "tools:call tools:read".parse().unwrap(),
        expires_at: Some(Timestamp::from_millis(i64::MAX)),
        revoked_at: Some(Timestamp::from_millis(-7)),
        metadata: r#"{"cost":"1.5","名":["🗝",null]}"#.to_owned(),
        ..plain_key(id)
    }
}

async fn insert(stores: &Stores, record: &ApiKeyRecord) {
    let outcome = stores.api_keys.insert(record).await.unwrap();
    assert_eq!(outcome, Inserted::Stored, "{}", record.id);
}

async fn all_ids(stores: &Stores) -> Vec<String> {
    let page = stores
        .api_keys
        .list(&PageRequest::first(1000))
        .await
        .unwrap();
    let items = page.items.into_iter();
    items.map(|key| key.unwrap().id.to_string()).collect()
}

/// The feed of a store that nobody damaged.
async fn changes(stores: &Stores, after: u64, limit: usize) -> Vec<(u64, ApiKeyRecord)> {
    let changes = stores.api_keys.changed_since(after, limit).await.unwrap();
    let readable = |(change, key): crate::KeyChange| (change, key.unwrap());
    changes.into_iter().map(readable).collect()
}

async fn comes_back(stores: &Stores, record: ApiKeyRecord) {
    insert(stores, &record).await;
    assert_eq!(
        stores.api_keys.get(&record.id).await.unwrap().as_ref(),
        Some(&record)
    );
    let listed = stores.api_keys.list(&PageRequest::first(10)).await.unwrap();
    let items: Vec<_> = listed.items.into_iter().map(Result::unwrap).collect();
    assert_eq!(items, std::slice::from_ref(&record));
    assert_eq!(listed.next, None);
    let feed = changes(stores, 0, 10).await;
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1, record);
}

pub(super) async fn a_key_comes_back_as_it_was_stored(stores: Stores) {
    comes_back(&stores, full_key("k1")).await;
}

pub(super) async fn a_key_with_nothing_optional_comes_back_as_it_was_stored(stores: Stores) {
    comes_back(&stores, plain_key("k1")).await;
}

async fn exactly_one_is_stored(stores: &Stores, make: impl Fn(usize) -> ApiKeyRecord) {
    let outcomes = at_once(|number| {
        let (keys, record) = (Arc::clone(&stores.api_keys), make(number));
        async move { keys.insert(&record).await.unwrap() }
    })
    .await;
    let stored = outcomes
        .iter()
        .filter(|outcome| **outcome == Inserted::Stored)
        .count();
    assert_eq!(stored, 1, "{outcomes:?}");
    assert_eq!(all_ids(stores).await.len(), 1);
    assert_eq!(changes(stores, 0, 100).await.len(), 1);
}

pub(super) async fn of_many_inserts_of_one_id_exactly_one_is_stored(stores: Stores) {
    exactly_one_is_stored(&stores, |number| ApiKeyRecord {
        mac: sha256(&number.to_be_bytes()),
        ..plain_key("same")
    })
    .await;
}

pub(super) async fn of_many_inserts_of_one_mac_exactly_one_is_stored(stores: Stores) {
    exactly_one_is_stored(&stores, |number| ApiKeyRecord {
        mac: [9; 32],
        ..plain_key(&format!("k{number}"))
    })
    .await;
}

pub(super) async fn of_many_inserts_of_one_alias_exactly_one_is_stored(stores: Stores) {
    exactly_one_is_stored(&stores, |number| ApiKeyRecord {
        alias: Some("ci".to_owned()),
        ..plain_key(&format!("k{number}"))
    })
    .await;
}

pub(super) async fn a_refused_insert_changes_nothing(stores: Stores) {
    let first = full_key("k1");
    insert(&stores, &first).await;
    let thief = ApiKeyRecord {
        mac: [1; 32],
        role: Role::Admin,
        ..plain_key("k1")
    };
    assert_eq!(
        stores.api_keys.insert(&thief).await.unwrap(),
        Inserted::Duplicate
    );
    assert_eq!(
        stores.api_keys.insert(&first).await.unwrap(),
        Inserted::Duplicate
    );
    assert_eq!(stores.api_keys.get(&first.id).await.unwrap(), Some(first));
    let feed = changes(&stores, 0, 10).await;
    assert_eq!(feed.len(), 1);
    // The alias and MAC that only the refused key had are still free.
    insert(
        &stores,
        &ApiKeyRecord {
            mac: [1; 32],
            ..plain_key("k2")
        },
    )
    .await;
    let news = changes(&stores, feed[0].0, 10).await;
    assert_eq!(news.len(), 1);
}

pub(super) async fn keys_without_alias_do_not_collide(stores: Stores) {
    insert(&stores, &plain_key("k1")).await;
    insert(&stores, &plain_key("k2")).await;
    assert_eq!(all_ids(&stores).await, ["k1", "k2"]);
}

pub(super) async fn an_unknown_key_is_none(stores: Stores) {
    let nobody = KeyId::from("nobody");
    assert_eq!(stores.api_keys.get(&nobody).await.unwrap(), None);
    let now = Timestamp::from_millis(5);
    assert_eq!(stores.api_keys.revoke(&nobody, now).await.unwrap(), None);
}

pub(super) async fn the_first_revocation_wins(stores: Stores) {
    let record = plain_key("k1");
    insert(&stores, &record).await;
    for now in [50, 60] {
        let revoked = stores
            .api_keys
            .revoke(&record.id, Timestamp::from_millis(now))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(revoked.revoked_at, Some(Timestamp::from_millis(50)));
    }
    let stored = stores.api_keys.get(&record.id).await.unwrap().unwrap();
    assert_eq!(stored.revoked_at, Some(Timestamp::from_millis(50)));
    let again = stores.api_keys.insert(&record).await.unwrap();
    assert_eq!(
        again,
        Inserted::Duplicate,
        "a revoked key cannot be brought back"
    );
}

pub(super) async fn concurrent_revocations_agree(stores: Stores) {
    insert(&stores, &plain_key("k1")).await;
    let times = at_once(|number| {
        let keys = Arc::clone(&stores.api_keys);
        let now = Timestamp::from_millis(i64::try_from(number).unwrap());
        async move {
            let revoked = keys.revoke(&KeyId::from("k1"), now).await.unwrap();
            revoked.unwrap().revoked_at
        }
    })
    .await;
    assert!(times[0].is_some());
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
    let feed = changes(&stores, 0, 10).await;
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1.revoked_at, times[0]);
}

pub(super) async fn pages_cover_every_key_once_in_order(stores: Stores) {
    let ids = ["B", "a", "a0", "b", "z", "é", "日本"];
    for id in ids.iter().rev() {
        insert(&stores, &plain_key(id)).await;
    }
    for limit in 1..=8 {
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(limit));
        loop {
            let part = stores.api_keys.list(&page).await.unwrap();
            assert!(part.items.len() <= limit);
            let items = part.items.into_iter();
            seen.extend(items.map(|key| key.unwrap().id.to_string()));
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids, "pages of {limit}");
    }
}

pub(super) async fn a_page_limit_is_at_least_one(stores: Stores) {
    insert(&stores, &plain_key("k1")).await;
    insert(&stores, &plain_key("k2")).await;
    let page = stores.api_keys.list(&PageRequest::first(0)).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.next.as_deref(), Some("k1"));
    let huge = stores
        .api_keys
        .list(&PageRequest::first(usize::MAX))
        .await
        .unwrap();
    assert_eq!(huge.items.len(), 2);
}

pub(super) async fn the_change_feed_reports_in_order_and_resumes(stores: Stores) {
    for id in ["c", "a", "b"] {
        insert(&stores, &plain_key(id)).await;
    }
    let first = changes(&stores, 0, 2).await;
    let names: Vec<_> = first.iter().map(|(_, key)| key.id.as_str()).collect();
    assert_eq!(names, ["c", "a"]);
    assert!(0 < first[0].0 && first[0].0 < first[1].0);
    let now = Timestamp::from_millis(9);
    stores
        .api_keys
        .revoke(&KeyId::from("c"), now)
        .await
        .unwrap();
    let rest = changes(&stores, first[1].0, 10).await;
    let names: Vec<_> = rest.iter().map(|(_, key)| key.id.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(rest[1].1.revoked_at, Some(now));
    stores
        .api_keys
        .revoke(&KeyId::from("c"), now)
        .await
        .unwrap();
    let none = changes(&stores, rest[1].0, 10).await;
    assert_eq!(none, [], "a repeated revocation is no change");
}

pub(super) async fn a_reader_of_the_change_feed_misses_no_concurrent_insert(stores: Stores) {
    let reader = {
        let keys = Arc::clone(&stores.api_keys);
        async move {
            let (mut after, mut seen) = (0, BTreeSet::new());
            while seen.len() < super::CONTENDERS * 4 {
                for (change, key) in keys.changed_since(after, 3).await.unwrap() {
                    assert!(change > after);
                    after = change;
                    seen.insert(key.unwrap().id.to_string());
                }
                tokio::task::yield_now().await;
            }
            seen.len()
        }
    };
    let writers = at_once(|number| {
        let stores = stores.clone();
        async move {
            for round in 0..4 {
                insert(&stores, &plain_key(&format!("k{number}-{round}"))).await;
            }
        }
    });
    // A reader that skipped an insert would never see the full count.
    let patience = std::time::Duration::from_secs(30);
    let (seen, _) = tokio::time::timeout(patience, async { tokio::join!(reader, writers) })
        .await
        .unwrap();
    assert_eq!(seen, super::CONTENDERS * 4);
}

pub(super) async fn names_may_be_any_text(stores: Stores) {
    let texts = [
        "' OR '1'='1",
        "'; DROP TABLE api_keys; --",
        "数据🗝",
        "$1",
        "%_\\",
    ];
    for text in texts {
        let record = ApiKeyRecord {
            alias: Some(text.to_owned()),
            created_by: text.to_owned(),
            ..plain_key(text)
        };
        insert(&stores, &record).await;
        assert_eq!(stores.api_keys.get(&record.id).await.unwrap(), Some(record));
    }
    assert_eq!(all_ids(&stores).await.len(), texts.len());
}

/// The same key with other rights, sealed anew.
fn changed(record: &ApiKeyRecord, seal: &[u8]) -> ApiKeyRecord {
    ApiKeyRecord {
        id: record.id.clone(),
        mac: record.mac,
        revoked_at: None,
        seal: sha256(seal),
        ..full_key("another")
    }
}

pub(super) async fn a_key_is_replaced_as_it_was_seen_only(stores: Stores) {
    let before = plain_key("k1");
    insert(&stores, &before).await;
    let (_, feed) = changes(&stores, 0, 10).await.remove(0);
    assert_eq!(feed, before);
    let after = changed(&before, b"second");
    let elsewhere = ApiKeyRecord {
        mac: sha256(b"another key"),
        ..after.clone()
    };
    let keys = &stores.api_keys;
    for (record, seen) in [
        (&after, sha256(b"not its seal")),
        (&elsewhere, before.seal),
        (&changed(&plain_key("nobody"), b"x"), before.seal),
    ] {
        assert_eq!(keys.replace(record, &seen).await.unwrap(), Replaced::Stale);
    }
    assert_eq!(keys.get(&before.id).await.unwrap().as_ref(), Some(&before));
    let replaced = keys.replace(&after, &before.seal).await.unwrap();
    assert_eq!(replaced, Replaced::Stored);
    assert_eq!(keys.get(&before.id).await.unwrap().as_ref(), Some(&after));
    let feed = changes(&stores, 0, 10).await;
    assert_eq!((feed.len(), &feed[0].1), (1, &after));
    // Its alias is taken, and the one before it is free.
    let other = ApiKeyRecord {
        alias: after.alias.clone(),
        ..plain_key("k2")
    };
    assert_eq!(keys.insert(&other).await.unwrap(), Inserted::Duplicate);
    insert(&stores, &plain_key("k2")).await;
    let renamed = ApiKeyRecord {
        seal: sha256(b"third"),
        ..other
    };
    let taken = keys.replace(&renamed, &plain_key("k2").seal).await.unwrap();
    assert_eq!(taken, Replaced::AliasTaken);
    assert_eq!(changes(&stores, 0, 10).await.len(), 2);
}

pub(super) async fn of_many_replacements_of_one_key_exactly_one_is_stored(stores: Stores) {
    let before = plain_key("k1");
    insert(&stores, &before).await;
    let outcomes = at_once(|number| {
        let keys = Arc::clone(&stores.api_keys);
        let (record, seen) = (changed(&before, &number.to_be_bytes()), before.seal);
        async move { keys.replace(&record, &seen).await.unwrap() }
    })
    .await;
    let stored = outcomes.iter().filter(|one| **one == Replaced::Stored);
    assert_eq!(stored.count(), 1, "{outcomes:?}");
}

pub(super) async fn a_revoked_key_is_not_replaced(stores: Stores) {
    let before = plain_key("k1");
    insert(&stores, &before).await;
    let keys = &stores.api_keys;
    let now = Timestamp::from_millis(5);
    let revoked = keys.revoke(&before.id, now).await.unwrap();
    let after = changed(&before, b"second");
    let outcome = keys.replace(&after, &before.seal).await.unwrap();
    assert_eq!(outcome, Replaced::Stale);
    assert_eq!(keys.get(&before.id).await.unwrap(), revoked);
}
