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

/// R-10, RL-05: what is counted there is refused while it says nothing, at once when that is known; who is not
/// limited does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_says_nothing_is_not_waited_for_and_admits_nobody_whom_it_counts() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let stage = Stage::on(server.place()).await;
    let gateway = stage.gateway().await;
    let free = gateway.key("free", &["support"]).await;
    let wish = serde_json::json!({"servers": ["support"], "rpm_limit": 100_000});
    let made = Ask::post("/key/generate", &wish);
    let made = gateway.admin().await.ask(made).await;
    assert_eq!(made.status, 200, "{made:?}");
    let limited = gateway.bearer(made.json()["key"].as_str().unwrap());
    for caller in [&free, &limited] {
        assert_eq!(caller.echo("before").await.status, 200);
    }
    let before = stage.mock.stats().await.calls;

    server.signal("STOP");
    let refused = limited.echo("silent").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    eventually("its silence is known", async || {
        said_of_redis(&gateway).await == "unavailable"
    })
    .await;
    for _ in 0..20 {
        assert_eq!(limited.echo("silent").await.status, 503);
        assert_eq!(free.echo("silent").await.status, 200);
    }
    let event = gateway.event_of(&refused).await;
    assert_eq!(event["rule"], "limits_unavailable", "{event}");
    assert_eq!(stage.mock.stats().await.calls, before + 20);

    server.signal("CONT");
    eventually("it counts again", async || {
        limited.echo("again").await.status == 200
    })
    .await;
    gateway.stands().await;
}
