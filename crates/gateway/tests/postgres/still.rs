//! The server stands still: what is connected stays so, and nothing is said any more.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask};
use serde_json::json;
use tokio::task::JoinSet;

use super::support::{CI, MASTER, Stage, id};

/// R-12: who needs the store is refused in time, however many they are; nobody waits behind them, and nobody
/// is let in who would not be.
#[tokio::test(flavor = "multi_thread")]
async fn what_needs_the_store_is_refused_the_rest_goes_on_and_all_is_as_before_afterwards() {
    let Some(stage) = Stage::set(false).await else {
        return;
    };
    let made = stage.make_key().await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let key_id = made.json()["key_id"].as_str().unwrap().to_owned();
    let mut answered = vec![id(&made)];
    for key in [CI, &key] {
        let reply = stage.echo(key).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        answered.push(id(&reply));
    }

    stage.database.stand_still();
    let address = stage.gateway.address();
    let mut crowd = JoinSet::new();
    for _ in 0..30 {
        crowd.spawn(async move {
            let wish = json!({"servers": ["support"]});
            let ask = Ask::post("/key/generate", &wish).bearer(MASTER);
            ask.send(address).await
        });
    }
    // Meanwhile, over and over.
    for _ in 0..10 {
        let reply = stage.echo(CI).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        answered.push(id(&reply));
        let live = Ask::get("/health/live").send(address).await;
        assert_eq!(live.status, 200, "{live:?}");
        // Made up; whether it is one is not known while nobody can be asked.
        let forged = stage.echo("sk-nobody-0123456789abcdef0123456789ab").await;
        assert!(matches!(forged.status, 401 | 503), "{forged:?}");
        answered.push(id(&forged));
    }
    for refused in crowd.join_all().await {
        assert_eq!(refused.status, 503, "{refused:?}");
        answered.push(id(&refused));
    }

    stage.database.go_on();
    eventually("keys are made again", async || {
        stage.make_key().await.status == 200
    })
    .await;
    // Which of those that were refused were made all the same is not sure; that a revocation counts is.
    let wish = json!({"keys": [key_id]});
    eventually("the key is revoked", async || {
        let ask = Ask::post("/key/delete", &wish);
        stage.gateway.ask_as(MASTER, ask).await.status == 200
    })
    .await;
    let refused = stage.echo(&key).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    answered.push(id(&refused));
    let state = async || stage.ready().await.0 == 200 && stage.ready().await.1["audit"] == "ok";
    eventually("it is ready", state).await;
    stage.end(&answered).await;
}

/// R-12, LOG-09: what cannot be put on record is not answered, and what is not to be answered is not done.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_required_trail_nothing_is_served_until_it_goes_on() {
    let Some(stage) = Stage::set(true).await else {
        return;
    };
    let mut answered = Vec::new();
    for _ in 0..3 {
        let reply = stage.echo(CI).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        answered.push(id(&reply));
    }
    let before = stage.mock.stats().await.calls;
    stage.database.stand_still();
    for _ in 0..5 {
        let reply = stage.echo(CI).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.text(), r#"{"error":"unavailable"}"#);
    }
    let (status, said) = stage.ready().await;
    assert_eq!(status, 503, "{said}");
    assert_eq!(said["audit"], "unavailable", "{said}");
    // Only what was in hand when it was not known yet.
    let calls = stage.mock.stats().await.calls - before;
    assert!(calls <= 1, "{calls}");
    stage.database.go_on();
    eventually("calls are answered again", async || {
        let reply = stage.gateway.ask_as(CI, Actor::echo_ask("again")).await;
        let is_answered = reply.status == 200;
        if is_answered {
            answered.push(id(&reply));
        }
        is_answered
    })
    .await;
    eventually("it is ready", async || stage.ready().await.0 == 200).await;
    stage.end(&answered).await;
}
