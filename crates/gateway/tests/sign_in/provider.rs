//! Signing in with an OpenID provider, and what may go wrong on the way.

use std::time::Duration;

use portcullis_core::Clock;
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Browser, Reply, TestGateway, TestProvider, form_token};
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::support::{SESSION, Stage, clock, refused, sent};

impl Stage {
    /// The way to the provider, up to its page.
    async fn departs(&self, browser: &mut Browser) -> String {
        let reply = browser
            .get("/login/provider?return_to=%2Fconnect%2Fgithub")
            .await;
        sent(&reply).to_owned()
    }

    /// There and back.
    async fn signs_in(&self, browser: &mut Browser) -> Reply {
        let away = self.departs(browser).await;
        browser.get(&self.provider.signs_in(&away)).await
    }
}

#[tokio::test]
async fn a_provider_says_who_somebody_is_and_the_operator_what_they_see() {
    let stage =
        Stage::with("    client_secret: hunter-canary-77f1\n    groups: {staff: {servers: []}}\n")
            .await;
    stage
        .gateway
        .keep_secret("our secret at the provider", "hunter-canary-77f1");
    let mut browser = stage.gateway.browser();
    let reply = stage.signs_in(&mut browser).await;
    assert_eq!(sent(&reply), "/connect/github");
    let page = browser.get("/connect").await;
    assert!(page.text().contains("alice@example.com"), "{page:?}");
    let event = stage.gateway.event_of(&page).await;
    // The same person as one who comes with a token of this issuer's.
    let id = format!("jwt:{} alice", stage.provider.url());
    assert_eq!(event["principal"], id);
    let (headers, form) = stage.provider.exchanges().remove(0);
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Basic ")
    );
    assert_eq!(form["redirect_uri"], "http://localhost/login/callback");
    assert!(!form.contains_key("client_secret"));

    // Signing out here offers to sign out there, and takes nobody there by itself.
    let token = form_token(&page, "/logout");
    let out = browser.post("/logout", &[("token", &token)]).await;
    let place = format!("{}/logout?client_id=the-gateway", stage.provider.url());
    assert!(out.text().contains(&place), "{out:?}");
    stage.gateway.no_secret_was_told().await;
}

/// PKCE-07.
#[tokio::test]
async fn a_way_back_is_good_once_in_the_browser_that_left_and_in_time() {
    let stage = Stage::set().await;
    let (mut hers, mut theirs) = (stage.gateway.browser(), stage.gateway.browser());
    let back = stage.provider.signs_in(&stage.departs(&mut hers).await);
    theirs.get("/login").await;
    for browser in [&mut theirs, &mut stage.gateway.browser()] {
        refused(&browser.get(&back).await, 400, "began in another browser");
        assert_eq!(browser.cookie(SESSION), None);
    }
    assert!(stage.provider.exchanges().is_empty(), "no code was shown");
    assert_eq!(sent(&hers.get(&back).await), "/connect/github");
    refused(&hers.get(&back).await, 400, "This sign-in is over");

    let mut late = stage.gateway.browser();
    let back = stage.provider.signs_in(&stage.departs(&mut late).await);
    stage.clock.advance(Duration::from_mins(10));
    refused(&late.get(&back).await, 400, "This sign-in is over");
    for bad in [
        "/login/callback".to_owned(),
        "/login/callback?code=x&state=y".to_owned(),
        format!("{back}&state=x"),
        format!("{back}&code=x"),
    ] {
        refused(&late.get(&bad).await, 400, "This sign-in is over");
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    let stage = Stage::set().await;
    let now = stage.clock.now().as_secs();
    for (head, claims, reason) in [
        (json!({}), json!({"nonce": "another"}), "token_nonce"),
        (json!({}), json!({"nonce": null}), "token_nonce"),
        (
            json!({}),
            json!({"iss": "https://evil.test"}),
            "token_issuer",
        ),
        (json!({}), json!({"aud": "another"}), "token_audience"),
        (json!({}), json!({"azp": "another"}), "token_audience"),
        (json!({}), json!({"exp": now - 60}), "expired"),
        (json!({}), json!({"at_hash": "x"}), "token_at_hash"),
        (json!({"alg": "none"}), json!({}), "token_algorithm"),
        (json!({"alg": "HS256"}), json!({}), "token_algorithm"),
        (json!({"typ": "at+jwt"}), json!({}), "token_type"),
        (json!({"kid": "other"}), json!({}), "token_unknown_key"),
    ] {
        stage.provider.heads(head);
        stage.provider.claims(claims.clone());
        let mut browser = stage.gateway.browser();
        let reply = stage.signs_in(&mut browser).await;
        refused(&reply, 502, "cannot be believed");
        assert_eq!(browser.cookie(SESSION), None, "{claims}");
        assert_eq!(
            stage.gateway.event_of(&reply).await["authn"],
            reason,
            "{claims}"
        );
    }
    stage.provider.heads(json!({}));
    stage.provider.claims(json!({"email_verified": false}));
    let mut browser = stage.gateway.browser();
    assert_eq!(sent(&stage.signs_in(&mut browser).await), "/connect/github");
    let page = browser.get("/connect").await.text();
    assert!(
        !page.contains("alice@example.com"),
        "nobody proved it: {page}"
    );
}

/// PKCE-16.
#[tokio::test]
async fn what_comes_back_is_never_shown() {
    let stage = Stage::set().await;
    let mut browser = stage.gateway.browser();
    let away = url::Url::parse(&stage.departs(&mut browser).await).unwrap();
    let (_, state) = away
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let prose = "canary-prose-%3Cscript%3E";
    let back = format!(
        "/login/callback?error={prose}&error_description={}&error_uri=javascript:x&state={state}",
        prose.repeat(50)
    );
    let reply = browser.get(&back).await;
    refused(&reply, 403, "You were not signed in");
    assert!(!reply.text().contains("canary-prose"), "{reply:?}");
    assert_eq!(browser.cookie(SESSION), None);
}

/// RFC 9207 §2.4.
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_is_shown_to_anybody() {
    let stage = Stage::set().await;
    let own = stage.provider.url();
    stage
        .provider
        .announces(json!({"authorization_response_iss_parameter_supported": true}));
    for (iss, good) in [
        (String::new(), false),
        ("&iss=https%3A%2F%2Fevil.test".to_owned(), false),
        (format!("&iss={own}&iss={own}"), false),
        (format!("&iss={own}"), true),
    ] {
        let mut browser = stage.gateway.browser();
        let back = stage.provider.signs_in(&stage.departs(&mut browser).await);
        let before = stage.provider.exchanges().len();
        let reply = browser.get(&format!("{back}{iss}")).await;
        assert_eq!(reply.status == 303, good, "{iss}: {reply:?}");
        assert_eq!(stage.provider.exchanges().len() > before, good, "{iss}");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_or_somebody_else_signs_nobody_in() {
    let stage = Stage::set().await;
    stage.provider.fails(Some(500));
    let mut browser = stage.gateway.browser();
    let reply = browser.get("/login/provider").await;
    refused(&reply, 502, "does not answer");
    assert!(!reply.text().contains("provider-prose"), "{reply:?}");
    stage.provider.fails(None);
    // It is not asked again at once.
    refused(
        &browser.get("/login/provider").await,
        502,
        "does not answer",
    );
    stage
        .provider
        .announces(json!({"issuer": "https://evil.test"}));
    stage.clock.advance(Duration::from_secs(6));
    refused(
        &browser.get("/login/provider").await,
        502,
        "does not answer",
    );
    stage
        .provider
        .announces(json!({"code_challenge_methods_supported": ["plain"]}));
    stage.clock.advance(Duration::from_secs(6));
    refused(
        &browser.get("/login/provider").await,
        502,
        "does not answer",
    );
    stage.provider.announces(json!({}));
    stage.clock.advance(Duration::from_secs(6));
    let back = stage.provider.signs_in(&stage.departs(&mut browser).await);
    // Down at the moment that counts.
    stage.provider.fails(Some(503));
    refused(&browser.get(&back).await, 502, "does not answer");
    assert_eq!(browser.cookie(SESSION), None);
    stage.provider.fails(None);
    eventually("somebody signs in", async || {
        stage.signs_in(&mut stage.gateway.browser()).await.status == 303
    })
    .await;
}

/// What cannot be kept of a sign-in is found out before the browser holds it.
#[tokio::test]
async fn who_is_told_that_it_failed_is_not_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let clock = clock();
    let provider = TestProvider::start(clock.clone()).await;
    let yaml = format!("identity:\n{}", provider.login(""));
    let gateway = TestGateway::sharing(&database, &yaml, clock.clone()).await;
    let mut browser = gateway.browser();
    let away = browser.get("/login/provider").await;
    let back = provider.signs_in(sent(&away));
    let options = SqliteConnectOptions::new().filename(&database);
    let mut connection = options.connect().await.unwrap();
    let dropped = sqlx::query("DROP TABLE id_tokens");
    dropped.execute(&mut connection).await.unwrap();
    let reply = browser.get(&back).await;
    refused(&reply, 503, "Not available right now");
    assert_eq!(browser.cookie(SESSION), None, "{reply:?}");
    let session = |value: &str| value.starts_with(SESSION);
    let mut cookies = reply.headers.iter();
    assert!(!cookies.any(|(name, value)| name == "set-cookie" && session(value)));
    let event = gateway.event_of(&reply).await;
    assert_ne!(event["decision"], "allow", "{event}");
}

/// OpenID Connect Core §3.1.2.1: a session at the provider is not a person who proved it anew.
#[tokio::test]
async fn who_has_to_sign_in_anew_has_to_at_the_provider_too() {
    let stage = Stage::set().await;
    let mut browser = stage.gateway.browser();
    assert!(!stage.departs(&mut browser).await.contains("prompt="));
    assert_eq!(sent(&stage.signs_in(&mut browser).await), "/connect/github");
    let page = browser.get("/login?return_to=%2Fconnect&again=1").await;
    let link = "/login/provider?return_to=%2Fconnect&again=1";
    let text = page.text().replace("&#38;", "&").replace("&amp;", "&");
    assert!(text.contains(link), "{text}");
    let now = stage.clock.now().as_secs();
    for (auth_time, good) in [
        (json!(now - 3600), false),
        (json!("now"), false),
        (json!(now), true),
        (json!(null), true),
    ] {
        stage.provider.claims(json!({"auth_time": auth_time}));
        let mut browser = stage.gateway.browser();
        let away = sent(&browser.get(link).await).to_owned();
        assert!(away.contains("&prompt=login"), "{away}");
        let reply = browser.get(&stage.provider.signs_in(&away)).await;
        if good {
            assert_eq!(sent(&reply), "/connect", "{auth_time}");
        } else {
            refused(&reply, 403, "You were not asked to sign in");
            assert_eq!(browser.cookie(SESSION), None, "{auth_time}");
        }
    }
}
