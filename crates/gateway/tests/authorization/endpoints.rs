use http::HeaderMap;
use portcullis_testkit::gateway::{Actor, Ask};
use serde_json::json;

use super::stage::{Stage, error_of, form_ask};

/// A token is for one endpoint, in whatever spelling, and for nothing else of ours.
#[tokio::test]
async fn a_token_opens_the_endpoint_that_it_was_asked_for_and_no_other() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let aggregate = stage.tokens(&client, &[]).await.access;
    let named = [("resource", "http://localhost/support/mcp")];
    let named = stage.tokens(&client, &named).await.access;
    for path in ["/mcp", "/mcp/"] {
        assert_eq!(stage.met_at(path, &aggregate).await, 200, "{path}");
        assert_eq!(stage.met_at(path, &named).await, 401, "{path}");
    }
    for path in ["/mcp/support", "/support/mcp", "/support/mcp/"] {
        assert_eq!(stage.met_at(path, &named).await, 200, "{path}");
        assert_eq!(stage.met_at(path, &aggregate).await, 401, "{path}");
    }
    for path in ["/mcp/private", "/private/mcp", "/mcp/support,private"] {
        assert_eq!(stage.met_at(path, &named).await, 401, "{path}");
    }
    let by = |token: &str| stage.gateway.bearer(token);
    assert_eq!(by(&aggregate).echo("x").await.status, 200);
    assert_eq!(by(&named).echo("x").await.status, 401);
    let elsewhere = Ask::initialize("/mcp").host(Some("127.0.0.1"));
    let elsewhere = by(&aggregate).ask(elsewhere).await;
    assert_eq!(elsewhere.status, 401, "another origin, another issuer");
    stage.gateway.stands().await;
}

/// ADR 0011: what a client may do for an administrator is what a user may do.
#[tokio::test]
async fn an_administrators_token_administers_nothing() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let admin = stage.gateway.admin().await;
    let token = stage.tokens_of(&admin, &client, &[]).await.access;
    let bearer = stage.gateway.bearer(&token);
    assert_eq!(bearer.echo("x").await.status, 200);
    for path in ["/v1/audit", "/v1/revocations", "/key/list", "/metrics"] {
        assert_eq!(bearer.ask(Ask::get(path)).await.status, 401, "{path}");
    }
    stage.gateway.stands().await;
}

/// SAME_AS_OWN: a token of ours neither goes upstream in a header nor is exchanged for another.
#[tokio::test]
async fn a_token_of_ours_never_leaves() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let tokens = stage.tokens(&client, &[]).await;
    let door = stage.gateway.embedded().authentication();
    let (_, principal) = stage.person(&stage.alice).await;
    for value in [
        format!("Bearer {}", tokens.access),
        tokens.access.clone(),
        format!("token={}", tokens.access),
    ] {
        let mut headers = HeaderMap::new();
        let key = stage.alice.credential().parse().unwrap();
        headers.insert("x-litellm-api-key", key);
        headers.insert("authorization", value.parse().unwrap());
        headers.insert("x-other", value.parse().unwrap());
        let brought = door.brought(&headers, &principal, |_| true).await;
        assert!(brought.on_behalf.is_none(), "it is no subject token");
        assert!(brought.is_empty(), "nor a header that is handed on");
    }
    stage.later(std::time::Duration::from_hours(2)).await;
    let mut headers = HeaderMap::new();
    let key = stage.alice.credential().parse().unwrap();
    headers.insert("x-litellm-api-key", key);
    let expired = format!("Bearer {}", tokens.access).parse().unwrap();
    headers.insert("authorization", expired);
    let brought = door.brought(&headers, &principal, |_| true).await;
    assert!(brought.is_empty(), "an expired one is ours all the same");
}

#[tokio::test]
async fn a_token_lives_an_hour_and_a_bad_one_never() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let token = stage.tokens(&client, &[]).await.access;
    let (head, rest) = token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let last = if signature.starts_with('A') { "B" } else { "A" };
    for bad in [
        format!("{head}.{body}.{last}{}", &signature[1..]),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("eyJhbGciOiJub25lIn0.{body}."),
    ] {
        assert_eq!(stage.met_at("/mcp", &bad).await, 401, "{bad}");
    }
    assert_eq!(stage.met_at("/mcp", &token).await, 200);
    stage.later(std::time::Duration::from_secs(3600 + 31)).await;
    assert_eq!(stage.met_at("/mcp", &token).await, 401);
}

/// RFC 7662, RL-14's other side.
#[tokio::test]
async fn who_may_ask_is_told_of_our_own_tokens() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let tokens = stage.tokens(&client, &[("scope", "read")]).await;
    let asked = |by: Actor, token: String| async move {
        by.ask(form_ask("/introspect", &[("token", &token)])).await
    };
    let admin = stage.gateway.admin().await;
    let told = asked(admin.clone(), tokens.access.clone()).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.header("cache-control"), Some("no-store"));
    let body = told.json();
    assert_eq!(body["active"], true);
    assert_eq!(body["client_id"], client.as_str());
    assert_eq!(body["scope"], "read");
    assert_eq!(body["aud"], "http://localhost/mcp");
    let told = asked(admin.clone(), tokens.refresh.clone()).await.json();
    assert_eq!(told["token_type"], "refresh_token");
    for other in ["made-up", admin.credential(), "a.b.c"] {
        let told = asked(admin.clone(), other.to_owned()).await;
        assert_eq!(told.json(), json!({"active": false}), "{other}");
    }
    let nobody = asked(stage.gateway.anonymous(), tokens.access.clone()).await;
    assert_eq!(
        (nobody.status, error_of(&nobody).as_str()),
        (401, "invalid_client")
    );
    let bearer = asked(stage.gateway.bearer(&tokens.access), tokens.access.clone()).await;
    assert_eq!(bearer.status, 401, "a token asks about none");
    let form = [
        ("token", tokens.access.as_str()),
        ("client_id", client.as_str()),
    ];
    let public = stage.post("/introspect", &form).await;
    assert_eq!(public.status, 401, "a public client proves nothing");
    // A client with a secret, about its own tokens alone.
    let metadata = json!({"redirect_uris": [super::stage::CALLBACK]});
    let confidential = stage.register(&metadata).await.json();
    let id = confidential["client_id"].as_str().unwrap();
    let secret = confidential["client_secret"].as_str().unwrap();
    let form = [
        ("token", tokens.access.as_str()),
        ("client_id", id),
        ("client_secret", secret),
    ];
    let others = stage.post("/introspect", &form).await;
    assert_eq!(others.json(), json!({"active": false}));
    stage.gateway.stands().await;
}
