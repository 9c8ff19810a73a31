//! One token for many calls, and for no longer than it is good.

use std::time::Duration;

use portcullis_core::{ClientSecret, SecretValue};
use portcullis_credentials::{
    ClientProof, CredentialBroker, CredentialKind, ServerAuth, StaticHeader, TokenEndpoint,
    UpstreamAuth,
};
use tokio::task::JoinSet;

use crate::fake::{Answer, AuthorizationServer, token};
use crate::{client, house, m2m, presented, server};

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test]
async fn rfc_6749_4_4_2_the_request_carries_exactly_what_the_file_says() {
    let as1 = AuthorizationServer::start().await;
    let mut credentials = client(TokenEndpoint::Configured(as1.url("/token")));
    credentials.scopes = "b a".parse().unwrap();
    credentials.audience = Some("api".to_owned());
    credentials.resource = Some("https://mcp.example/mcp".to_owned());
    let mut auth = server("m2m", credentials.clone());
    auth.static_headers
        .push(StaticHeader::new("authorization", &SecretValue::new("mine")).unwrap());
    let house = house();
    let credential = house.obtain(&auth).await.unwrap();
    assert_eq!(credential.kind(), CredentialKind::M2mClientCredentials);
    assert_eq!(presented(&credential), "Bearer token-1");

    credentials.client.proof = ClientProof::SecretBasic(ClientSecret::new("canary-secret"));
    house.obtain(&server("m2m", credentials)).await.unwrap();

    let seen = as1.seen();
    let mut form: Vec<_> = seen[0].form.iter().collect();
    form.sort();
    let text: Vec<_> = form.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        text,
        [
            "audience=api",
            "client_id=gateway",
            "client_secret=canary-secret",
            "grant_type=client_credentials",
            "resource=https://mcp.example/mcp",
            "scope=a b",
        ]
    );
    assert_eq!(seen[0].headers.get("authorization"), None);
    assert!(!seen[1].form.contains_key("client_secret"));
    assert_eq!(
        seen[1].headers["authorization"],
        "Basic Z2F0ZXdheTpjYW5hcnktc2VjcmV0"
    );
}

/// TOK-01.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_calls_make_one_token_request() {
    let as1 = AuthorizationServer::start().await;
    as1.hold();
    let house = house();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let (broker, auth) = (house.broker.clone(), m2m(as1.url("/token")));
        calls.spawn(async move {
            let permit = portcullis_policy::authorize_service(&auth.server);
            presented(
                &broker
                    .obtain(
                        permit.evidence(),
                        &auth,
                        portcullis_credentials::Errand::Session,
                    )
                    .await
                    .unwrap(),
            )
        });
    }
    as1.received(1).await;
    as1.release();
    while let Some(value) = calls.join_next().await {
        assert_eq!(value.unwrap(), "Bearer token-1");
    }
    assert_eq!(as1.token_requests(), 1);
}

#[tokio::test]
async fn a_caller_who_leaves_strands_nobody_who_waits_for_the_same_token() {
    let as1 = AuthorizationServer::start().await;
    as1.hold();
    let house = house();
    let auth = m2m(as1.url("/token"));
    tokio::select! {
        biased;
        _ = house.obtain(&auth) => unreachable!("the endpoint is held"),
        () = as1.received(1) => {}
    }
    let waiter = house.presented(&auth);
    as1.release();
    assert_eq!(waiter.await, "Bearer token-1");
    assert_eq!(as1.token_requests(), 1);
}

#[tokio::test]
async fn a_token_serves_until_a_minute_before_its_end() {
    let as1 = AuthorizationServer::start().await;
    as1.next(Answer::json(token("first", "80")));
    let house = house();
    let auth = m2m(as1.url("/token"));
    assert_eq!(house.presented(&auth).await, "Bearer first");
    house.clock.advance(secs(19));
    assert_eq!(house.presented(&auth).await, "Bearer first");
    house.clock.advance(secs(1));
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
}

/// TOK-02.
#[tokio::test]
async fn hostile_lifetimes_make_neither_a_hot_loop_nor_an_eternal_token() {
    for (expires_in, usable) in [
        ("0", secs(1)),
        ("-5", secs(1)),
        ("10", secs(1)),
        ("60", secs(1)),
        ("null", secs(300)),
        (r#""soon""#, secs(300)),
        (r#""3600""#, secs(3_540)),
        ("1e308", secs(86_340)),
        ("1099511627776", secs(86_340)),
    ] {
        let as1 = AuthorizationServer::start().await;
        as1.next(Answer::json(token("hostile", expires_in)));
        let house = house();
        let auth = m2m(as1.url("/token"));
        for _ in 0..10 {
            assert_eq!(house.presented(&auth).await, "Bearer hostile");
        }
        assert_eq!(as1.token_requests(), 1, "{expires_in}");
        house.clock.advance(usable);
        assert_eq!(
            house.presented(&auth).await,
            "Bearer token-1",
            "{expires_in}"
        );
    }
}

/// TOK-24.
#[tokio::test]
async fn a_wall_clock_that_jumps_never_makes_a_token_last_longer() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = m2m(as1.url("/token"));
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    house.clock.jump_millis(2 * 3_600_000);
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
    house.clock.jump_millis(-2 * 3_600_000);
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
    house.clock.advance(secs(3_540));
    assert_eq!(house.presented(&auth).await, "Bearer token-3");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_calls_go_on() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = m2m(as1.url("/token"));
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    house.clock.advance(secs(3_540 * 4 / 5));
    as1.hold();
    // The endpoint does not answer, and no call waits for it.
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    as1.received(2).await;
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    as1.release();
    house.settled().await;
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
    assert_eq!(as1.token_requests(), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_good_token_in_use() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = m2m(as1.url("/token"));
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    house.clock.advance(secs(3_000));
    for failures in 1..=3 {
        as1.next(Answer::status(503, ""));
        assert_eq!(house.presented(&auth).await, "Bearer token-1");
        as1.received(1 + failures).await;
        house.settled().await;
        // Within the pause nobody asks again, however many calls there are.
        for _ in 0..100 {
            assert_eq!(house.presented(&auth).await, "Bearer token-1");
        }
        house.settled().await;
        assert_eq!(as1.token_requests(), 1 + failures);
        house.clock.advance(secs(10));
    }
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    house.settled().await;
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
}

/// TOK-07.
#[tokio::test]
async fn a_rejected_token_is_replaced_once_and_not_at_every_call() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = m2m(as1.url("/token"));
    let first = house.obtain(&auth).await.unwrap();
    let also_first = house.obtain(&auth).await.unwrap();
    assert!(house.rejected(&auth, &first).await);
    let second = house.obtain(&auth).await.unwrap();
    assert_eq!(presented(&second), "Bearer token-2");
    // A late rejection of the old token does not cost the new one.
    assert!(house.rejected(&auth, &also_first).await);
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
    // An upstream that rejects everything does not get a token per call.
    for _ in 0..100 {
        let credential = house.obtain(&auth).await.unwrap();
        assert!(!house.rejected(&auth, &credential).await);
    }
    assert_eq!(as1.token_requests(), 2);
    house.clock.advance(secs(10));
    assert!(house.rejected(&auth, &second).await);
    assert_eq!(house.presented(&auth).await, "Bearer token-3");
}

/// TOK-09.
#[tokio::test]
async fn whatever_changes_in_the_file_gets_another_token_and_the_old_one_is_not_used_again() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let base = client(TokenEndpoint::Configured(as1.url("/token")));
    let mut variants = vec![base.clone(); 8];
    variants[1].client.proof = ClientProof::SecretPost(ClientSecret::new("rotated"));
    variants[2].client.client_id = "other".to_owned();
    variants[3].scopes = "a".parse().unwrap();
    variants[4].audience = Some(String::new());
    variants[5].resource = Some("r".to_owned());
    variants[6].client.proof = ClientProof::SecretBasic(ClientSecret::new("canary-secret"));
    variants[7].token_endpoint = TokenEndpoint::Configured(as1.url("/token?v=2"));
    for (position, variant) in variants.into_iter().enumerate() {
        let expected = format!("Bearer token-{}", position + 1);
        assert_eq!(house.presented(&server("m2m", variant)).await, expected);
    }
}

/// TOK-11, and the reverse: what is equal in everything shares one token.
#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_at_one_endpoint_never_see_each_others_token() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let tenant = |name: &str| {
        let mut credentials = client(TokenEndpoint::Configured(as1.url("/token")));
        credentials.client.client_id = name.to_owned();
        server(name, credentials)
    };
    let tenants = [tenant("a"), tenant("b")];
    let expected = [
        house.presented(&tenants[0]).await,
        house.presented(&tenants[1]).await,
    ];
    assert_ne!(expected[0], expected[1]);
    for call in 0..1_000 {
        let who = call % 2;
        assert_eq!(house.presented(&tenants[who]).await, expected[who]);
    }
    let twin = ServerAuth {
        server: "twin".into(),
        ..tenants[0].clone()
    };
    assert_eq!(house.presented(&twin).await, expected[0]);
    assert_eq!(as1.token_requests(), 2);
}

/// The two clients of one server, for discovery and for calls, do not push each other out.
#[tokio::test]
async fn two_clients_of_one_server_keep_their_tokens() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let mut other = client(TokenEndpoint::Configured(as1.url("/token")));
    other.client.client_id = "discovery".to_owned();
    let calls = m2m(as1.url("/token"));
    let discovery = ServerAuth {
        auth: UpstreamAuth::ClientCredentials(Box::new(other)),
        ..calls.clone()
    };
    for _ in 0..5 {
        assert_eq!(house.presented(&calls).await, "Bearer token-1");
        assert_eq!(house.presented(&discovery).await, "Bearer token-2");
    }
}

/// A server that the operator took out of the file leaves neither its secret nor its token behind.
#[tokio::test]
async fn what_was_kept_for_a_removed_server_is_forgotten_and_no_other() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let of = |name: &str, client_id: &str| {
        let mut credentials = client(TokenEndpoint::Configured(as1.url("/token")));
        credentials.client.client_id = client_id.to_owned();
        server(name, credentials)
    };
    let removed = of("removed", "alone");
    let kept = of("kept", "shared");
    let twin = of("twin", "shared");
    assert_eq!(house.presented(&removed).await, "Bearer token-1");
    assert_eq!(house.presented(&kept).await, "Bearer token-2");
    assert_eq!(house.presented(&twin).await, "Bearer token-2");

    house.broker.keep_only(&["kept".into()].into());
    assert_eq!(house.presented(&kept).await, "Bearer token-2");
    assert_eq!(house.presented(&twin).await, "Bearer token-2");
    assert_eq!(house.presented(&removed).await, "Bearer token-3");
}
