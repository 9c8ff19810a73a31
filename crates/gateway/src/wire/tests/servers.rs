//! What is told of the servers behind the gateway.

use std::sync::Arc;

use portcullis_core::SystemClock;
use portcullis_engine::metrics::Metrics;
use portcullis_server::listen::Stop;
use portcullis_upstream::{Means, Processes};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::small_world::SmallWorld;
use crate::mock;
use crate::wire::servers::{Making, snapshot};

async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_server_that_listed_its_tools_is_healthy_and_one_that_is_away_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    TaskTracker::new().spawn(mock::serve(
        listener,
        mock::Settings::default(),
        Stop::default(),
    ));
    let away = free_address().await;
    let world = SmallWorld::start(&format!(
        "mcp_servers:\n  away: {{url: 'http://{away}/mcp'}}\n  here:\n    url: http://{here}/mcp\n    \
         auth_type: oauth2\n    oauth2_flow: client_credentials\n    \
         token_url: http://{here}/oauth/token\n    client_id: {}\n    client_secret: {}\n",
        mock::CLIENT_ID,
        mock::CLIENT_SECRET,
    ))
    .await;
    world.embedded.gateway().warm_up().await;
    let rows = world.client().await.servers().await.unwrap();
    let status = |name: &str| {
        let rows = rows.as_array().unwrap();
        let row = rows.iter().find(|row| row["server_name"] == name).unwrap();
        row["status"].clone()
    };
    assert_eq!(status("here"), "healthy");
    assert_eq!(status("away"), "unhealthy");
}

/// SIGN-08: whoever makes the servers without a signer makes none that is to be signed for.
#[test]
fn a_server_that_is_to_be_signed_for_is_not_made_without_a_signer() {
    let guardrail = "guardrails: [{guardrail_name: s, litellm_params: {guardrail: mcp_jwt_signer, \
                     mode: pre_mcp_call, default_on: true, issuer: 'https://gw.example'}}]";
    let made = |jwt_signer: bool| {
        let config = super::config(&format!(
            "{guardrail}\nmcp_servers: {{a: {{url: 'https://a.example/mcp', jwt_signer: {jwt_signer}}}}}"
        ));
        let means = Means {
            client: crate::wire::http_client().unwrap(),
            clock: Arc::new(SystemClock::start()),
            tasks: TaskTracker::new(),
            processes: Processes::new(1),
        };
        let making = Making {
            means: &means,
            metrics: &Metrics::new(),
            signer: None,
        };
        snapshot(&config, None, 1, &making).map(drop)
    };
    let error = format!("{:#}", made(true).unwrap_err());
    assert!(error.contains("`a` is to be signed for"), "{error}");
    made(false).unwrap();
}

#[test]
fn a_private_key_that_cannot_sign_is_an_error_at_the_start_and_is_not_repeated() {
    use portcullis_config::{
        AssertionAudience, ClientKey, ClientProof, OAuthClient, Origin, Sourced,
    };

    let client = OAuthClient {
        client_id: "c".to_owned(),
        proof: ClientProof::PrivateKeyJwt(Box::new(ClientKey {
            private_key: Sourced {
                value: portcullis_core::SecretValue::new("canary"),
                origin: Origin::Literal,
            },
            key_id: None,
            algorithm: None,
            audience: AssertionAudience::Server,
        })),
    };
    let error = crate::wire::oauth_client::token_client(&client).unwrap_err();
    let text = format!("{error:#} {error:?}");
    assert!(text.contains("client_private_key"), "{text}");
    assert!(text.contains("PEM"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
