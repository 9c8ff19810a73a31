//! The way to the server: slow, cut, garbled.

use std::sync::atomic::Ordering;

use portcullis_store::{Redeemed, StoreErrorKind};
use portcullis_store_redis::testing::Place;

use super::proxy::Proxy;
use super::{PATIENCE, impatient, is_down, is_up, record, redeem, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_gives_nobody_a_value_twice() {
    let Some(place) = Place::fresh() else { return };
    let proxy = Proxy::before(place.url()).await;
    let stores = place.open_by(&place.settings(Some(&proxy.url())));
    assert!(is_up(&stores.wait(PATIENCE).await));
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    proxy.treatment.swallows.store(true, Ordering::SeqCst);
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    until(&stores, is_down).await;
    proxy.treatment.swallows.store(false, Ordering::SeqCst);
    until(&stores, is_up).await;
    // It was used, and whoever used it never heard of it.
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::AlreadyUsed(record(1).sealed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_taken_for_none_until_it_is_quick_again() {
    let Some(place) = Place::fresh() else { return };
    let proxy = Proxy::before(place.url()).await;
    let stores = place.open_by(&impatient(place.settings(Some(&proxy.url()))));
    assert!(is_up(&stores.wait(PATIENCE).await));
    proxy.treatment.late_ms.store(500, Ordering::SeqCst);
    refused(
        stores.one_time.put(&record(1)).await,
        StoreErrorKind::Unavailable,
    );
    until(&stores, is_down).await;
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    proxy.treatment.late_ms.store(0, Ordering::SeqCst);
    until(&stores, is_up).await;
    assert!(redeem(&stores, 2).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_of_redis_is_none() {
    let Some(place) = Place::fresh() else { return };
    let proxy = Proxy::before(place.url()).await;
    let stores = place.open_by(&impatient(place.settings(Some(&proxy.url()))));
    assert!(is_up(&stores.wait(PATIENCE).await));
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    proxy.treatment.garbles.store(true, Ordering::SeqCst);
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    until(&stores, is_down).await;
    proxy.treatment.garbles.store(false, Ordering::SeqCst);
    until(&stores, is_up).await;
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::AlreadyUsed(record(1).sealed)
    );
}

/// Flapping: whatever comes through counts once.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_again_and_again_lets_each_value_through_once_at_most() {
    let Some(place) = Place::fresh() else { return };
    let proxy = Proxy::before(place.url()).await;
    let stores = place.open_by(&place.settings(Some(&proxy.url())));
    let mut given = 0;
    for number in 0..20 {
        until(&stores, is_up).await;
        let _ = stores.one_time.put(&record(number)).await;
        if number % 2 == 0 {
            proxy.cut();
        }
        let (one, other) = tokio::join!(redeem(&stores, number), redeem(&stores, number));
        let values = [one, other]
            .into_iter()
            .filter(|got| matches!(got, Ok(Redeemed::Value(_))));
        let count = values.count();
        assert!(count <= 1, "{number} was given twice");
        given += count;
    }
    assert!(given >= 5, "{given}: hardly anything came through");
}
