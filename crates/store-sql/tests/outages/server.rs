//! The server itself: it stands still, it is killed and started again, it ends connections.

use std::time::Duration;

use portcullis_store::Redeemed;
use portcullis_store_sql::testing::{OwnServer, Room, Schema};
use portcullis_store_sql::{PostgresSettings, PostgresStores};
use tokio::task::JoinSet;

use super::{
    every_place_is_there, impatient, patient, record, redeem, refused, until_it_works, within,
};

const CONNECTIONS: u32 = 4;

async fn opened(schema: &Schema, settings: &PostgresSettings) -> PostgresStores {
    let opening = async {
        loop {
            if let Ok(database) = PostgresStores::open(&schema.url(), settings).await {
                return database;
            }
        }
    };
    within(opening).await
}

/// hung, not gone. Its machine still takes whatever is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_not_waited_for_and_is_used_again_when_it_goes_on() {
    let Some(server) = OwnServer::start(Room::Enough) else {
        return;
    };
    let schema = server.migrated().await;
    let waits = patient(&schema).await;
    assert!(waits.one_time.put(&record(1)).await.unwrap());
    let settings = impatient(CONNECTIONS);
    let database = opened(&schema, &settings).await;
    let stores = database.stores();
    every_place_is_there(&stores, CONNECTIONS as usize).await;

    server.stand_still();
    refused(redeem(&stores, 1).await);
    refused(within(stores.meta.get("a")).await);
    refused(within(stores.one_time.put(&record(2))).await);
    // More than there are connections for, some of whom leave before they are told.
    let mut crowd = JoinSet::new();
    for number in 0..20 {
        let stores = stores.clone();
        crowd.spawn(async move {
            let name = format!("n{number}");
            if number % 2 == 0 {
                let leaving = stores.meta.put(&name, b"x");
                let _ = tokio::time::timeout(Duration::from_millis(100), leaving).await;
            } else {
                refused(stores.meta.put(&name, b"x").await);
            }
        });
    }
    within(crowd.join_all()).await;
    // Nor does a new process wait for it.
    let opened = within(PostgresStores::open(&schema.url(), &settings)).await;
    assert!(opened.is_err(), "{opened:?}");

    server.go_on();
    until_it_works(&stores).await;
    every_place_is_there(&stores, CONNECTIONS as usize).await;
    // The step whose answer nobody waited for was taken or was not; that there is one value is sure.
    let waits = patient(&schema).await;
    let first = redeem(&waits, 1).await.unwrap();
    assert!(
        matches!(first, Redeemed::Value(_) | Redeemed::AlreadyUsed(_)),
        "{first:?}"
    );
    let again = redeem(&waits, 1).await.unwrap();
    assert_eq!(again, Redeemed::AlreadyUsed(record(1).sealed));
    // A server that stands still keeps nobody from ending either.
    server.stand_still();
    within(database.close()).await;
    server.go_on();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_used_again_when_it_is_back_with_all_that_it_acknowledged() {
    let Some(server) = OwnServer::start(Room::Enough) else {
        return;
    };
    let schema = server.migrated().await;
    let waits = patient(&schema).await;
    for number in [1, 2] {
        assert!(waits.one_time.put(&record(number)).await.unwrap());
    }
    assert_eq!(
        redeem(&waits, 1).await.unwrap(),
        Redeemed::Value(record(1).sealed)
    );
    let stores = opened(&schema, &impatient(CONNECTIONS)).await.stores();
    until_it_works(&stores).await;
    server.kill();
    refused(redeem(&stores, 2).await);
    refused(within(stores.one_time.put(&record(3))).await);
    server.begin();
    until_it_works(&stores).await;
    every_place_is_there(&stores, CONNECTIONS as usize).await;
    let waits = patient(&schema).await;
    let used = redeem(&waits, 1).await.unwrap();
    assert_eq!(used, Redeemed::AlreadyUsed(record(1).sealed));
    let kept = redeem(&waits, 2).await.unwrap();
    assert_eq!(kept, Redeemed::Value(record(2).sealed));
    let never = redeem(&waits, 3).await.unwrap();
    assert_eq!(never, Redeemed::Unknown);
}

/// As an administrator of the database does, or a pooler: whoever used it hears of it, and no more than once
/// for each connection.
#[tokio::test(flavor = "multi_thread")]
async fn of_connections_that_are_ended_again_and_again_none_is_lent_twice() {
    let Some(server) = OwnServer::start(Room::Enough) else {
        return;
    };
    let schema = server.migrated().await;
    let stores = patient(&schema).await;
    for _ in 0..5 {
        every_place_is_there(&stores, CONNECTIONS as usize).await;
        schema
            .run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \
                 current_setting('application_name') AND pid <> pg_backend_pid()",
            )
            .await;
        let mut failures = 0;
        for number in 0..4 * CONNECTIONS {
            let value = number.to_be_bytes();
            let written = within(stores.meta.put("a", &value)).await;
            let read = within(stores.meta.get("a")).await;
            for error in [written.err(), read.err()].into_iter().flatten() {
                refused(Err::<(), _>(error));
                failures += 1;
            }
        }
        assert!(failures <= CONNECTIONS, "{failures}");
        until_it_works(&stores).await;
    }
}
