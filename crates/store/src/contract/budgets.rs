//! Obligations of [`crate::BudgetStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::{CONTENDERS, at_once};
use crate::{BudgetPeriod, BudgetScope, MOST_NANO_USD, Reservation, Reserved, Stores};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn budget(scope: &str, began: i64, most: u64) -> BudgetScope {
    BudgetScope {
        scope: scope.to_owned(),
        period: BudgetPeriod {
            began_at: at(began),
            ends_at: Some(at(began + 1000)),
        },
        most_nano_usd: most,
    }
}

fn reservation(id: &str, amount: u64) -> Reservation {
    Reservation {
        id: id.to_owned(),
        amount_nano_usd: amount,
        expires_at: at(500),
    }
}

async fn reserve(stores: &Stores, id: &str, amount: u64, budgets: &[BudgetScope]) -> Reserved {
    let wish = reservation(id, amount);
    stores.budgets.reserve(&wish, budgets).await.unwrap()
}

async fn spent(stores: &Stores, scope: &str, began: i64) -> u64 {
    stores.budgets.spent(scope, at(began)).await.unwrap()
}

async fn settle(stores: &Stores, id: &str, actual: u64) -> bool {
    stores.budgets.settle(id, actual).await.unwrap()
}

const fn exhausted(which: usize, resets: i64) -> Reserved {
    Reserved::Exhausted {
        which,
        resets_at: Some(Timestamp::from_millis(resets)),
    }
}

pub(super) async fn what_is_reserved_is_spent_until_it_is_settled(stores: Stores) {
    let ten = [budget("key:k", 0, 10)];
    assert_eq!(spent(&stores, "key:k", 0).await, 0);
    assert_eq!(reserve(&stores, "a", 7, &ten).await, Reserved::Reserved);
    assert_eq!(spent(&stores, "key:k", 0).await, 7);
    assert_eq!(reserve(&stores, "b", 4, &ten).await, exhausted(0, 1000));
    assert_eq!(spent(&stores, "key:k", 0).await, 7);
    assert!(settle(&stores, "a", 2).await);
    assert_eq!(spent(&stores, "key:k", 0).await, 2);
    assert_eq!(reserve(&stores, "b", 8, &ten).await, Reserved::Reserved);
    assert_eq!(reserve(&stores, "c", 1, &ten).await, exhausted(0, 1000));
    assert_eq!(reserve(&stores, "free", 0, &ten).await, Reserved::Reserved);
    assert!(
        settle(&stores, "b", 30).await,
        "it cost more than there was"
    );
    assert_eq!(spent(&stores, "key:k", 0).await, 32);
    assert_eq!(reserve(&stores, "d", 1, &ten).await, exhausted(0, 1000));
}

pub(super) async fn one_budget_that_is_exhausted_spends_none(stores: Stores) {
    let both = [budget("team:t", 0, 100), budget("key:k", 0, 5)];
    assert_eq!(reserve(&stores, "a", 5, &both).await, Reserved::Reserved);
    assert_eq!(reserve(&stores, "b", 1, &both).await, exhausted(1, 1000));
    assert_eq!(
        reserve(&stores, "c", 101, &both[..1]).await,
        exhausted(0, 1000)
    );
    assert_eq!(spent(&stores, "team:t", 0).await, 5);
    assert!(!settle(&stores, "b", 9).await);
    assert!(settle(&stores, "a", 3).await);
    assert_eq!(spent(&stores, "team:t", 0).await, 3);
    assert_eq!(spent(&stores, "key:k", 0).await, 3);
}

pub(super) async fn of_many_who_spend_at_once_none_spends_what_another_has(stores: Stores) {
    let budgets = [budget("team:t", 0, 900), budget("key:k", 0, 50)];
    let paid = at_once(|number| {
        let (store, mut budgets) = (Arc::clone(&stores.budgets), budgets.clone());
        // Whoever names them in another order waits for nobody for ever.
        if number % 2 == 1 {
            budgets.reverse();
        }
        async move {
            let mut paid = 0;
            for round in 0..3 {
                let wish = reservation(&format!("call-{number}-{round}"), 3);
                let reserved = store.reserve(&wish, &budgets).await.unwrap();
                paid += u64::from(reserved == Reserved::Reserved);
            }
            paid
        }
    })
    .await;
    assert_eq!(paid.len(), CONTENDERS);
    assert_eq!(paid.iter().sum::<u64>(), 16, "{paid:?}");
    assert_eq!(spent(&stores, "key:k", 0).await, 48);
    assert_eq!(spent(&stores, "team:t", 0).await, 48);
}

pub(super) async fn of_many_who_settle_exactly_one_does(stores: Stores) {
    let ten = [budget("key:k", 0, 10), budget("user:u", 0, 10)];
    assert_eq!(reserve(&stores, "a", 9, &ten).await, Reserved::Reserved);
    let settled = at_once(|_| {
        let store = Arc::clone(&stores.budgets);
        async move { store.settle("a", 4).await.unwrap() }
    })
    .await;
    assert_eq!(settled.iter().filter(|done| **done).count(), 1);
    assert_eq!(spent(&stores, "key:k", 0).await, 4);
    assert_eq!(spent(&stores, "user:u", 0).await, 4);
    assert!(!settle(&stores, "nobody", 4).await);
}

pub(super) async fn a_period_is_counted_by_itself(stores: Stores) {
    let first = [budget("key:k", 0, 10)];
    let second = [budget("key:k", 1000, 10)];
    assert_eq!(reserve(&stores, "a", 10, &first).await, Reserved::Reserved);
    assert_eq!(reserve(&stores, "b", 10, &second).await, Reserved::Reserved);
    assert_eq!(reserve(&stores, "c", 1, &second).await, exhausted(0, 2000));
    // A call that began before the turn is settled where it was reserved, whenever that is.
    assert!(settle(&stores, "a", 1).await);
    assert_eq!(spent(&stores, "key:k", 0).await, 1);
    assert_eq!(spent(&stores, "key:k", 1000).await, 10);
    // A clock that goes back finds what was spent then.
    assert_eq!(reserve(&stores, "d", 10, &first).await, exhausted(0, 1000));
    let ever = [BudgetScope {
        period: BudgetPeriod {
            began_at: at(0),
            ends_at: None,
        },
        ..budget("key:ever", 0, 1)
    }];
    assert_eq!(reserve(&stores, "e", 1, &ever).await, Reserved::Reserved);
    let never = Reserved::Exhausted {
        which: 0,
        resets_at: None,
    };
    assert_eq!(reserve(&stores, "f", 1, &ever).await, never);
}

pub(super) async fn what_is_never_settled_stays_spent(stores: Stores) {
    let ten = [budget("key:k", 0, 10)];
    assert_eq!(reserve(&stores, "a", 9, &ten).await, Reserved::Reserved);
    assert_eq!(stores.budgets.purge(at(500), at(0)).await.unwrap(), 0);
    assert_eq!(stores.budgets.purge(at(501), at(0)).await.unwrap(), 1);
    assert!(!settle(&stores, "a", 0).await);
    assert_eq!(spent(&stores, "key:k", 0).await, 9);
    assert_eq!(stores.budgets.purge(at(501), at(1000)).await.unwrap(), 0);
    assert_eq!(stores.budgets.purge(at(501), at(1001)).await.unwrap(), 1);
    assert_eq!(spent(&stores, "key:k", 0).await, 0);
}

pub(super) async fn no_amount_is_too_great_to_be_counted(stores: Stores) {
    let rich = [budget("key:k", 0, u64::MAX)];
    assert_eq!(
        reserve(&stores, "a", u64::MAX, &rich).await,
        Reserved::Reserved
    );
    assert_eq!(spent(&stores, "key:k", 0).await, MOST_NANO_USD);
    assert!(settle(&stores, "a", u64::MAX).await);
    assert_eq!(spent(&stores, "key:k", 0).await, MOST_NANO_USD);
}
