//! Obligations of [`crate::ApprovalStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{
    ApprovalRecord, ApprovalRoom, ApprovalState, Asked, Decided, Page, PageRequest, Stores,
};

const ROOM: ApprovalRoom = ApprovalRoom {
    of_all: 100,
    of_one: 50,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Waits from 0 to 1000.
fn record(number: u8) -> ApprovalRecord {
    ApprovalRecord {
        id: format!("{number:04}").as_str().into(),
        subject: sha256(&[number]),
        owner: "alice".to_owned(),
        principal: "key:alice".into(),
        server: "github".into(),
        sealed: "sealed ü".to_owned(),
        state: ApprovalState::Pending,
        asked_at: at(0),
        expires_at: at(1000),
        decision: None,
    }
}

async fn ask(stores: &Stores, record: &ApprovalRecord, now: i64) -> Asked {
    let asked = stores.approvals.ask(record, ROOM, at(now)).await;
    asked.unwrap()
}

async fn grant(stores: &Stores, record: &ApprovalRecord, until: i64, now: i64) -> Decided {
    let decided = stores
        .approvals
        .decide(&record.id, true, "sealed decision", at(until), at(now))
        .await;
    decided.unwrap()
}

pub(super) async fn an_approval_comes_back_as_it_was_asked_for(stores: Stores) {
    let one = record(1);
    assert_eq!(ask(&stores, &one, 0).await, Asked::New);
    let found = stores.approvals.get(&one.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&one));
    let found = stores.approvals.find(&one.subject, at(999)).await.unwrap();
    assert_eq!(found, Some(one.clone()));
    let over = stores.approvals.find(&one.subject, at(1000)).await.unwrap();
    assert_eq!(over, None);
    assert_eq!(stores.approvals.get(&"none".into()).await.unwrap(), None);
    grant(&stores, &one, 2000, 5).await;
    let decided = ApprovalRecord {
        state: ApprovalState::Granted,
        expires_at: at(2000),
        decision: Some("sealed decision".to_owned()),
        ..one.clone()
    };
    assert_eq!(stores.approvals.get(&one.id).await.unwrap(), Some(decided));
}

pub(super) async fn of_many_who_ask_for_the_same_exactly_one_asks(stores: Stores) {
    let asked = at_once(|number| {
        let approvals = Arc::clone(&stores.approvals);
        async move {
            let one = ApprovalRecord {
                id: format!("id-{number}").as_str().into(),
                ..record(1)
            };
            (
                one.id.clone(),
                approvals.ask(&one, ROOM, at(0)).await.unwrap(),
            )
        }
    })
    .await;
    let first: Vec<_> = asked.iter().filter(|(_, one)| *one == Asked::New).collect();
    assert_eq!(first.len(), 1, "{asked:?}");
    let winner = &first[0].0;
    for (id, one) in &asked {
        match one {
            Asked::New => assert_eq!(id, winner),
            Asked::There(there) => assert_eq!(&there.id, winner),
            Asked::Full => panic!("there is room"),
        }
    }
}

pub(super) async fn what_is_over_or_used_is_asked_for_anew(stores: Stores) {
    let again = |number: u8, expires| ApprovalRecord {
        id: format!("again-{number}").as_str().into(),
        expires_at: at(expires),
        ..record(1)
    };
    ask(&stores, &record(1), 0).await;
    assert!(matches!(
        ask(&stores, &again(1, 2000), 999).await,
        Asked::There(_)
    ));
    assert_eq!(ask(&stores, &again(1, 2000), 1000).await, Asked::New);
    grant(&stores, &again(1, 0), 3000, 1500).await;
    assert!(matches!(
        ask(&stores, &again(2, 4000), 2500).await,
        Asked::There(_)
    ));
    let subject = record(1).subject;
    let id = again(1, 0).id;
    assert!(
        stores
            .approvals
            .redeem(&id, &subject, at(2600))
            .await
            .unwrap()
    );
    assert_eq!(ask(&stores, &again(2, 4000), 2700).await, Asked::New);
    // One that was refused stands until its time is over.
    let denied = stores
        .approvals
        .decide(&again(2, 0).id, false, "no", at(5000), at(2800))
        .await;
    assert_eq!(denied.unwrap(), Decided::Done);
    assert!(matches!(
        ask(&stores, &again(3, 9000), 4999).await,
        Asked::There(_)
    ));
    assert_eq!(ask(&stores, &again(3, 9000), 5000).await, Asked::New);
}

pub(super) async fn there_is_room_for_so_many_pending(stores: Stores) {
    let room = ApprovalRoom {
        of_all: 3,
        of_one: 2,
    };
    let asks = async |number: u8, owner: &str, now: i64| {
        let one = ApprovalRecord {
            owner: owner.to_owned(),
            expires_at: at(now + 1000),
            ..record(number)
        };
        let asked = stores.approvals.ask(&one, room, at(now)).await;
        asked.unwrap()
    };
    assert_eq!(asks(1, "alice", 0).await, Asked::New);
    assert_eq!(asks(2, "alice", 0).await, Asked::New);
    assert_eq!(asks(3, "alice", 0).await, Asked::Full);
    assert_eq!(asks(3, "bob", 0).await, Asked::New);
    assert_eq!(asks(4, "carol", 0).await, Asked::Full);
    grant(&stores, &record(1), 5000, 1).await;
    assert_eq!(asks(4, "carol", 2).await, Asked::New);
    assert_eq!(asks(5, "carol", 3).await, Asked::Full);
    assert_eq!(asks(5, "carol", 1002).await, Asked::New);
}

pub(super) async fn of_many_who_ask_there_are_never_more_than_the_room(stores: Stores) {
    let room = ApprovalRoom {
        of_all: 3,
        of_one: 50,
    };
    let asked = at_once(|number| {
        let approvals = Arc::clone(&stores.approvals);
        async move {
            let one = record(u8::try_from(number).unwrap());
            approvals.ask(&one, room, at(0)).await.unwrap()
        }
    })
    .await;
    let kept = asked.iter().filter(|one| **one == Asked::New).count();
    assert_eq!(kept, 3, "{asked:?}");
}

pub(super) async fn of_many_who_decide_exactly_one_does(stores: Stores) {
    let one = record(1);
    ask(&stores, &one, 0).await;
    let decided = at_once(|number| {
        let (approvals, id) = (Arc::clone(&stores.approvals), one.id.clone());
        async move {
            let decision = format!("by {number}");
            let granted = number % 2 == 0;
            let done = approvals
                .decide(&id, granted, &decision, at(2000), at(1))
                .await
                .unwrap();
            (decision, granted, done)
        }
    })
    .await;
    let done: Vec<_> = decided
        .iter()
        .filter(|(_, _, done)| *done == Decided::Done)
        .collect();
    assert_eq!(done.len(), 1);
    let (decision, granted, _) = done[0];
    let kept = stores.approvals.get(&one.id).await.unwrap().unwrap();
    assert_eq!(kept.decision.as_ref(), Some(decision));
    assert_eq!(kept.state == ApprovalState::Granted, *granted);
    let unknown = stores
        .approvals
        .decide(&"none".into(), true, "x", at(2000), at(1))
        .await;
    assert_eq!(unknown.unwrap(), Decided::Unknown);
}

pub(super) async fn what_is_over_is_not_decided(stores: Stores) {
    let one = record(1);
    ask(&stores, &one, 0).await;
    let late = grant(&stores, &one, 3000, 1000).await;
    assert_eq!(late, Decided::Over(Box::new(one.clone())));
    let redeemed = stores
        .approvals
        .redeem(&one.id, &one.subject, at(1001))
        .await;
    assert!(!redeemed.unwrap());
}

pub(super) async fn of_many_who_redeem_exactly_one_does(stores: Stores) {
    let one = record(1);
    ask(&stores, &one, 0).await;
    let redeem = async |now| {
        let redeemed = stores
            .approvals
            .redeem(&one.id, &one.subject, at(now))
            .await;
        redeemed.unwrap()
    };
    assert!(!redeem(1).await, "nobody has granted it");
    grant(&stores, &one, 2000, 2).await;
    let other = stores
        .approvals
        .redeem(&one.id, &sha256(b"else"), at(3))
        .await;
    assert!(!other.unwrap(), "it is about something else");
    assert!(!redeem(2000).await, "its time is over");
    let redeemed = at_once(|_| {
        let (approvals, id) = (Arc::clone(&stores.approvals), one.id.clone());
        let subject = one.subject;
        async move { approvals.redeem(&id, &subject, at(1999)).await.unwrap() }
    })
    .await;
    assert_eq!(redeemed.iter().filter(|redeemed| **redeemed).count(), 1);
    let kept = stores.approvals.get(&one.id).await.unwrap().unwrap();
    assert_eq!(kept.state, ApprovalState::Redeemed);
}

pub(super) async fn what_nobody_decided_expires_once(stores: Stores) {
    for number in 1..=3 {
        ask(&stores, &record(number), 0).await;
    }
    grant(&stores, &record(3), 1000, 1).await;
    assert!(
        stores
            .approvals
            .expire(at(999), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let first = stores.approvals.expire(at(1000), 1).await.unwrap();
    assert_eq!(first.len(), 1);
    let ended = at_once(|_| {
        let approvals = Arc::clone(&stores.approvals);
        async move { approvals.expire(at(1000), 10).await.unwrap() }
    })
    .await;
    let ended: Vec<_> = ended.into_iter().flatten().collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0].state, ApprovalState::Expired);
    assert_ne!(ended[0].id, first[0].id);
    let kept = stores.approvals.get(&record(3).id).await.unwrap().unwrap();
    assert_eq!(kept.state, ApprovalState::Granted);
}

pub(super) async fn pages_list_the_latest_first(stores: Stores) {
    for number in 1..=5 {
        ask(&stores, &record(number), 0).await;
    }
    grant(&stores, &record(4), 2000, 1).await;
    let listed = async |state, after: Option<&str>| {
        let request = PageRequest {
            after: after.map(str::to_owned),
            limit: 2,
        };
        let Page { items, next } = stores.approvals.list(state, &request).await.unwrap();
        let ids: Vec<String> = items.iter().map(|one| one.id.to_string()).collect();
        (ids, next)
    };
    let (first, next) = listed(None, None).await;
    assert_eq!(first, ["0005", "0004"]);
    let (second, next) = listed(None, next.as_deref()).await;
    assert_eq!(second, ["0003", "0002"]);
    let (last, next) = listed(None, next.as_deref()).await;
    assert_eq!(
        (last.as_slice(), next),
        (["0001".to_owned()].as_slice(), None)
    );
    let (pending, _) = listed(Some(ApprovalState::Pending), None).await;
    assert_eq!(pending, ["0005", "0003"]);
    let (granted, next) = listed(Some(ApprovalState::Granted), None).await;
    assert_eq!(
        (granted.as_slice(), next),
        (["0004".to_owned()].as_slice(), None)
    );
}

pub(super) async fn purging_forgets_what_is_over_and_never_what_nobody_ended(stores: Stores) {
    for number in 1..=3 {
        ask(&stores, &record(number), 0).await;
    }
    grant(&stores, &record(1), 2000, 1).await;
    grant(&stores, &record(2), 3000, 1).await;
    assert_eq!(stores.approvals.purge(at(2000)).await.unwrap(), 0);
    assert_eq!(stores.approvals.purge(at(2001)).await.unwrap(), 1);
    assert_eq!(stores.approvals.get(&record(1).id).await.unwrap(), None);
    assert!(stores.approvals.get(&record(3).id).await.unwrap().is_some());
}
