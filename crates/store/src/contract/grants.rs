//! Obligations of [`crate::GrantStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{GrantRecord, RefreshTokenRecord, Rotated, Stores};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn grant(id: &str) -> GrantRecord {
    GrantRecord {
        id: id.to_owned(),
        principal: "jwt:https://idp.test alice".to_owned(),
        client: "client".to_owned(),
        sealed: (0..=255).collect(),
        created_at: at(1),
        expires_at: at(100),
        ended_at: None,
    }
}

fn token(text: &str, grant: &str) -> RefreshTokenRecord {
    RefreshTokenRecord {
        digest: sha256(text.as_bytes()),
        grant: grant.to_owned(),
        expires_at: at(50),
    }
}

fn digest(text: &str) -> [u8; 32] {
    sha256(text.as_bytes())
}

async fn begun(stores: &Stores) {
    stores.grants.open(&grant("g")).await.unwrap();
    let first = token("first", "g");
    let begun = stores.grants.begin("g", at(100), Some(&first), at(2)).await;
    assert!(begun.unwrap());
}

pub(super) async fn a_grant_comes_back_as_it_was_opened(stores: Stores) {
    let grants = &stores.grants;
    assert_eq!(grants.get("g").await.unwrap(), None);
    assert!(grants.open(&grant("g")).await.unwrap());
    assert_eq!(grants.get("g").await.unwrap(), Some(grant("g")));
    let other = GrantRecord {
        client: "other".to_owned(),
        ..grant("g")
    };
    assert!(!grants.open(&other).await.unwrap());
    assert_eq!(grants.get("g").await.unwrap(), Some(grant("g")));
}

pub(super) async fn a_principals_standing_grants_are_listed_oldest_first(stores: Stores) {
    let grants = &stores.grants;
    for (id, created) in [("b", 3), ("a", 4), ("ended", 1), ("c", 2)] {
        let record = GrantRecord {
            created_at: at(created),
            ..grant(id)
        };
        grants.open(&record).await.unwrap();
    }
    let of_another = GrantRecord {
        principal: "bob".to_owned(),
        ..grant("bob's")
    };
    grants.open(&of_another).await.unwrap();
    assert!(grants.end("ended", at(5)).await.unwrap());
    let alice = grant("").principal;
    let listed = grants.standing(&alice, at(99)).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["c", "b", "a"]);
    assert_eq!(grants.standing(&alice, at(100)).await.unwrap(), []);
}

pub(super) async fn a_grant_ends_once_and_is_never_begun_again(stores: Stores) {
    let grants = &stores.grants;
    begun(&stores).await;
    let ended = at_once(|_| {
        let grants = Arc::clone(&stores.grants);
        async move { grants.end("g", at(7)).await.unwrap() }
    })
    .await;
    assert_eq!(ended.iter().filter(|this_one| **this_one).count(), 1);
    let found = grants.get("g").await.unwrap().unwrap();
    assert_eq!(found.ended_at, Some(at(7)));
    let again = grants.begin("g", at(100), None, at(8)).await.unwrap();
    assert!(!again);
    assert!(!grants.end("nobody's", at(7)).await.unwrap());
    assert!(!grants.begin("nobody's", at(9), None, at(8)).await.unwrap());
    grants.open(&grant("late")).await.unwrap();
    let late = grants.begin("late", at(200), None, at(100)).await.unwrap();
    assert!(!late, "it was over before it began");
}

pub(super) async fn a_refresh_token_is_replaced_by_its_successor(stores: Stores) {
    let grants = &stores.grants;
    begun(&stores).await;
    let (first, second) = (digest("first"), digest("second"));
    let found = grants.token(&first).await.unwrap().unwrap();
    assert_eq!(found.record, token("first", "g"));
    assert!(!found.used);
    assert_eq!(grants.token(&second).await.unwrap(), None);
    let next = token("second", "g");
    let rotate = async |used: &[u8; 32], next: &RefreshTokenRecord| {
        grants.rotate(used, next, at(3)).await.unwrap()
    };
    let unknown = rotate(&second, &token("third", "g")).await;
    assert_eq!(unknown, Rotated::Unknown);
    let of_another = rotate(&first, &token("third", "other")).await;
    assert_eq!(of_another, Rotated::Unknown);
    assert_eq!(rotate(&first, &next).await, Rotated::Rotated);
    assert!(grants.token(&first).await.unwrap().unwrap().used);
    let third = token("third", "g");
    assert_eq!(rotate(&second, &third).await, Rotated::Rotated);
    // RFC 9700 §4.14.2: one of the two who had the first is a thief.
    let fourth = token("fourth", "g");
    assert_eq!(
        rotate(&first, &fourth).await,
        Rotated::Reused("g".to_owned())
    );
    assert_eq!(rotate(&digest("third"), &fourth).await, Rotated::Ended);
    assert_eq!(
        grants.get("g").await.unwrap().unwrap().ended_at,
        Some(at(3))
    );
}

pub(super) async fn of_many_who_rotate_one_token_exactly_one_wins(stores: Stores) {
    begun(&stores).await;
    let outcomes = at_once(|number| {
        let grants = Arc::clone(&stores.grants);
        let next = token(&format!("next {number}"), "g");
        async move { grants.rotate(&digest("first"), &next, at(3)).await.unwrap() }
    })
    .await;
    let won = outcomes.iter().filter(|one| **one == Rotated::Rotated);
    assert_eq!(won.count(), 1);
    let reused = Rotated::Reused("g".to_owned());
    let lost = outcomes.iter().filter(|one| **one == reused);
    assert_eq!(lost.count(), outcomes.len() - 1);
    let grant = stores.grants.get("g").await.unwrap().unwrap();
    assert_eq!(grant.ended_at, Some(at(3)));
}

pub(super) async fn a_token_is_good_until_its_time_or_its_grants_is_over(stores: Stores) {
    let grants = &stores.grants;
    begun(&stores).await;
    let next = token("second", "g");
    let late = grants.rotate(&digest("first"), &next, at(50)).await;
    assert_eq!(late.unwrap(), Rotated::Expired);
    let in_time = grants.rotate(&digest("first"), &next, at(49)).await;
    assert_eq!(in_time.unwrap(), Rotated::Rotated);
    let longer = RefreshTokenRecord {
        expires_at: at(500),
        ..token("of a short one", "short")
    };
    grants.open(&grant("short")).await.unwrap();
    let begun = grants.begin("short", at(60), Some(&longer), at(2)).await;
    assert!(begun.unwrap());
    let next = token("after", "short");
    let over = grants.rotate(&longer.digest, &next, at(60)).await.unwrap();
    assert_eq!(over, Rotated::Expired);
}

pub(super) async fn purging_forgets_what_is_over_with_its_tokens(stores: Stores) {
    let grants = &stores.grants;
    begun(&stores).await;
    grants.open(&grant("other")).await.unwrap();
    let long = RefreshTokenRecord {
        expires_at: at(500),
        ..token("long", "other")
    };
    let begun = grants.begin("other", at(400), Some(&long), at(2)).await;
    assert!(begun.unwrap());
    grants.end("g", at(10)).await.unwrap();
    assert_eq!(grants.purge(at(10)).await.unwrap(), 0);
    assert_eq!(grants.purge(at(11)).await.unwrap(), 1);
    assert_eq!(grants.get("g").await.unwrap(), None);
    assert_eq!(grants.token(&digest("first")).await.unwrap(), None);
    assert!(grants.token(&long.digest).await.unwrap().is_some());
    assert_eq!(grants.purge(at(401)).await.unwrap(), 1);
    assert_eq!(grants.token(&long.digest).await.unwrap(), None);
}
