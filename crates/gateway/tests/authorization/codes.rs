use portcullis_testkit::gateway::Ask;
use serde_json::json;

use super::stage::{
    CALLBACK, ORIGIN, Stage, VERIFIER, code_form, error_of, form_ask, parameters, query, read,
};

#[tokio::test]
async fn a_client_calls_a_tool_for_the_person_who_let_it_in() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let flow = stage
        .begin(&query(&client, &[("scope", "read openid")]))
        .await;
    let flow = flow.unwrap();
    let pending = stage
        .server()
        .pending(&flow, ORIGIN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pending.client_id, client);
    assert_eq!(pending.client_name.as_deref(), Some("Tool"));
    assert_eq!(pending.redirect_host, "localhost");
    assert!(!pending.loopback_only, "it may be sent to app.test too");
    assert_eq!(pending.resource, format!("{ORIGIN}/mcp"));
    assert!(pending.servers.is_empty());
    assert_eq!(pending.scopes.to_string(), "read");
    let (person, principal) = stage.person(&stage.alice).await;
    let approved = stage
        .server()
        .approve(&flow, ORIGIN, &person, &principal)
        .await;
    let to = approved.unwrap();
    assert!(to.as_str().starts_with(CALLBACK), "{to}");
    let back = parameters(&to);
    assert_eq!(back["state"], "af0ifjsldkj");
    assert_eq!(back["iss"], ORIGIN, "RFC 9207");
    let again = stage
        .server()
        .approve(&flow, ORIGIN, &person, &principal)
        .await;
    assert!(again.is_err(), "a request is decided once");
    assert!(
        stage
            .server()
            .pending(&flow, ORIGIN)
            .await
            .unwrap()
            .is_none()
    );

    let reply = stage.exchange(&client, &back["code"]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "read");
    let called = stage
        .gateway
        .bearer(&read(&reply).access)
        .echo("hello")
        .await;
    assert_eq!(called.status, 200, "{called:?}");
    assert!(called.text().contains("hello"));
    let event = stage.gateway.event_of(&reply).await;
    assert_eq!(event["surface"], "oauth");
    assert_eq!(event["target"], json!({"kind": "client", "name": client}));
    assert_eq!(event["principal"], principal.id.as_str());
    let event = stage.gateway.event_of(&called).await;
    assert_eq!(event["principal"], principal.id.as_str(), "one person");
    assert_eq!(event["principal_kind"], "signed_in");
    stage.gateway.stands().await;
}

/// RFC 9068 §2: what the token says, by the keys that we publish.
#[tokio::test]
async fn an_access_token_is_a_jwt_that_everybody_can_verify() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let tokens = stage.tokens(&client, &[("scope", "read")]).await;
    let keys = stage.gateway.anonymous();
    let keys = keys.ask(Ask::get("/oauth/jwks.json")).await.json();
    let keys = portcullis_oauth::jose::Jwks::parse(keys.to_string().as_bytes()).unwrap();
    let token = portcullis_oauth::jose::Unverified::parse(&tokens.access).unwrap();
    let payload = token
        .signed_by(&keys, &["ES256".parse().unwrap()])
        .unwrap()
        .to_vec();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["iss"], ORIGIN);
    assert_eq!(claims["aud"], format!("{ORIGIN}/mcp"));
    assert_eq!(claims["client_id"], client.as_str());
    assert_eq!(claims["scope"], "read");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 3600);
    for name in ["sub", "jti", "sid"] {
        assert!(claims[name].is_string(), "{name}");
    }
}

/// PKCE-02: whoever does not know the verifier gets nothing, and does not use the code up.
#[tokio::test]
async fn a_code_is_worth_nothing_without_what_belongs_to_it() {
    let stage = Stage::new().await;
    let (client, other) = (stage.client().await, stage.client().await);
    let code = stage.code(&client).await;
    let long = "a".repeat(129);
    for verifier in ["", " ", &VERIFIER[..42], &long, &VERIFIER[1..], "ä"] {
        let mut form = code_form(&client, &code);
        form[4] = ("code_verifier", verifier);
        let refused = stage.token(&form).await;
        assert_eq!(refused.status, 400, "{verifier}");
        assert_eq!(error_of(&refused), "invalid_grant", "{verifier}");
    }
    let mut absent = code_form(&client, &code);
    absent.truncate(4);
    assert_eq!(error_of(&stage.token(&absent).await), "invalid_grant");
    for (at, name, value, error) in [
        (1, "client_id", other.as_str(), "invalid_grant"),
        (3, "redirect_uri", "https://app.test/cb", "invalid_grant"),
        (3, "redirect_uri", "", "invalid_request"),
        (2, "code", "", "invalid_request"),
        (2, "code", "made-up", "invalid_grant"),
        (0, "grant_type", "password", "unsupported_grant_type"),
        (0, "grant_type", "", "invalid_request"),
    ] {
        let mut form = code_form(&client, &code);
        form[at] = (name, value);
        assert_eq!(error_of(&stage.token(&form).await), error, "{name}={value}");
    }
    let mut form = code_form(&client, &code);
    form.push(("resource", "http://localhost/mcp/support"));
    assert_eq!(error_of(&stage.token(&form).await), "invalid_target");
    let mut twice = code_form(&client, &code);
    twice.push(("code_verifier", VERIFIER));
    assert_eq!(error_of(&stage.token(&twice).await), "invalid_request");
    let good = stage.exchange(&client, &code).await;
    assert_eq!(good.status, 200, "its own client still gets its tokens");
    stage.gateway.stands().await;
}

/// PKCE-04: of many who redeem one code one wins, and loses what it got.
#[tokio::test]
async fn a_code_that_comes_again_ends_what_the_first_use_got() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let code = stage.code(&client).await;
    let first = stage.exchange(&client, &code).await;
    let tokens = read(&first);
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 200);
    let again = stage.exchange(&client, &code).await;
    assert_eq!(
        (again.status, error_of(&again).as_str()),
        (400, "invalid_grant")
    );
    assert_eq!(stage.met_at("/mcp", &tokens.access).await, 401);
    let refused = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(error_of(&refused), "invalid_grant");

    let code = stage.code(&client).await;
    let attempts = (0..20).map(|_| stage.exchange(&client, &code));
    let replies = futures_util::future::join_all(attempts).await;
    let won: Vec<_> = replies.iter().filter(|one| one.status == 200).collect();
    assert!(won.len() <= 1, "{}", won.len());
    for reply in &won {
        let token = read(reply).access;
        assert_eq!(stage.met_at("/mcp", &token).await, 401);
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let code = stage.code(&client).await;
    stage.later(std::time::Duration::from_mins(1)).await;
    let late = stage.exchange(&client, &code).await;
    assert_eq!(error_of(&late), "invalid_grant");
    let flow = stage.begin(&query(&client, &[])).await.unwrap();
    stage.later(std::time::Duration::from_mins(10)).await;
    let (person, principal) = stage.person(&stage.alice).await;
    let late = stage
        .server()
        .approve(&flow, ORIGIN, &person, &principal)
        .await;
    assert!(late.is_err(), "ten minutes are enough to decide");
}

#[tokio::test]
async fn a_person_who_does_not_agree_sends_the_browser_back_with_nothing() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let flow = stage.begin(&query(&client, &[])).await.unwrap();
    let to = stage.server().deny(&flow, ORIGIN).await.unwrap();
    let back = parameters(&to);
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "af0ifjsldkj");
    assert_eq!(back["iss"], ORIGIN);
    assert!(!back.contains_key("code"));
    let (person, principal) = stage.person(&stage.alice).await;
    let after = stage
        .server()
        .approve(&flow, ORIGIN, &person, &principal)
        .await;
    assert!(after.is_err());
}

/// What a client tells the token endpoint has one form, and a refusal has one too.
#[tokio::test]
async fn a_token_request_is_a_form_of_one_client() {
    let stage = Stage::new().await;
    let anonymous = stage.gateway.anonymous();
    let json = anonymous.ask(Ask::post("/token", &json!({}))).await;
    assert_eq!(json.status, 415);
    let large = form_ask("/token", &[("a", &"x".repeat(20_000))]);
    assert_eq!(anonymous.ask(large).await.status, 413);
    let unknown = stage.exchange("pc_client_nobody", "code").await;
    assert_eq!(unknown.status, 401);
    assert_eq!(error_of(&unknown), "invalid_client");
    assert_eq!(unknown.header("www-authenticate"), None);
    let basic = form_ask("/token", &[("grant_type", "refresh_token")])
        .header("authorization", "Basic bm9ib2R5OnNlY3JldA==");
    let basic = anonymous.ask(basic).await;
    assert_eq!(basic.status, 401);
    assert!(
        basic
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic")
    );
    let get = anonymous.ask(Ask::get("/token")).await;
    assert_eq!(get.status, 405);
    stage.gateway.stands().await;
}

/// A resource may be long: what is in the token is compared as it is.
#[tokio::test]
async fn a_token_for_a_long_resource_is_good() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let resource = format!("{ORIGIN}/mcp/support{}", ",private".repeat(40));
    let tokens = stage.tokens(&client, &[("resource", &resource)]).await;
    let admin = stage.gateway.admin().await;
    let told = super::stage::form_ask("/introspect", &[("token", &tokens.access)]);
    let told = admin.ask(told).await.json();
    assert_eq!(
        (&told["active"], &told["aud"]),
        (&json!(true), &json!(resource))
    );
}
