use portcullis_testkit::gateway::Ask;
use serde_json::json;

use super::stage::{CALLBACK, ORIGIN, Stage, error_of, form_ask, parameters, query};

/// DCR-02.
#[tokio::test]
async fn unsafe_metadata_is_refused_and_nothing_of_it_is_fetched() {
    let stage = Stage::new().await;
    let many = vec!["https://app.test/cb"; 1000];
    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"redirect_uris": many[..5]}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["javascript:x"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": ["http://app.test/"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": ["https://*.app.test/"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": ["https://app.test/#f"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": ["cursor://evil/cb"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "application_type": "web"}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "jwks": {"keys": [{"kty": "EC", "d": "x"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"]}),
            "invalid_client_metadata",
        ),
    ] {
        let refused = stage.register(&metadata).await;
        assert_eq!(refused.status, 400, "{metadata}");
        assert_eq!(error_of(&refused), error, "{metadata}");
        assert!(refused.json()["error_description"].is_string());
    }
    assert_eq!(
        stage.register(&json!({"redirect_uris": many})).await.status,
        413
    );
    let form = form_ask("/register", &[("redirect_uris", CALLBACK)]);
    assert_eq!(stage.gateway.anonymous().ask(form).await.status, 415);
    let inert = json!({
        "redirect_uris": [CALLBACK], "logo_uri": "http://169.254.169.254/", "scope": "admin read",
        "jwks_uri": "http://127.0.0.1:9/", "contacts": ["x"],
    });
    let kept = stage.register(&inert).await;
    assert_eq!(kept.status, 201, "{kept:?}");
    assert_eq!(kept.json()["scope"], "read", "nobody registers for `admin`");
    assert_eq!(kept.json()["logo_uri"], serde_json::Value::Null);
    stage.gateway.stands().await;
}

/// DCR-03.
#[tokio::test]
async fn nobody_registers_as_somebody_else() {
    let listed = "  authorization_server:\n    clients:\n      - client_id: web\n        name: The Web\n        \
                  client_secret: a-secret-of-the-web-client\n        redirect_uris: [\"https://web.test/cb\"]\n";
    let stage = Stage::with(listed).await;
    let metadata = json!({
        "client_id": "web", "client_name": "The Web", "software_id": "web",
        "redirect_uris": ["https://evil.test/cb"], "token_endpoint_auth_method": "none",
    });
    let reply = stage.register(&metadata).await;
    assert_eq!(reply.status, 201);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("pc_client_"), "{id}");
    let evil = query("web", &[]).replace("localhost%3A7777", "evil.test");
    assert!(
        stage.begin(&evil).await.is_err(),
        "the listed one is unchanged"
    );
    let ask = |client: &str, redirect: &str| {
        let text = query(client, &[]);
        text.replace(
            &super::stage::encoded(&[("redirect_uri", CALLBACK)]),
            &super::stage::encoded(&[("redirect_uri", redirect)]),
        )
    };
    let flow = stage
        .begin(&ask(&id, "https://evil.test/cb"))
        .await
        .unwrap();
    let pending = stage
        .server()
        .pending(&flow, ORIGIN)
        .await
        .unwrap()
        .unwrap();
    let standing = format!("{:?}", pending.standing);
    assert_eq!(standing, "Registered", "nobody vouches for its name");
    assert_eq!(pending.redirect_host, "evil.test");
    let flow = stage
        .begin(&ask("web", "https://web.test/cb"))
        .await
        .unwrap();
    let pending = stage
        .server()
        .pending(&flow, ORIGIN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(format!("{:?}", pending.standing), "Listed");
    assert_eq!(pending.client_name.as_deref(), Some("The Web"));
}

/// RFC 6749 §2.3.1: a client with a secret shows it, in one of two ways.
#[tokio::test]
async fn a_client_that_can_keep_a_secret_has_one() {
    let stage = Stage::new().await;
    let metadata = json!({"redirect_uris": [CALLBACK], "client_name": "App"});
    let reply = stage.register(&metadata).await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
    let id = body["client_id"].as_str().unwrap();
    let secret = body["client_secret"].as_str().unwrap();
    let code = || async {
        let to = stage.approved(&stage.alice, &query(id, &[])).await;
        parameters(&to)["code"].clone()
    };
    let first = code().await;
    let mut form = super::stage::code_form(id, &first);
    assert_eq!(error_of(&stage.token(&form).await), "invalid_client");
    form.push(("client_secret", "guess"));
    assert_eq!(error_of(&stage.token(&form).await), "invalid_client");
    form.pop();
    form.push(("client_secret", secret));
    assert_eq!(stage.token(&form).await.status, 200);
    let second = code().await;
    let form = super::stage::code_form(id, &second);
    let basic = |login: &str| {
        use base64::Engine;
        let login = base64::engine::general_purpose::STANDARD.encode(login);
        form_ask("/token", &form).header("authorization", &format!("Basic {login}"))
    };
    let anonymous = stage.gateway.anonymous();
    for bad in [
        format!("{id}:guess"),
        format!("other:{secret}"),
        id.to_owned(),
    ] {
        let refused = anonymous.ask(basic(&bad)).await;
        assert_eq!(
            (refused.status, error_of(&refused).as_str()),
            (401, "invalid_client")
        );
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
    }
    let good = anonymous.ask(basic(&format!("{id}:{secret}"))).await;
    assert_eq!(good.status, 200, "{good:?}");
    let event = stage.gateway.event_of(&reply).await;
    assert_eq!(event["method"], "register");
    assert_eq!(event["target"]["name"], id);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn where_registration_is_off_nobody_registers() {
    let off = "  authorization_server: {dynamic_registration: false}\n";
    let stage = Stage::with(off).await;
    let refused = stage.register(&json!({"redirect_uris": [CALLBACK]})).await;
    assert_eq!(refused.status, 403);
    let metadata = Ask::get("/.well-known/oauth-authorization-server");
    let metadata = stage.gateway.anonymous().ask(metadata).await.json();
    assert_eq!(metadata["registration_endpoint"], serde_json::Value::Null);
    stage.gateway.stands().await;
}

/// DCR-08: whatever a name leads to, nothing private is fetched.
#[tokio::test]
async fn a_client_document_at_a_private_place_is_not_fetched() {
    let stage = Stage::new().await;
    for id in [
        "https://localhost/client.json",
        "https://localhost:9/client.json",
        "https://127.0.0.1/client.json",
        "https://169.254.169.254/latest",
        "https://10.9.9.9/c",
        "https://[::1]/c",
        "https://[fd00::9]/c",
        "https://[::ffff:169.254.169.254]/c",
        "https://[64:ff9b::a9fe:a9fe]/c",
        "https://2852039166/c",
        "https://0xa9fea9fe/c",
        "https://0251.0376.0251.0376/c",
        "https://169.254.43518/c",
        "https://metadata.google.internal./c",
        "http://app.test/c",
        "https://app.test",
        "https://u:p@app.test/c",
    ] {
        let refused = stage.begin(&query(id, &[])).await.unwrap_err();
        let portcullis_identity::authorization_server::Refusal::Page { fault, .. } = refused else {
            panic!("{id}: {refused:?}");
        };
        assert_eq!(fault.code, "invalid_client", "{id}");
    }
}
