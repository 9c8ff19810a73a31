//! Signing in with a key, and how long that lasts.

use std::time::Duration;

use portcullis_config::CommandLine;
use portcullis_core::{Role, ServerGrants};
use portcullis_gateway::wire::Embedded;
use portcullis_identity::{KeySelector, MasterKey};
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{TestGateway, form_token};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::support::{SESSION, clock, refused, sent};

#[tokio::test]
async fn a_key_signs_its_holder_in_and_leads_where_they_wanted_to_go() {
    let gateway = TestGateway::start("").await;
    let alice = gateway.key("alice", &[]).await;
    let mut browser = gateway.browser();

    let shut = browser.get("/connect").await;
    assert_eq!(sent(&shut), "/login?return_to=%2Fconnect");
    let reply = browser
        .signs_in_with(alice.credential(), "/connect/github?for=x")
        .await;
    assert_eq!(sent(&reply), "/connect/github?for=x");
    let (_, cookie) = reply
        .headers
        .iter()
        .find(|(name, line)| name == "set-cookie" && line.starts_with(SESSION))
        .unwrap();
    assert!(
        cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=28800"),
        "{cookie}"
    );

    let page = browser.get("/connect").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text().contains(alice.key_id()), "{page:?}");
    let event = gateway.event_of(&page).await;
    assert_eq!(event["surface"], "page");
    assert!(event["principal"].is_string(), "{event}");
    assert_eq!(
        event["principal"],
        gateway.event_of(&reply).await["principal"]
    );
    gateway.stands().await;
}

/// UI-05, KEY-: whatever is wrong with it, the answer is the same, and nothing of it comes back.
#[tokio::test]
async fn a_key_that_is_not_accepted_is_told_nothing_but_that() {
    let gateway = TestGateway::start("").await;
    let revoked = gateway.key("gone", &[]).await;
    let selector = KeySelector::Id(revoked.key_id().into());
    let operator = MasterKey::principal();
    let keys = gateway.embedded().keys();
    keys.revoke(&selector, &operator).await.unwrap();
    let mut answers = Vec::new();
    for key in [
        revoked.credential(),
        "sk-not-a-key-canary-3f8a",
        "\"><script>alert(1)</script>",
        "",
    ] {
        let mut browser = gateway.browser();
        let reply = browser.signs_in_with(key, "/connect").await;
        refused(&reply, 403, "That key is not accepted");
        assert_eq!(browser.cookie(SESSION), None);
        assert!(!reply.text().contains("<script"), "{reply:?}");
        let text = reply.text();
        let token = form_token(&reply, "/login");
        let id = reply.header("x-request-id").unwrap();
        answers.push(text.replace(&token, "").replace(id, ""));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    gateway.keep_secret("a mistyped key", "sk-not-a-key-canary-3f8a");
    gateway.stands().await;
}

#[tokio::test]
async fn a_sign_in_ends_with_the_key_that_proved_it() {
    let gateway = TestGateway::start("").await;
    let alice = gateway.key("alice", &[]).await;
    let mut browser = gateway.browser();
    browser.signs_in_with(alice.credential(), "/connect").await;
    assert_eq!(browser.get("/connect").await.status, 200);
    let selector = KeySelector::Id(alice.key_id().into());
    let operator = MasterKey::principal();
    let keys = gateway.embedded().keys();
    keys.revoke(&selector, &operator).await.unwrap();
    let reply = browser.get("/connect").await;
    assert_eq!(sent(&reply), "/login?return_to=%2Fconnect");
    assert_eq!(browser.cookie(SESSION), None, "the cookie is taken back");
    gateway.stands().await;
}

/// PKCE-27.
#[tokio::test]
async fn every_sign_in_is_a_session_of_its_own_and_ends_the_one_before() {
    let gateway = TestGateway::start("").await;
    let alice = gateway.key("alice", &[]).await;
    let mut attacker = gateway.browser();
    attacker.signs_in_with(alice.credential(), "/connect").await;
    let planted = attacker.cookie(SESSION).unwrap().to_owned();

    let mut victim = gateway.browser();
    victim.put_cookie(SESSION, &planted);
    let page = victim.get("/login?again=1").await;
    let token = form_token(&page, "/login");
    let fields = [("token", &*token), ("key", alice.credential())];
    assert_eq!(sent(&victim.post("/login", &fields).await), "/connect");
    assert_ne!(victim.cookie(SESSION), Some(&*planted));
    assert_eq!(victim.get("/connect").await.status, 200);
    assert_eq!(attacker.get("/connect").await.status, 303, "it has ended");

    // One that was never begun here is nobody's, and is taken back at the door.
    let mut stranger = gateway.browser();
    stranger.put_cookie(SESSION, "AAAA");
    assert_eq!(stranger.get("/login").await.status, 200);
    assert_eq!(stranger.cookie(SESSION), None);
    gateway.stands().await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_file_says() {
    let clock = clock();
    let yaml = "identity: {login: {session_ttl: 10m}, keys: [{id: alice, key: sk-alice-Zq8vN2xW5tR7, servers: []}]}";
    let gateway = TestGateway::by_clock(yaml, clock.clone()).await;
    let mut browser = gateway.browser();
    browser
        .signs_in_with("sk-alice-Zq8vN2xW5tR7", "/connect")
        .await;
    clock.advance(Duration::from_secs(599));
    eventually("it stands", async || {
        browser.clone().get("/connect").await.status == 200
    })
    .await;
    clock.advance(Duration::from_secs(1));
    eventually("it is over", async || {
        browser.clone().get("/connect").await.status == 303
    })
    .await;
}

#[tokio::test]
async fn where_keys_are_not_wanted_none_is_looked_at() {
    let clock = clock();
    let provider = portcullis_testkit::gateway::TestProvider::start(clock.clone()).await;
    let yaml = format!("identity:\n{}", provider.login("    with_key: false\n"));
    let gateway = TestGateway::by_clock(&yaml, clock).await;
    let alice = gateway.key("alice", &[]).await;
    let mut browser = gateway.browser();
    let page = browser.get("/login").await;
    assert!(!page.text().contains("name=\"key\""), "{page:?}");
    assert!(page.text().contains("Sign in with <bdi>Example</bdi>"));
    let reply = browser.post("/login", &[("key", alice.credential())]).await;
    refused(&reply, 403, "Not with a key");
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_key_is_not_typed_in_where_others_could_read_it() {
    let gateway = TestGateway::start("server: {public_url: 'http://gw.example.com'}").await;
    let mut browser = gateway.browser();
    let page = browser.get("/login").await;
    assert!(
        page.text().contains("A key cannot be typed in here"),
        "{page:?}"
    );
    assert!(!page.text().contains("name=\"key\""));
    let reply = browser.post("/login", &[("key", "sk-x")]).await;
    refused(&reply, 403, "Not over this connection");
    gateway.stands().await;
}

#[tokio::test]
async fn who_signs_out_is_signed_out_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let start = async || {
        let line = CommandLine::default();
        Embedded::start_on(&database, "", line, &tasks, &stop)
            .await
            .unwrap()
    };
    let one = start().await;
    let key = one.key("alice", Role::User, ServerGrants::default()).await;
    let (key, other) = (key.unwrap(), start().await);
    let ask = async |gateway: &Embedded, method: &str, path: &str, cookies: &str, form: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("cookie", cookies)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(form.to_owned()))
            .unwrap();
        let response = gateway.router().oneshot(request).await.unwrap();
        let cookies: Vec<String> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned())
            .collect();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        (
            status,
            cookies,
            String::from_utf8(body.unwrap().to_vec()).unwrap(),
        )
    };
    let token = |page: &str, action: &str| {
        let form = page.split("<form ").find(|form| form.contains(action));
        let (_, rest) = form.unwrap().split_once("name=\"token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (_, browser, page) = ask(&one, "GET", "/login", "", "").await;
    let form = format!("key={}&token={}", key.expose(), token(&page, "/login"));
    let (status, session, _) = ask(&one, "POST", "/login", &browser[0], &form).await;
    assert_eq!(status, 303);
    // The other replica knows the session, and its page ends it.
    let (status, _, page) = ask(&other, "GET", "/connect", &session[0], "").await;
    assert_eq!(status, 200, "{page}");
    let form = format!("token={}", token(&page, "/logout"));
    let (status, _, page) = ask(&other, "POST", "/logout", &session[0], &form).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You are signed out"), "{page}");
    for gateway in [&one, &other] {
        let (status, _, _) = ask(gateway, "GET", "/connect", &session[0], "").await;
        assert_eq!(status, 303, "the cookie is worth nothing any more");
    }
    stop.cancel();
}
