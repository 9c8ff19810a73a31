//! The way to the server falls silent for good, while a new one leads to it.

use std::time::Duration;

use portcullis_store::{Redeemed, Stores};
use portcullis_store_sql::PostgresStores;
use portcullis_store_sql::testing::Schema;

use super::proxy::Proxy;
use super::{
    every_place_is_there, impatient, patient, record, redeem, refused, until_it_works, within,
};

/// One that reads and one that writes: the first place that is lost is missed.
const CONNECTIONS: u32 = 2;

async fn by(proxy: &Proxy, schema: &Schema) -> Stores {
    let (url, settings) = (schema.url_by(proxy.port), impatient(CONNECTIONS));
    let opening = async {
        loop {
            if let Ok(database) = PostgresStores::open(&url, &settings).await {
                return database.stores();
            }
        }
    };
    within(opening).await
}

/// at whatever moment the old server is lost, the new one is used by everybody soon.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_way_falls_silent_every_place_is_used_again_on_a_new_one() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let proxy = Proxy::before(schema.port()).await;
    let stores = by(&proxy, &schema).await;
    let mut fell = 0;
    for answers in 0..8 {
        until_it_works(&stores).await;
        proxy.falls_silent_after(answers);
        // Until it is silent, steps succeed; then each ends in its time.
        let falling = async {
            while !proxy.is_silent() {
                let _ = stores.meta.put("a", b"x").await;
                let _ = stores.meta.get("a").await;
            }
        };
        within(falling).await;
        fell += 1;
        until_it_works(&stores).await;
        every_place_is_there(&stores, CONNECTIONS as usize).await;
        proxy.is_well();
    }
    assert_eq!(fell, 8);
}

/// Somebody leaves while their step is under way: what nobody waits for any more takes nobody's place.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_in_the_middle_takes_no_place_along() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let proxy = Proxy::before(schema.port()).await;
    let stores = by(&proxy, &schema).await;
    for _ in 0..4 {
        until_it_works(&stores).await;
        proxy.falls_silent_after(0);
        let impatience = Duration::from_millis(200);
        let reading = tokio::time::timeout(impatience, stores.meta.get("a")).await;
        assert!(reading.is_err(), "{reading:?}");
        let writing = tokio::time::timeout(impatience, stores.meta.put("a", b"x")).await;
        assert!(writing.is_err(), "{writing:?}");
        every_place_is_there(&stores, CONNECTIONS as usize).await;
        proxy.is_well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_gives_nobody_a_value_twice() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let proxy = Proxy::before(schema.port()).await;
    let (stores, waits) = (by(&proxy, &schema).await, patient(&schema).await);
    for number in 0..8 {
        until_it_works(&stores).await;
        assert!(waits.one_time.put(&record(number)).await.unwrap());
        // At another point of the step each time; some of them come through.
        proxy.falls_silent_after(i64::from(number));
        let mut given = 0;
        match redeem(&stores, number).await {
            Ok(Redeemed::Value(_)) => given += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => refused(Err::<(), _>(error)),
        }
        proxy.is_well();
        until_it_works(&stores).await;
        for _ in 0..2 {
            if let Redeemed::Value(_) = redeem(&waits, number).await.unwrap() {
                given += 1;
            }
        }
        assert!(given <= 1, "{number} was given {given} times");
        let now = redeem(&waits, number).await.unwrap();
        assert_eq!(now, Redeemed::AlreadyUsed(record(number).sealed));
    }
}
