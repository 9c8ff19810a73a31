//! The server itself: killed, restarted, silent, emptied.

use portcullis_store::{Redeemed, StoreErrorKind, Topic};
use portcullis_store_redis::testing::OwnServer;

use super::{NOW, PATIENCE, impatient, is_down, is_up, record, redeem, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_refuses_at_once_and_is_used_again_when_it_is_back() {
    let Some(mut server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open().await;
    let mut heard = stores.announcements.hear(Topic::KEYS);
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    server.kill();
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    refused(
        stores.one_time.put(&record(2)).await,
        StoreErrorKind::Unavailable,
    );
    let leased = stores.leases.acquire("a", "one", NOW, NOW.after(PATIENCE));
    refused(leased.await, StoreErrorKind::Unavailable);
    // Nobody waits for it, and nobody is hurt.
    stores.announcements.announce(Topic::KEYS).await;
    until(&stores, is_down).await;
    server.begin();
    until(&stores, is_up).await;
    // Whoever listens may have missed something, and is told so.
    tokio::time::timeout(PATIENCE, heard.changed())
        .await
        .unwrap();
    // It forgot; whoever has the code begins anew.
    assert_eq!(redeem(&stores, 1).await.unwrap(), Redeemed::Unknown);
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::Value(record(1).sealed)
    );
}

/// The memory of a minute ago would let a code be used a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_came_back_with_an_older_memory_gives_nothing_a_second_time() {
    let Some(mut server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open().await;
    for number in [1, 2] {
        assert!(stores.one_time.put(&record(number)).await.unwrap());
    }
    place.run(&["SAVE"]);
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::Value(record(1).sealed)
    );
    server.kill();
    server.begin();
    until(&stores, is_up).await;
    assert!(!place.keys().is_empty(), "it remembers what it saved");
    // The state of the moment before it was lost may be read as up still.
    let again = tokio::time::timeout(PATIENCE, async {
        loop {
            match redeem(&stores, 1).await {
                Ok(redeemed) => break redeemed,
                Err(_) => until(&stores, is_up).await,
            }
        }
    });
    assert_eq!(again.await.unwrap(), Redeemed::Unknown);
    // Also what nobody used: which of them were used is not known any more.
    assert_eq!(redeem(&stores, 2).await.unwrap(), Redeemed::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_not_waited_for_and_is_used_again_when_it_speaks() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open_by(&impatient(place.settings(None)));
    assert!(is_up(&stores.wait(PATIENCE).await));
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    server.signal("STOP");
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    until(&stores, is_down).await;
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    server.signal("CONT");
    until(&stores, is_up).await;
    // The step whose answer nobody waited for was taken or was not; that there is one value is sure.
    let first = redeem(&stores, 1).await.unwrap();
    assert!(
        matches!(first, Redeemed::Value(_) | Redeemed::AlreadyUsed(_)),
        "{first:?}"
    );
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::AlreadyUsed(record(1).sealed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_emptied_forgets_and_admits_nothing() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open().await;
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    assert!(stores.one_time.put(&record(2)).await.unwrap());
    redeem(&stores, 2).await.unwrap();
    place.run(&["FLUSHALL"]);
    assert_eq!(redeem(&stores, 1).await.unwrap(), Redeemed::Unknown);
    assert_eq!(redeem(&stores, 2).await.unwrap(), Redeemed::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_told_again() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open().await;
    for number in 1..=3 {
        place.run(&["SCRIPT", "FLUSH"]);
        assert!(stores.one_time.put(&record(number)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_refuses_new_values_and_goes_on_redeeming() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    let stores = place.open().await;
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    place.run(&["CONFIG", "SET", "maxmemory", "1"]);
    refused(
        stores.one_time.put(&record(2)).await,
        StoreErrorKind::Unavailable,
    );
    place.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(
        redeem(&stores, 1).await.unwrap(),
        Redeemed::Value(record(1).sealed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_is_told_to_nobody() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let place = server.place();
    place.run(&["CONFIG", "SET", "requirepass", "right"]);
    let url = server.url().replace("127.0.0.1", ":canary-wrong@127.0.0.1");
    let stores = place.open_by(&place.settings(Some(&url)));
    until(&stores, |state| {
        is_down(state) && format!("{state:?}").contains("uthentication")
    })
    .await;
    refused(redeem(&stores, 1).await, StoreErrorKind::Unavailable);
    assert!(!format!("{stores:?} {:?}", stores.state()).contains("canary"));
    let right = server.url().replace("127.0.0.1", ":right@127.0.0.1");
    let stores = place.open_by(&place.settings(Some(&right)));
    until(&stores, is_up).await;
}
