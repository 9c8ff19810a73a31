//! Obligations of [`crate::ConcurrencyStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::{CONTENDERS, at_once};
use crate::{Seated, Slot, Stores};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn slot(scope: &str, most: u32) -> Slot {
    Slot {
        scope: scope.to_owned(),
        most,
    }
}

async fn acquire(stores: &Stores, holder: &str, slots: &[Slot], now: i64, until: i64) -> Seated {
    let seated = stores
        .concurrency
        .acquire(holder, slots, at(now), at(until));
    seated.await.unwrap()
}

async fn held(stores: &Stores, scope: &str, now: i64) -> u64 {
    stores.concurrency.held(scope, at(now)).await.unwrap()
}

pub(super) async fn of_many_at_once_exactly_as_many_are_seated_as_there_are_places(stores: Stores) {
    let slots = [slot("server:x", 9), slot("key:k", 5)];
    let seated = at_once(|number| {
        let (concurrency, mut slots) = (Arc::clone(&stores.concurrency), slots.clone());
        // Whoever names them in another order waits for nobody for ever.
        if number % 2 == 1 {
            slots.reverse();
        }
        async move {
            let holder = format!("call-{number}");
            let seated = concurrency.acquire(&holder, &slots, at(1), at(100)).await;
            seated.unwrap() == Seated::Held
        }
    })
    .await;
    assert_eq!(seated.len(), CONTENDERS);
    assert_eq!(seated.iter().filter(|held| **held).count(), 5, "{seated:?}");
    assert_eq!(held(&stores, "key:k", 1).await, 5);
    assert_eq!(held(&stores, "server:x", 1).await, 5, "all or none");
}

pub(super) async fn one_scope_that_is_full_seats_nobody_anywhere(stores: Stores) {
    let (wide, narrow) = (slot("team:t", 3), slot("key:k", 1));
    let both = [wide.clone(), narrow.clone()];
    assert_eq!(acquire(&stores, "a", &both, 1, 100).await, Seated::Held);
    let full = Seated::Full { which: 1 };
    assert_eq!(acquire(&stores, "b", &both, 1, 100).await, full);
    assert_eq!(held(&stores, "team:t", 1).await, 1);
    let closed = [slot("server:closed", 0)];
    let full = Seated::Full { which: 0 };
    assert_eq!(acquire(&stores, "c", &closed, 1, 100).await, full);
    let other = [wide, slot("key:K", 1)];
    assert_eq!(acquire(&stores, "d", &other, 1, 100).await, Seated::Held);
}

pub(super) async fn a_place_is_free_when_it_is_given_back(stores: Stores) {
    let one = [slot("key:k", 1), slot("server:x", 1)];
    assert_eq!(acquire(&stores, "a", &one, 1, 100).await, Seated::Held);
    stores.concurrency.release("b").await.unwrap();
    assert_ne!(acquire(&stores, "b", &one, 1, 100).await, Seated::Held);
    stores.concurrency.release("a").await.unwrap();
    stores.concurrency.release("a").await.unwrap();
    assert_eq!(acquire(&stores, "b", &one, 1, 100).await, Seated::Held);
}

pub(super) async fn a_place_is_free_when_its_time_is_over(stores: Stores) {
    let one = [slot("key:k", 1)];
    assert_eq!(acquire(&stores, "dead", &one, 1, 100).await, Seated::Held);
    assert_ne!(acquire(&stores, "a", &one, 99, 200).await, Seated::Held);
    assert_eq!(held(&stores, "key:k", 99).await, 1);
    assert_eq!(held(&stores, "key:k", 100).await, 0);
    assert_eq!(acquire(&stores, "a", &one, 100, 200).await, Seated::Held);
    let late = stores.concurrency.renew("dead", at(100), at(300)).await;
    assert!(!late.unwrap(), "what is over is not prolonged");
    assert_eq!(held(&stores, "key:k", 100).await, 1);
}

pub(super) async fn a_place_that_is_prolonged_stays_taken(stores: Stores) {
    let both = [slot("key:k", 1), slot("server:x", 1)];
    assert_eq!(acquire(&stores, "a", &both, 1, 100).await, Seated::Held);
    let renew = async |holder: &str, now, until| {
        let renewed = stores.concurrency.renew(holder, at(now), at(until));
        renewed.await.unwrap()
    };
    assert!(renew("a", 99, 200).await);
    assert!(!renew("b", 99, 200).await);
    for scope in ["key:k", "server:x"] {
        assert_eq!(held(&stores, scope, 199).await, 1);
        assert_eq!(held(&stores, scope, 200).await, 0);
    }
    // A clock that goes back gives no place away.
    assert_eq!(held(&stores, "key:k", -5000).await, 1);
}

pub(super) async fn purging_forgets_only_places_that_are_over(stores: Stores) {
    let many = [slot("key:k", 9)];
    for (holder, until) in [("a", 99), ("b", 100), ("c", 101)] {
        let seated = acquire(&stores, holder, &many, 1, until).await;
        assert_eq!(seated, Seated::Held);
    }
    assert_eq!(stores.concurrency.purge(at(100)).await.unwrap(), 1);
    assert_eq!(stores.concurrency.purge(at(100)).await.unwrap(), 0);
    assert_eq!(held(&stores, "key:k", 1).await, 2);
}
