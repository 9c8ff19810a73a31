//! Obligations of [`crate::LeaseStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::Stores;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) async fn of_many_holders_exactly_one_takes_a_lease(stores: Stores) {
    for round in 0..3 {
        let (now, until) = (at(round * 100), at((round + 1) * 100));
        let taken = at_once(|number| {
            let leases = Arc::clone(&stores.leases);
            async move {
                let holder = format!("replica-{number}");
                leases
                    .acquire("refresh", &holder, now, until)
                    .await
                    .unwrap()
            }
        })
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{round}");
    }
}

pub(super) async fn a_holder_prolongs_and_another_waits(stores: Stores) {
    let acquire = async |name: &str, holder: &str, now, until| {
        let taken = stores.leases.acquire(name, holder, at(now), at(until));
        taken.await.unwrap()
    };
    assert!(acquire("a", "one", 0, 100).await);
    assert!(!acquire("a", "two", 99, 200).await);
    assert!(acquire("b", "two", 99, 200).await);
    assert!(acquire("a", "one", 50, 150).await);
    assert!(!acquire("a", "two", 149, 300).await);
    assert!(acquire("a", "two", 150, 300).await);
    assert!(!acquire("a", "one", 151, 300).await);
}

pub(super) async fn only_its_holder_gives_a_lease_back(stores: Stores) {
    let acquire = async |holder: &str| {
        let taken = stores.leases.acquire("a", holder, at(1), at(100));
        taken.await.unwrap()
    };
    assert!(acquire("one").await);
    stores.leases.release("a", "two").await.unwrap();
    assert!(!acquire("two").await);
    stores.leases.release("a", "one").await.unwrap();
    stores.leases.release("a", "one").await.unwrap();
    assert!(acquire("two").await);
}
