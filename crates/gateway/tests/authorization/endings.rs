use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, SystemClock};
use portcullis_store::GrantRecord;
use portcullis_testkit::PATIENCE;
use portcullis_testkit::gateway::{Ask, MockServer, TestGateway};
use serde_json::json;

use super::stage::{Stage, error_of};

/// RFC 7009: with one token goes the whole grant, and only its own client ends it.
#[tokio::test]
async fn a_client_gives_its_tokens_back() {
    let stage = Stage::new().await;
    let (client, other) = (stage.client().await, stage.client().await);
    for by_refresh in [true, false] {
        let tokens = stage.tokens(&client, &[]).await;
        let token = if by_refresh {
            &tokens.refresh
        } else {
            &tokens.access
        };
        let form = [("token", token.as_str()), ("client_id", other.as_str())];
        assert_eq!(stage.post("/revoke", &form).await.status, 200);
        assert_eq!(
            stage.met_at("/mcp", &tokens.access).await,
            200,
            "not theirs"
        );
        let form = [("token", token.as_str()), ("client_id", client.as_str())];
        for _ in 0..2 {
            assert_eq!(stage.post("/revoke", &form).await.status, 200);
        }
        assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
        let refused = stage.refresh(&client, &tokens.refresh).await;
        assert_eq!(error_of(&refused), "invalid_grant");
    }
    let form = [("token", "made-up"), ("client_id", client.as_str())];
    assert_eq!(stage.post("/revoke", &form).await.status, 200);
    let nobody = stage.post("/revoke", &[("token", "x")]).await;
    assert_eq!(
        (nobody.status, error_of(&nobody).as_str()),
        (401, "invalid_client")
    );
    let nothing = stage.post("/revoke", &[("client_id", &client)]).await;
    assert_eq!(error_of(&nothing), "invalid_request");
    stage.gateway.stands().await;
}

/// What a person sees of their grants is theirs, and theirs to end.
#[tokio::test]
async fn a_person_ends_what_they_granted() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let tokens = stage.tokens(&client, &[("scope", "read")]).await;
    let (_, alice) = stage.person(&stage.alice).await;
    let bob = stage.gateway.key("bob", &["support"]).await;
    let (_, bob) = stage.person(&bob).await;
    let server = stage.server();
    let listed = server.grants().of(&alice.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].client_id, client);
    assert_eq!(listed[0].client_name.as_deref(), Some("Tool"));
    assert_eq!(listed[0].scopes.to_string(), "read");
    assert!(server.grants().of(&bob.id).await.unwrap().is_empty());
    let id = &listed[0].id;
    assert!(!server.grants().end_of(&bob.id, id).await.unwrap());
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 200);
    assert!(server.grants().end_of(&alice.id, id).await.unwrap());
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
    assert!(server.grants().of(&alice.id).await.unwrap().is_empty());
}

/// A row that does not open, because somebody moved it or its key is gone, keeps no other from being
/// seen and ended.
#[tokio::test]
async fn one_bad_row_keeps_nobody_from_ending_the_others() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let (_, alice) = stage.person(&stage.alice).await;
    let now = stage.clock.now();
    let bad = GrantRecord {
        id: "moved".to_owned(),
        principal: alice.id.to_string(),
        client: client.clone(),
        sealed: b"from elsewhere".to_vec(),
        created_at: now,
        expires_at: now.after(Duration::from_hours(1)),
        ended_at: None,
    };
    let rows = stage.gateway.embedded().stores().grants.clone();
    assert!(rows.open(&bad).await.unwrap());
    let tokens = stage.tokens(&client, &[]).await;
    let server = stage.server();
    assert_eq!(server.grants().of(&alice.id).await.unwrap().len(), 1);
    let ended = server.grants().end_with(&alice.id, &client).await.unwrap();
    assert_eq!(ended, 2);
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
    let left = rows.standing(alice.id.as_str(), now).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// RL-09: who is gone, and what is on the list, ends what was granted by them.
#[tokio::test]
async fn whoever_is_revoked_takes_their_clients_along() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let admin = stage.gateway.admin().await;
    let bob = stage.gateway.key("bob", &["support"]).await;
    let tokens = stage.tokens_of(&bob, &client, &[]).await;
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 200);
    let delete = Ask::post("/key/delete", &json!({"keys": [bob.key_id()]}));
    let deleted = admin.ask(delete).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
    let refused = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(error_of(&refused), "invalid_grant");

    let tokens = stage.tokens(&client, &[]).await;
    let marks = portcullis_oauth::jose::claimed_marks(&tokens.access).unwrap();
    let token = json!({"issuer": "http://localhost", "jti": &*marks.jti.unwrap()});
    let revoked = admin.ask(Ask::post("/v1/revocations", &token)).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
    let next = super::stage::read(&stage.refresh(&client, &tokens.refresh).await);
    assert_eq!(stage.met_at("/mcp", &next.access).await, 200, "one token");
    let session = json!({"issuer": "http://localhost", "sid": &*marks.sid.unwrap()});
    let revoked = admin.ask(Ask::post("/v1/revocations", &session)).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(stage.met_at("/mcp", &next.access).await, 401, "all of them");
}

/// What is revoked at our own issuer, by its subject or altogether, comes back by no refresh and no code.
#[tokio::test]
async fn a_revocation_at_our_own_issuer_is_not_undone_by_a_refresh() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let admin = stage.gateway.admin().await;
    let (_, alice) = stage.person(&stage.alice).await;
    for target in [
        json!({"issuer": "http://localhost", "sub": alice.id.as_str()}),
        json!({"issuer": "http://localhost", "all_subjects": true}),
    ] {
        let tokens = stage.tokens(&client, &[]).await;
        let code = stage.code(&client).await;
        stage.clock.advance(Duration::from_secs(1));
        let revoked = admin.ask(Ask::post("/v1/revocations", &target)).await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
        let told = super::stage::form_ask("/introspect", &[("token", &tokens.refresh)]);
        let told = admin.ask(told).await;
        assert_eq!(told.json(), json!({"active": false}), "{target}");
        let refused = stage.refresh(&client, &tokens.refresh).await;
        assert_eq!(error_of(&refused), "invalid_grant", "{target}");
        let refused = stage.exchange(&client, &code).await;
        assert_eq!(error_of(&refused), "invalid_grant", "{target}");
        stage.later(Duration::from_secs(61)).await;
    }
}

/// A client that nobody trusts any more: all that it holds of anybody's, at once.
#[tokio::test]
async fn an_operator_ends_what_a_client_holds() {
    let stage = Stage::new().await;
    let (client, other) = (stage.client().await, stage.client().await);
    let bob = stage.gateway.key("bob", &["support"]).await;
    let held = [
        stage.tokens(&client, &[]).await,
        stage.tokens_of(&bob, &client, &[]).await,
    ];
    let kept = stage.tokens(&other, &[]).await;
    let end = || Ask::post("/v1/oauth/clients/end", &json!({"client_id": client}));
    assert_eq!(bob.ask(end()).await.status, 403);
    assert_eq!(stage.met_at("/mcp", &held[0].access).await, 200);
    let admin = stage.gateway.admin().await;
    let ended = admin.ask(end()).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json(), json!({"client_id": client, "ended": 2}));
    for tokens in &held {
        assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
        let refused = stage.refresh(&client, &tokens.refresh).await;
        assert_eq!(error_of(&refused), "invalid_grant");
    }
    assert_eq!(stage.met_at("/mcp", &kept.access).await, 200);
    assert_eq!(admin.ask(end()).await.json()["ended"], 0);
    stage.gateway.stands().await;
}

/// RL-09: two gateways on one store; what ends at one has ended at the other.
#[tokio::test]
async fn a_grant_that_ends_here_has_ended_on_another_replica() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let mock = MockServer::start().await;
    let yaml = format!("mcp_servers:\n{}", mock.entry("support"));
    let clock = || Arc::new(SystemClock::start()) as Arc<dyn Clock>;
    let one = TestGateway::sharing(&database, &yaml, clock()).await;
    let two = TestGateway::sharing(&database, &yaml, clock()).await;
    let metadata = json!({
        "redirect_uris": [super::stage::CALLBACK], "token_endpoint_auth_method": "none",
    });
    let client = one.anonymous().ask(Ask::post("/register", &metadata)).await;
    let client = client.json()["client_id"].as_str().unwrap().to_owned();
    let alice = one.key("alice", &["support"]).await;
    // Any replica serves any step.
    let (first, second) = (
        one.embedded().authorization_server().unwrap(),
        two.embedded().authorization_server().unwrap(),
    );
    let query = super::stage::query(&client, &[]);
    let flow = first.begin(&query, "http://localhost").await.unwrap();
    let (person, principal) = {
        let mut headers = http::HeaderMap::new();
        let value = format!("Bearer {}", alice.credential()).parse().unwrap();
        headers.insert("authorization", value);
        let door = one.embedded().authentication();
        let arrival = portcullis_identity::Arrival::default();
        let holder = door
            .authenticate(&headers, &arrival)
            .await
            .unwrap()
            .principal;
        let key = portcullis_core::ApiKey::new(alice.credential());
        let person = portcullis_identity::Person {
            session: "s".to_owned(),
            signed_in_at: portcullis_core::Timestamp::from_millis(0),
            proved: portcullis_identity::Proved::Key(portcullis_identity::KeyHolder {
                principal: holder.id.clone(),
                key_id: holder.key_id.clone(),
                fingerprint: key.fingerprint(),
            }),
        };
        let principal = door.person(&person).await.unwrap();
        (person, principal)
    };
    let to = second
        .approve(&flow, super::stage::ORIGIN, &person, &principal)
        .await
        .unwrap();
    let code = super::stage::parameters(&to)["code"].clone();
    let form = super::stage::code_form(&client, &code);
    let form = super::stage::form_ask("/token", &form);
    let issued = one.anonymous().ask(form).await;
    assert_eq!(issued.status, 200, "{issued:?}");
    let token = super::stage::read(&issued).access;
    let met = async |at: &TestGateway| at.bearer(&token).ask(Ask::initialize("/mcp")).await.status;
    let known = async {
        // The other replica learns of the key, which it never saw, within its next pulse.
        while met(&two).await != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    assert_eq!(met(&one).await, 200);
    let form = [("token", token.as_str()), ("client_id", client.as_str())];
    let revoked = one
        .anonymous()
        .ask(super::stage::form_ask("/revoke", &form))
        .await;
    assert_eq!(revoked.status, 200);
    assert_eq!(met(&one).await, 401);
    let gone = async {
        while met(&two).await != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}
