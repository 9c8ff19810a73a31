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

/// SSRF-01: what a name leads to is judged where the connection goes, for every address that the API wrote down.
#[tokio::test]
async fn nothing_that_the_api_defined_is_trusted_as_the_operators() {
    use portcullis_config::{CommandLine, Definition};
    use portcullis_credentials::{ActorToken, ExchangeProfile, UpstreamAuth};
    use portcullis_egress::Destination;
    use serde_json::json;

    use crate::wire::stored::{StoredValues, Why};

    let (url, tokens) = ("https://mcp.example/mcp", "https://as.example/token");
    let client = |auth_type: &str, more: serde_json::Value| {
        let mut entry =
            json!({"url": url, "auth_type": auth_type, "client_id": "a", "client_secret": "b"});
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    };
    let entries = [
        client("oauth2", json!({"token_url": tokens})),
        client("oauth2", json!({"oauth2_flow": "client_credentials"})),
        client("oauth2", json!({"oauth2_flow": "authorization_code"})),
        client(
            "oauth2_token_exchange",
            json!({"token_exchange_endpoint": tokens, "actor_token_source": "client_credentials"}),
        ),
        client(
            "oauth2_id_jag",
            json!({"issuer": "https://as.example", "audience": "https://other.example",
                   "id_jag_resource_client_id": "c", "id_jag_resource_client_secret": "d"}),
        ),
        json!({"url": url, "auth_type": "aws_sigv4", "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
               "aws_secret_access_key": "canary", "aws_region_name": "eu-west-1",
               "aws_role_name": "arn:aws:iam::123456789012:role/x"}),
        json!({"url": url, "discovery_auth": {"auth_type": "oauth2", "token_url": tokens, "client_id": "a",
               "client_secret": "b"}, "auth_type": "true_passthrough"}),
        json!({"spec_path": "https://api.example/openapi.json"}),
    ];
    let chosen_by = |auth: &UpstreamAuth| match auth {
        UpstreamAuth::ClientCredentials(grant) => vec![grant.chosen_by],
        UpstreamAuth::AuthorizationCode(terms) => vec![terms.chosen_by],
        UpstreamAuth::TokenExchange(terms) => match &terms.profile {
            ExchangeProfile::Rfc8693 { actor, .. } => match &actor.as_ref().unwrap().token {
                ActorToken::OfClient(actor) => vec![terms.chosen_by, actor.chosen_by],
                other @ ActorToken::Fixed(_) => panic!("{other:?}"),
            },
            ExchangeProfile::IdJag(_) => vec![terms.chosen_by],
            ExchangeProfile::EntraObo => panic!("not asked for"),
        },
        UpstreamAuth::AwsSigV4(signature) => vec![signature.identity.sts.chosen_by],
        UpstreamAuth::None | UpstreamAuth::Passthrough(_) => Vec::new(),
        other => panic!("{other:?}"),
    };
    for (file, expected) in [
        (
            "",
            Destination::Untrusted {
                allow_loopback: false,
            },
        ),
        (
            "server: {api_private_addresses: true}",
            Destination::Operator {
                allow_insecure_http: false,
            },
        ),
    ] {
        let clock = Arc::new(SystemClock::start());
        let stored = StoredValues::new(Arc::clone(&clock) as _);
        let definitions = entries.iter().enumerate();
        let definitions = definitions.map(|(at, entry)| Definition {
            name: format!("s{at}"),
            text: entry.to_string(),
            may_ask_stores: true,
        });
        stored.define(definitions.collect());
        let line = CommandLine::default();
        let loaded = stored.parse("test.yaml", file, line, Why::Asked).await;
        let loaded = loaded.unwrap().unwrap();
        let means = Means {
            client: crate::wire::http_client().unwrap(),
            clock,
            tasks: TaskTracker::new(),
            processes: Processes::new(1),
        };
        let making = Making {
            means: &means,
            metrics: &Metrics::new(),
            signer: None,
        };
        let snapshot = snapshot(&loaded.config, None, 1, &making).unwrap();
        assert_eq!(
            snapshot.servers().len(),
            entries.len(),
            "{:?}",
            loaded.judged
        );
        for entry in snapshot.servers() {
            let mut found = vec![entry.upstream.server().destination];
            found.extend(chosen_by(&entry.auth.auth));
            found.extend(entry.auth.discovery.iter().flat_map(chosen_by));
            let same = found.iter().all(|one| *one == expected);
            assert!(same, "{} {file:?}: {found:?}", entry.id);
        }
    }
}
