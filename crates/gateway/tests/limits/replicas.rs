//! Several gateways on one store.

use serde_json::json;

use super::support::{Stage, make_key, passing};

/// RL-04: how the callers spread over the gateways makes no difference.
#[tokio::test]
async fn three_gateways_together_let_through_what_one_would() {
    let stage = Stage::new("", &["rpm: 100000"]).await;
    let (second, third) = (stage.another().await, stage.another().await);
    let admin = &stage.admin;
    for (spread, key_limit) in [([40, 40, 40], 60), ([100, 10, 10], 60)] {
        let key = make_key(admin, json!({"rpm_limit": key_limit})).await;
        let actors = [&stage.gateway, &second, &third].map(|gateway| gateway.bearer(&key));
        for actor in &actors {
            let known = async || {
                let info = actor
                    .ask(portcullis_testkit::gateway::Ask::get("/key/info"))
                    .await;
                info.status == 200 && info.json()["info"]["rpm_limit"] == key_limit
            };
            portcullis_testkit::eventually("the key is known everywhere", known).await;
        }
        // The clock stands: nothing falls due meanwhile.
        let calling = actors
            .iter()
            .zip(spread)
            .map(|(actor, calls)| passing(actor, calls));
        let passed: usize = futures_util::future::join_all(calling).await.iter().sum();
        assert_eq!(passed, 60, "{spread:?}");
        // A quarter of a minute later, a quarter of the minute's worth.
        stage.advance(15).await;
        let calling = actors
            .iter()
            .zip(spread)
            .map(|(actor, calls)| passing(actor, calls / 2));
        let passed: usize = futures_util::future::join_all(calling).await.iter().sum();
        assert_eq!(passed, 15, "{spread:?}");
    }
}
