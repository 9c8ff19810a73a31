//! Obligations of [`DirectoryStore`](crate::DirectoryStore).

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::{Entered, EntryKind, EntryRecord, PageRequest, Stores};

fn entry(kind: EntryKind, id: &str, version: u64) -> EntryRecord {
    EntryRecord {
        kind,
        id: id.to_owned(),
        name: None,
        version,
        body: format!(r#"{{"said":{version}}}"#),
        deleted: false,
        changed_at: Timestamp::from_millis(1_000_001),
        changed_by: "key:admin".to_owned(),
        seal: [7; 32],
    }
}

fn team(id: &str, version: u64) -> EntryRecord {
    entry(EntryKind::Team, id, version)
}

fn toolset(id: &str, name: &str) -> EntryRecord {
    EntryRecord {
        name: Some(name.to_owned()),
        ..entry(EntryKind::Toolset, id, 1)
    }
}

async fn changes(stores: &Stores, after: u64, limit: usize) -> Vec<(u64, EntryRecord)> {
    let changes = stores.directory.changed_since(after, limit).await.unwrap();
    let read = changes.into_iter();
    read.map(|(change, record)| (change, record.unwrap()))
        .collect()
}

pub(super) async fn an_entry_comes_back_as_it_was_entered(stores: Stores) {
    for kind in EntryKind::ALL {
        let whole = EntryRecord {
            name: Some("Ünïcode ✓".to_owned()),
            ..entry(kind, "a ' \" ; id", 1)
        };
        let bare = entry(kind, "bare", 1);
        for record in [whole, bare] {
            assert_eq!(
                stores.directory.enter(&record).await.unwrap(),
                Entered::Stored
            );
            let found = stores.directory.get(kind, &record.id).await.unwrap();
            assert_eq!(found, Some(record));
        }
        assert_eq!(stores.directory.get(kind, "nobody").await.unwrap(), None);
    }
}

pub(super) async fn an_entry_is_changed_from_the_version_before_only(stores: Stores) {
    let directory = &stores.directory;
    assert_eq!(
        directory.enter(&team("a", 2)).await.unwrap(),
        Entered::Stale
    );
    assert_eq!(
        directory.enter(&team("a", 0)).await.unwrap(),
        Entered::Stale
    );
    assert_eq!(directory.get(EntryKind::Team, "a").await.unwrap(), None);
    assert_eq!(
        directory.enter(&team("a", 1)).await.unwrap(),
        Entered::Stored
    );
    for version in [0, 1, 3] {
        let stale = EntryRecord {
            body: "{}".to_owned(),
            ..team("a", version)
        };
        assert_eq!(directory.enter(&stale).await.unwrap(), Entered::Stale);
    }
    assert_eq!(
        directory.get(EntryKind::Team, "a").await.unwrap(),
        Some(team("a", 1))
    );
    assert_eq!(
        directory.enter(&team("a", 2)).await.unwrap(),
        Entered::Stored
    );
    assert_eq!(
        directory.get(EntryKind::Team, "a").await.unwrap(),
        Some(team("a", 2))
    );
    assert_eq!(changes(&stores, 0, 10).await.len(), 1);
}

pub(super) async fn of_many_changes_to_one_version_exactly_one_is_stored(stores: Stores) {
    for version in [1, 2] {
        let entered = at_once(|number| {
            let directory = Arc::clone(&stores.directory);
            let record = EntryRecord {
                changed_by: number.to_string(),
                ..team("a", version)
            };
            async move { directory.enter(&record).await.unwrap() }
        })
        .await;
        let stored = entered.iter().filter(|one| **one == Entered::Stored);
        assert_eq!(stored.count(), 1, "{entered:?}");
        assert!(!entered.contains(&Entered::NameTaken));
    }
}

pub(super) async fn of_many_entries_of_one_name_exactly_one_is_stored(stores: Stores) {
    let entered = at_once(|number| {
        let directory = Arc::clone(&stores.directory);
        let record = toolset(&number.to_string(), "support");
        async move { directory.enter(&record).await.unwrap() }
    })
    .await;
    let stored = entered.iter().filter(|one| **one == Entered::Stored);
    assert_eq!(stored.count(), 1, "{entered:?}");
    assert!(!entered.contains(&Entered::Stale), "{entered:?}");
}

pub(super) async fn a_name_is_free_when_its_entry_is_deleted(stores: Stores) {
    let directory = &stores.directory;
    assert_eq!(
        directory.enter(&toolset("1", "a")).await.unwrap(),
        Entered::Stored
    );
    assert_eq!(
        directory.enter(&toolset("2", "a")).await.unwrap(),
        Entered::NameTaken
    );
    assert_eq!(
        directory.enter(&toolset("2", "b")).await.unwrap(),
        Entered::Stored
    );
    let renamed = EntryRecord {
        version: 2,
        ..toolset("2", "a")
    };
    assert_eq!(directory.enter(&renamed).await.unwrap(), Entered::NameTaken);
    let other_kind = EntryRecord {
        kind: EntryKind::Team,
        ..toolset("1", "a")
    };
    assert_eq!(directory.enter(&other_kind).await.unwrap(), Entered::Stored);
    let deleted = EntryRecord {
        version: 2,
        name: None,
        body: String::new(),
        deleted: true,
        ..toolset("1", "a")
    };
    assert_eq!(directory.enter(&deleted).await.unwrap(), Entered::Stored);
    assert_eq!(directory.enter(&renamed).await.unwrap(), Entered::Stored);
}

pub(super) async fn pages_cover_every_standing_entry_of_a_kind_once_in_order(stores: Stores) {
    let directory = &stores.directory;
    for id in ["b", "a", "d", "c", "e"] {
        directory.enter(&team(id, 1)).await.unwrap();
    }
    directory
        .enter(&entry(EntryKind::Organization, "z", 1))
        .await
        .unwrap();
    let deleted = EntryRecord {
        deleted: true,
        ..team("c", 2)
    };
    directory.enter(&deleted).await.unwrap();
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 2 };
        let page = directory.list(EntryKind::Team, &page).await.unwrap();
        assert!(page.items.len() <= 2);
        ids.extend(page.items.into_iter().map(|read| read.unwrap().id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["a", "b", "d", "e"]);
    let first = PageRequest::first(10);
    let others = directory.list(EntryKind::User, &first).await.unwrap();
    assert!(others.items.is_empty());
}

pub(super) async fn the_feed_reports_in_order_and_resumes(stores: Stores) {
    let directory = &stores.directory;
    directory.enter(&team("a", 1)).await.unwrap();
    directory.enter(&team("b", 1)).await.unwrap();
    let first = changes(&stores, 0, 1).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1, team("a", 1));
    let rest = changes(&stores, first[0].0, 10).await;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].1, team("b", 1));
    let deleted = EntryRecord {
        deleted: true,
        body: String::new(),
        ..team("a", 2)
    };
    directory.enter(&deleted).await.unwrap();
    // What changed twice appears once, with its last change.
    let all = changes(&stores, 0, 10).await;
    let (numbers, records): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert!(numbers.is_sorted());
    assert_eq!(records, [team("b", 1), deleted]);
    let last = numbers[1];
    assert!(changes(&stores, last, 10).await.is_empty());
    // What was refused is no change.
    directory.enter(&team("a", 9)).await.unwrap();
    assert!(changes(&stores, last, 10).await.is_empty());
}
