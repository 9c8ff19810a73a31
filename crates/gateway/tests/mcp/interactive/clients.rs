//! Which client of ours asks: `auth/basic-cimd`, `auth/pre-registration`, `auth/token-endpoint-auth-*`
//! and `auth/authorization-server-migration`.

use std::time::Duration;

use portcullis_credentials::CredentialErrorKind;
use serde_json::json;

use super::{FakeAuthorizationServer, FakeUpstream, REDIRECT, Stage, is_good};

/// `auth/basic-cimd`.
#[tokio::test]
async fn our_document_is_our_client_where_it_is_taken() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    let url = "https://conformance-test.local/client-metadata.json";
    let sections = format!("server: {{client_metadata_url: \"{url}\"}}\n");
    let stage = Stage::around(upstream, authorization, &sections, &[]).await;
    let alice = stage.person("alice").await;
    for (taken, registrations) in [(true, 0), (false, 1)] {
        stage.authorization.manners(|manners| {
            manners.metadata["client_id_metadata_document_supported"] = json!(taken);
        });
        stage.later(Duration::from_mins(1)).await;
        stage.connect(&alice).await;
        stage.token_of(&alice).await;
        let asked = stage.authorization.asked();
        let client_id = &asked.last().unwrap()["client_id"];
        assert_eq!(client_id == url, taken, "{client_id}");
        let forms = stage.authorization.token_forms();
        assert_eq!(&forms.last().unwrap()["client_id"], client_id);
        assert_eq!(stage.authorization.at("/register").len(), registrations);
    }
    stage.end().await;
}

/// The document that we serve names addresses of our own origin, so nobody comes back to another one
/// with it.
#[tokio::test]
async fn our_own_document_is_used_for_browsers_that_come_back_to_our_origin() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.manners(|manners| {
        manners.metadata["client_id_metadata_document_supported"] = json!(true);
    });
    let sections = "server: {public_url: \"https://gw.example\"}\n";
    let stage = Stage::around(upstream, authorization, sections, &[]).await;
    let alice = stage.person("alice").await;
    let elsewhere = stage.begin(&alice).await.unwrap();
    assert!(elsewhere.url.as_str().contains("client_id=client-"));
    let auth = super::auth(&stage.house);
    let connections = stage.house.embedded.connections();
    let shared = "https://gw.example/callback";
    let departure = connections
        .begin(&auth, &alice.id, shared, "/")
        .await
        .unwrap();
    let asked = departure.url.query_pairs();
    let client_id = asked.into_iter().find(|(name, _)| name == "client_id");
    let document = "https://gw.example/oauth/client-metadata/a";
    assert_eq!(client_id.unwrap().1, document);
    let served = stage.house.stranger().at("/oauth/client-metadata/a");
    let served = served.get(&[]).await.whole().await;
    stage.house.forget_one();
    assert_eq!(served.status, 200);
    assert_eq!(served.headers["cache-control"], "public, max-age=300");
    let served = served.json();
    assert_eq!(served["client_id"], document);
    let ours = "https://gw.example/callback/a";
    assert_eq!(served["redirect_uris"], json!([ours]), "and no other's");
    let mut asked = departure.url.query_pairs();
    let back = asked.find(|(name, _)| name == "redirect_uri");
    assert_eq!(back.unwrap().1, ours);
    for strange in ["%3Cb%3E", "a%2Fb", "a%20b"] {
        let path = format!("/oauth/client-metadata/{strange}");
        let answer = stage
            .house
            .stranger()
            .at(&path)
            .get(&[])
            .await
            .whole()
            .await;
        stage.house.forget_one();
        assert_eq!(answer.status, 404, "{strange}");
    }
    stage.end().await;
}

#[tokio::test]
async fn without_a_stable_https_origin_there_is_no_document() {
    let stage = Stage::set(&[]).await;
    let asked = stage.house.stranger().at("/oauth/client-metadata.json");
    let answer = asked.get(&[]).await.whole().await;
    stage.house.forget_one();
    assert_eq!(answer.status, 404);
    let words = "CIMD requires a configured HTTPS PROXY_BASE_URL";
    assert_eq!(answer.json()["detail"], words);
    stage.end().await;
}

/// `auth/token-endpoint-auth-basic`, `-post` and `-none`.
#[tokio::test]
async fn a_registered_client_proves_itself_as_the_server_wants() {
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let stage = Stage::set(&[]).await;
        stage.authorization.manners(|manners| {
            manners.metadata["token_endpoint_auth_methods_supported"] = json!([method]);
            manners.expires_in = Some(120);
        });
        let alice = stage.person("alice").await;
        stage.connect(&alice).await;
        let first = stage.token_of(&alice).await;
        // The refresh too: the fake knows a client by its own way only.
        stage.later(std::time::Duration::from_secs(110)).await;
        let second = stage.token_of(&alice).await;
        assert_ne!(first, second, "{method}");
        let registered = &stage.authorization.at("/register")[0];
        let wish = registered.text(&["token_endpoint_auth_method"]);
        assert_eq!(wish.as_deref(), Some(method));
        assert_eq!(
            registered.text(&["application_type"]).as_deref(),
            Some("native")
        );
        stage.end().await;
    }
}

#[tokio::test]
async fn no_refresh_tokens_are_wished_for_where_there_are_none() {
    let stage = Stage::set(&[]).await;
    stage.authorization.manners(|manners| {
        manners.metadata["grant_types_supported"] = json!(["authorization_code"]);
        manners.refreshes = false;
    });
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let registered = &stage.authorization.at("/register")[0];
    let grants = registered.raw(&["grant_types"]);
    assert_eq!(grants.as_deref(), Some(r#"["authorization_code"]"#));
    is_good(&stage.call(&alice).await);
    stage.end().await;
}

/// `auth/pre-registration`.
#[tokio::test]
async fn a_client_of_the_file_is_used_and_none_is_registered() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let upstream = FakeUpstream::legacy().await;
        let authorization = FakeAuthorizationServer::start().await;
        authorization.knows("by:hand", Some("its s&cret"), method);
        authorization.manners(|manners| {
            manners.metadata["token_endpoint_auth_methods_supported"] = json!([method]);
            manners.metadata["registration_endpoint"] = json!(null);
        });
        let lines = ["client_id: \"by:hand\"", "client_secret: \"its s&cret\""];
        let stage = Stage::around(upstream, authorization, "", &lines).await;
        let alice = stage.person("alice").await;
        stage.connect(&alice).await;
        stage.token_of(&alice).await;
        assert_eq!(stage.authorization.asked()[0]["client_id"], "by:hand");
        stage.end().await;
    }
}

#[tokio::test]
async fn a_client_is_registered_once_for_everybody() {
    let stage = Stage::set(&[]).await;
    for name in ["alice", "bob"] {
        let person = stage.person(name).await;
        stage.connect(&person).await;
        stage.token_of(&person).await;
    }
    assert_eq!(stage.authorization.at("/register").len(), 1);
    let wish = &stage.authorization.at("/register")[0];
    assert_eq!(
        wish.raw(&["redirect_uris"]),
        Some(format!("[\"{REDIRECT}/a\"]"))
    );
    stage.end().await;
}

#[tokio::test]
async fn people_who_come_in_the_same_moment_get_one_client() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let stage = std::sync::Arc::new(stage);
    let alice = std::sync::Arc::new(alice);
    let mut begun = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (stage, alice) = (std::sync::Arc::clone(&stage), std::sync::Arc::clone(&alice));
        begun.spawn(async move { stage.begin(&alice).await.unwrap().url.to_string() });
    }
    for url in begun.join_all().await {
        assert!(url.contains("client_id=client-1&"), "{url}");
    }
    assert_eq!(stage.authorization.at("/register").len(), 1);
    std::sync::Arc::into_inner(stage).unwrap().end().await;
}

/// DCR-05: what a registration endpoint does wrong is told without its words, and nothing is kept.
#[tokio::test]
async fn a_registration_that_fails_says_nothing_of_what_the_server_said() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let large = format!("{{\"client_id\":\"{}\"}}", "x".repeat(1 << 20));
    for (status, body, kind) in [
        (500, "canary", CredentialErrorKind::Unavailable),
        (
            200,
            "<html>canary</html>",
            CredentialErrorKind::NotRegistered,
        ),
        (302, "canary", CredentialErrorKind::NotRegistered),
        (201, large.as_str(), CredentialErrorKind::NotRegistered),
        (
            400,
            r#"{"error":"invalid_redirect_uri","error_description":"canary"}"#,
            CredentialErrorKind::NotRegistered,
        ),
    ] {
        stage
            .authorization
            .manners(|manners| manners.registration = Some((status, body.to_owned())));
        let error = stage.begin(&alice).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {}", body.len());
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    stage
        .authorization
        .manners(|manners| manners.registration = None);
    stage.connect(&alice).await;
    stage
        .authorization
        .manners(|manners| manners.metadata["registration_endpoint"] = json!(null));
    // The client that there is, is used.
    stage.connect(&alice).await;
    stage.end().await;
}

/// A server that was set up anew knows no client of ours: the next flow registers another.
#[tokio::test]
async fn a_client_that_the_server_forgot_is_registered_again() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let departure = stage.begin(&alice).await.unwrap();
    let query = stage.authorization.agrees(&departure.url);
    stage.authorization.forget_clients();
    let failed = stage
        .arrive(&alice, &query, super::cookie(&departure))
        .await;
    let refused = CredentialErrorKind::Refused {
        status: 401,
        code: Some("invalid_client"),
    };
    let why = portcullis_credentials::WhyNot::Credential(refused);
    assert_eq!(failed.unwrap_err().why, why);
    assert_eq!(super::status(&stage.house, &alice).await, None);
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    assert_eq!(stage.authorization.at("/register").len(), 2);
    stage.end().await;
}

/// `auth/authorization-server-migration`: the server names another authorization server and refuses
/// the tokens of the first one; nothing of the first one's is shown to the second.
#[tokio::test]
async fn a_server_that_moves_to_another_authorization_server_gets_nothing_of_the_first() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    let other = FakeAuthorizationServer::start().await;
    // From now on it takes tokens of the other one.
    let _rules = other.protects(&stage.upstream);
    stage.call(&alice).await;
    super::wanted_consent(&stage.house).await;
    super::connect(&stage.house, &other, &alice).await;
    let second = stage.token_of(&alice).await;
    assert!(other.stands_behind(&second));
    assert_eq!(other.at("/register").len(), 1);
    let client = &stage.authorization.asked()[0]["client_id"];
    let first_refresh = "upstream-refresh-";
    for request in other.requests() {
        let text = format!("{request:?}");
        assert!(!text.contains(&first), "{text}");
        // Both servers count from one, so their names are told apart by what was asked.
        assert!(!text.contains(first_refresh), "{text}");
    }
    assert_eq!(other.asked()[0]["client_id"], *client, "counted anew");
    let connection = super::status(&stage.house, &alice).await.unwrap();
    assert_eq!(connection.issuer, other.origin());
    stage.end().await;
}

/// A secret that was changed on one side only is the operator's affair, and ends nobody's connection.
#[tokio::test]
async fn a_client_of_the_file_that_is_refused_for_now_ends_no_connection() {
    for code in ["invalid_client", "unauthorized_client"] {
        let upstream = FakeUpstream::legacy().await;
        let authorization = FakeAuthorizationServer::start().await;
        authorization.knows("ours", Some("the-client-secret"), "client_secret_post");
        let lines = [
            "client_id: ours",
            "client_secret: the-client-secret",
            "token_endpoint_auth_method: client_secret_post",
        ];
        let stage = Stage::around(upstream, authorization, "", &lines).await;
        let alice = stage.person("alice").await;
        stage.connect(&alice).await;
        let first = stage.token_of(&alice).await;
        stage.authorization.manners(|manners| {
            manners.tokens = Some((401, json!({"error": code}).to_string()));
        });
        stage.later(std::time::Duration::from_hours(1)).await;
        stage.call(&alice).await;
        let events = stage.house.request_events().await;
        assert_ne!(events.last().unwrap()["outcome"], "consent_required");
        assert!(!super::status(&stage.house, &alice).await.unwrap().is_over);
        stage.authorization.manners(|manners| manners.tokens = None);
        stage.later(std::time::Duration::from_mins(1)).await;
        assert_ne!(stage.token_of(&alice).await, first);
        stage.end().await;
    }
}

/// The client of the file belongs to the authorization server that it was first used with, unless the
/// file says to which: another one that the server names later gets nothing of it.
#[tokio::test]
async fn a_secret_of_the_file_is_not_shown_to_whom_the_server_names_later() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    let other = FakeAuthorizationServer::start().await;
    for one in [&authorization, &other] {
        one.knows("by-hand", Some("its-secret"), "client_secret_post");
        one.manners(|manners| {
            manners.metadata["token_endpoint_auth_methods_supported"] =
                json!(["client_secret_post"]);
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let lines = ["client_id: by-hand", "client_secret: its-secret"];
    let servers = [super::entry(&upstream, &lines)];
    let _first_rules = authorization.protects(&upstream);
    let first = super::House::beside(&database, &servers).await;
    let alice = super::person(&first, "alice").await;
    super::connect(&first, &authorization, &alice).await;
    // The control: it is used again where it is known.
    super::connect(&first, &authorization, &alice).await;
    assert_eq!(
        authorization.token_forms()[1]["client_secret"],
        "its-secret"
    );

    let _rules = other.protects(&upstream);
    // What it refuses is a reason to look where it sends people now.
    alice.client.call("echo", "{}").await;
    // Another replica, which has used nothing yet, and the one that has.
    let second = super::House::beside(&database, &servers).await;
    for house in [&first, &second] {
        let refused = super::begin(house, &alice).await.unwrap_err();
        let kind = CredentialErrorKind::OtherAuthorizationServer;
        assert_eq!(refused.kind, kind);
        assert!(refused.to_string().contains("write `issuer`"), "{refused}");
        let connections = house.embedded.connections();
        let leads = connections.destination(&super::auth(house)).await;
        assert_eq!(leads.unwrap_err().kind, kind);
    }
    assert!(other.at("/token").is_empty());
    let said = format!("{:?}", other.requests());
    assert!(!said.contains("its-secret"), "{said}");

    // The operator says that it has moved.
    let issuer = format!("issuer: \"{}\"", other.origin());
    let moved = [super::entry(&upstream, &[lines[0], lines[1], &issuer])];
    let third = super::House::beside(&database, &moved).await;
    let connections = third.embedded.connections();
    let auth = super::auth(&third);
    // Of the two connections the first was given back, when its client was still known there.
    let given_back = async || authorization.at("/revoke").len() == 2;
    portcullis_testkit::eventually("the first connection is given back", given_back).await;
    let ended = connections.disconnect(&auth, &alice.id);
    let ended = ended.await.unwrap();
    assert_eq!((ended.was_connected, ended.revoked), (true, false));
    // What the file says now is not for the one of before.
    assert_eq!(authorization.at("/revoke").len(), 2);
    super::connect(&third, &other, &alice).await;
    let ended = connections.disconnect(&auth, &alice.id);
    assert!(ended.await.unwrap().revoked, "control");
    Box::pin(super::replicas::end_all(vec![first, second, third])).await;
}

/// RFC 7523 §2.2: a client that signs does so anew for the code, for every refresh and for the end, and
/// shows no secret.
#[tokio::test]
async fn a_client_that_signs_renews_and_gives_back() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.knows("signer", None, "private_key_jwt");
    authorization.manners(|manners| {
        manners.metadata["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
    });
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = format!("client_private_key: {}", json!(pair.serialize_pem()));
    let lines = [
        "client_id: signer",
        "token_endpoint_auth_method: private_key_jwt",
        key.as_str(),
    ];
    let stage = Stage::around(upstream, authorization, "", &lines).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    for _ in 0..2 {
        stage.later(Duration::from_hours(1)).await;
        assert_ne!(stage.token_of(&alice).await, first);
    }
    let forms = stage.authorization.token_forms();
    assert_eq!(forms.len(), 3);
    let assertions: std::collections::BTreeSet<_> =
        forms.iter().map(|form| &form["client_assertion"]).collect();
    assert_eq!(assertions.len(), 3);
    let connections = stage.house.embedded.connections();
    let ended = connections
        .disconnect(&super::auth(&stage.house), &alice.id)
        .await;
    assert!(ended.unwrap().revoked);
    stage.end().await;
}
