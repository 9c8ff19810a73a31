//! What one gateway left in Redis and another one finds.

use portcullis_store_redis::testing::Place;

use crate::support::{BEGIN, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_began_at_one_gateway_ends_at_another_and_once() {
    let Some(place) = Place::fresh() else { return };
    let stage = Stage::on(place).await;
    let (one, other) = (stage.gateway().await, stage.gateway().await);
    let mut browser = one.browser();
    let away = browser.get(BEGIN).await;
    assert_eq!(away.status, 303, "{away:?}");
    assert!(!stage.place.keys().is_empty(), "it is not in Redis");
    let back = stage.provider.signs_in(away.header("location").unwrap());
    let mut there = browser.moved_to(other.anonymous());
    let arrived = there.get(&back).await;
    assert_eq!(
        arrived.header("location"),
        Some("/connect/support"),
        "{arrived:?}"
    );
    for gateway in [&one, &other] {
        let mut again = browser.moved_to(gateway.anonymous());
        let refused = again.get(&back).await;
        assert_eq!(refused.header("location"), None, "{refused:?}");
    }
    // What is there is sealed.
    let verifier = stage.provider.exchanges()[0].1["code_verifier"].clone();
    one.keep_secret("a verifier", &verifier);
    one.stands().await;
    other.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_start_together_fetch_one_token_for_all() {
    let Some(place) = Place::fresh() else { return };
    let stage = Stage::on(place).await;
    let mut gateways = Vec::new();
    for _ in 0..4 {
        gateways.push(stage.gateway().await);
    }
    let calls = gateways.iter().enumerate().map(async |(number, gateway)| {
        let alias = format!("caller-of-{number}");
        let caller = gateway.key(&alias, &["support"]).await;
        caller.echo("hello").await
    });
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(stage.mock.stats().await.tokens_issued, 1);
    gateways[0].stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_gateway_revokes_is_refused_by_all() {
    let Some(place) = Place::fresh() else { return };
    let stage = Stage::on(place).await;
    let (one, other) = (stage.gateway().await, stage.gateway().await);
    let caller = one.key("caller", &["support"]).await;
    let elsewhere = other.bearer(caller.credential());
    portcullis_testkit::eventually("the key is good at the other", async || {
        elsewhere.echo("hello").await.status == 200
    })
    .await;
    let wish = serde_json::json!({"keys": [caller.key_id()]});
    let ask = portcullis_testkit::gateway::Ask::post("/key/delete", &wish);
    let revoked = one.admin().await.ask(ask).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(caller.echo("hello").await.status, 401);
    portcullis_testkit::eventually("the key is good nowhere", async || {
        elsewhere.echo("hello").await.status == 401
    })
    .await;
}
