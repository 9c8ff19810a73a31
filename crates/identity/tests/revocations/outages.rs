//! A list that cannot be read.

use super::*;

/// R-11, RL-10: a list that is too old to be trusted refuses everybody whom it could name.
#[tokio::test]
async fn an_outage_of_the_store_is_bridged_for_a_minute_and_then_only_the_master_key_enters() {
    let house = House::open();
    let here = house.replica().await;
    let alice = bearer("alice", Some(house.now()));
    let key = Arc::new(Principal {
        id: "key:file:ci".into(),
        kind: PrincipalKind::ApiKey,
        ..MasterKey::principal()
    });
    house.cut(true);
    house.clock.advance(Duration::from_mins(1));
    here.knock(&alice).await.unwrap();
    // A wall clock that is set back does not stretch the bridge.
    house.clock.jump_millis(-3_600_000);
    house.clock.advance(Duration::from_millis(1));
    for caller in [&alice, &key] {
        assert_eq!(here.knock(caller).await, Err(AuthnErrorKind::Unavailable));
        assert!(!here.list.stands(caller));
    }
    here.knock(&Arc::new(MasterKey::principal())).await.unwrap();
    house.cut(false);
    here.knock(&alice).await.unwrap();
}

#[tokio::test]
async fn a_process_that_slept_asks_the_store_before_it_lets_anybody_in() {
    let house = House::open();
    let (here, elsewhere) = (house.replica().await, house.replica().await);
    here.revoke(token("alice")).await;
    house.clock.advance(Duration::from_mins(10));
    let alice = bearer("alice", None);
    assert_eq!(elsewhere.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let asked = house.line.asked.load(Ordering::SeqCst);
    elsewhere.knock(&bearer("bob", None)).await.unwrap();
    assert_eq!(house.line.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn before_the_first_reading_nobody_enters_but_the_master_key() {
    let house = House::open();
    house.cut(true);
    let list = Arc::new(Revocations::new(
        Arc::clone(&house.line) as _,
        Arc::clone(&house.ring),
        Arc::clone(&house.clock) as _,
        FreshnessSettings::default(),
    ));
    assert!(!list.stands(&bearer("alice", None)));
    assert!(list.stands(&MasterKey::principal()));
}
