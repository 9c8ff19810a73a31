//! Redis is killed, and comes back.

use portcullis_store_redis::testing::OwnServer;
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, TestGateway};

use crate::support::{BEGIN, Stage};

async fn said_of_redis(gateway: &TestGateway) -> String {
    let ready = gateway.anonymous().ask(Ask::get("/health/ready")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    ready.json()["redis"].as_str().unwrap().to_owned()
}

///
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_calls_go_on_and_what_needs_it_is_refused_until_it_is_back() {
    let Some(mut server) = OwnServer::start() else {
        return;
    };
    let stage = Stage::on(server.place()).await;
    let gateway = stage.gateway().await;
    let caller = gateway.key("caller", &["support"]).await;
    assert_eq!(caller.echo("before").await.status, 200);
    assert_eq!(said_of_redis(&gateway).await, "ok");
    let mut browser = gateway.browser();
    let under_way = browser.get(BEGIN).await;
    assert_eq!(under_way.status, 303, "{under_way:?}");
    let back = stage
        .provider
        .signs_in(under_way.header("location").unwrap());

    server.kill();
    for _ in 0..5 {
        assert_eq!(caller.echo("meanwhile").await.status, 200);
    }
    let mut other = gateway.browser();
    let refused = other.get(BEGIN).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let refused = browser.get(&back).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(gateway.event_of(&refused).await["outcome"], "unavailable");
    assert_eq!(said_of_redis(&gateway).await, "unavailable");
    // Keys are made and taken away as ever.
    let late = gateway.key("late", &["support"]).await;
    assert_eq!(late.echo("late").await.status, 200);

    server.begin();
    eventually("Redis is used again", async || {
        said_of_redis(&gateway).await == "ok"
    })
    .await;
    // Another life of it: what began before is not known, and nobody is let in by it.
    let unknown = browser.get(&back).await;
    assert_eq!(unknown.header("location"), None, "{unknown:?}");
    let anew = browser.get(BEGIN).await;
    let back = stage.provider.signs_in(anew.header("location").unwrap());
    let arrived = browser.get(&back).await;
    assert_eq!(
        arrived.header("location"),
        Some("/connect/support"),
        "{arrived:?}"
    );
    gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_redis_and_uses_it_when_it_comes() {
    let Some(mut server) = OwnServer::start() else {
        return;
    };
    let stage = Stage::on(server.place()).await;
    server.kill();
    let gateway = stage.gateway().await;
    let caller = gateway.key("caller", &["support"]).await;
    assert_eq!(caller.echo("hello").await.status, 200);
    assert_eq!(said_of_redis(&gateway).await, "unavailable");
    server.begin();
    eventually("Redis is used", async || {
        said_of_redis(&gateway).await == "ok"
    })
    .await;
    let begun = gateway.browser().get(BEGIN).await;
    assert_eq!(begun.status, 303, "{begun:?}");
    gateway.stands().await;
}
