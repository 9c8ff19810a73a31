//! Obligations of [`crate::PinStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::{PinChange, PinObjects, PinPlace, PinRecord, Stores};

fn place(name: &str) -> PinPlace {
    PinPlace {
        server: "s".into(),
        kind: "tool".to_owned(),
        name: name.to_owned(),
    }
}

/// The first sight of a tool, or what follows.
fn change(name: &str, version: u64) -> PinChange {
    PinChange {
        record: PinRecord {
            place: place(name),
            pinned: Some([1; 32]),
            seen: None,
            version,
            changed_at: Timestamp::from_millis(7),
            changed_by: String::new(),
            seal: [9; 32],
        },
        pinned: Some(format!("{{\"name\":\"{name}\"}}")),
        seen: None,
        follows: Some(version - 1).filter(|before| *before > 0),
    }
}

async fn put(stores: &Stores, changes: &[PinChange]) -> Vec<bool> {
    stores.pins.put(changes).await.unwrap()
}

async fn changes(stores: &Stores, after: u64, limit: usize) -> Vec<(u64, PinRecord)> {
    stores.pins.changed_since(after, limit).await.unwrap()
}

pub(super) async fn a_pin_comes_back_as_it_was_written(stores: Stores) {
    let odd = "' OR '1'='1\n%_\\ 数据🗝";
    let mut written = change(odd, 1);
    written.record.place.server = odd.into();
    written.record.place.kind = odd.to_owned();
    written.record.changed_by = odd.to_owned();
    written.record.seen = Some([2; 32]);
    written.seen = Some(odd.to_owned());
    assert_eq!(put(&stores, &[written.clone()]).await, [true]);
    let at = &written.record.place;
    let (record, objects) = stores.pins.get(at).await.unwrap().unwrap();
    assert_eq!(record, written.record);
    let expected = PinObjects {
        pinned: written.pinned.clone().unwrap(),
        seen: written.seen.clone(),
    };
    assert_eq!(objects, expected);
    assert_eq!(stores.pins.get(&place(odd)).await.unwrap(), None);
}

pub(super) async fn the_pinned_object_stays_until_another_is_written(stores: Stores) {
    assert_eq!(put(&stores, &[change("a", 1)]).await, [true]);
    let drifted = PinChange {
        pinned: None,
        seen: Some("{\"name\":\"a\",\"x\":1}".to_owned()),
        ..change("a", 2)
    };
    assert_eq!(put(&stores, std::slice::from_ref(&drifted)).await, [true]);
    let objects = async || stores.pins.get(&place("a")).await.unwrap().unwrap().1;
    let both = objects().await;
    assert_eq!(both.pinned, change("a", 1).pinned.unwrap());
    assert_eq!(both.seen, drifted.seen);
    let mut forgotten = change("a", 3);
    forgotten.record.pinned = None;
    forgotten.pinned = Some(String::new());
    assert_eq!(put(&stores, &[forgotten.clone()]).await, [true]);
    assert_eq!(objects().await, PinObjects::default());
    let (record, _) = stores.pins.get(&place("a")).await.unwrap().unwrap();
    assert_eq!(record, forgotten.record);
}

pub(super) async fn of_many_who_see_one_thing_first_exactly_one_pins_it(stores: Stores) {
    for version in [1, 2, 3] {
        let written = at_once(|number| {
            let pins = Arc::clone(&stores.pins);
            let mut change = change("a", version);
            change.record.changed_by = number.to_string();
            async move { pins.put(&[change]).await.unwrap() }
        })
        .await;
        let won = written.iter().filter(|written| **written == [true]);
        assert_eq!(won.count(), 1, "{version}");
    }
    assert_eq!(changes(&stores, 0, 10).await.len(), 1);
}

pub(super) async fn one_that_is_late_hinders_no_other(stores: Stores) {
    assert_eq!(put(&stores, &[change("b", 1)]).await, [true]);
    let three = ["a", "b", "c"].map(|name| change(name, 1));
    assert_eq!(put(&stores, &three).await, [true, false, true]);
    let mut unseen = change("d", 5);
    unseen.follows = Some(4);
    assert_eq!(put(&stores, &[unseen, change("b", 2)]).await, [false, true]);
    let names: Vec<String> = changes(&stores, 0, 10)
        .await
        .into_iter()
        .map(|(_, record)| record.place.name)
        .collect();
    assert_eq!(names, ["a", "c", "b"]);
    assert_eq!(put(&stores, &[]).await, [] as [bool; 0]);
}

pub(super) async fn many_who_write_in_any_order_all_come_to_an_end(stores: Stores) {
    let written = at_once(|number| {
        let pins = Arc::clone(&stores.pins);
        let mut names: Vec<String> = (0..20).map(|name| format!("t{name}")).collect();
        names.rotate_left(number);
        let all: Vec<PinChange> = names.iter().map(|name| change(name, 1)).collect();
        async move { pins.put(&all).await.unwrap() }
    })
    .await;
    let won = written.into_iter().flatten().filter(|written| *written);
    assert_eq!(won.count(), 20);
    assert_eq!(changes(&stores, 0, 100).await.len(), 20);
}

pub(super) async fn the_feed_reports_in_order_and_resumes(stores: Stores) {
    for name in ["c", "a", "b"] {
        assert_eq!(put(&stores, &[change(name, 1)]).await, [true]);
    }
    let names = |changes: &[(u64, PinRecord)]| {
        let name = |(_, record): &(u64, PinRecord)| record.place.name.clone();
        changes.iter().map(name).collect::<Vec<_>>()
    };
    let first = changes(&stores, 0, 2).await;
    assert_eq!(names(&first), ["c", "a"]);
    assert!(0 < first[0].0 && first[0].0 < first[1].0);
    assert_eq!(put(&stores, &[change("c", 2)]).await, [true]);
    let rest = changes(&stores, first[1].0, 10).await;
    assert_eq!(names(&rest), ["b", "c"]);
    assert_eq!(rest[1].1, change("c", 2).record);
}
