//! What a client asks for, and what its person says to that.

use portcullis_testkit::gateway::{Actor, Ask, Browser, Reply, TestGateway, form_token};

use crate::support::{refused, sent};

const CLIENTS: &str = "identity:\n  scopes_supported: [read, write]\n  authorization_server:\n    clients:\n    \
    - {client_id: app, name: \"The <b>App\\u202e\", redirect_uris: [\"https://app.example/cb\", \"http://127.0.0.1/cb\", \"com.example.app:/cb\"]}\n    \
    - {client_id: other, redirect_uris: [\"https://other.example/cb\"]}\n";

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn request(client: &str, redirect_uri: &str, scope: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("scope", scope),
        ("state", "s-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", "http://localhost/mcp"),
    ]);
    format!("/authorize?{}", query.finish())
}

fn of_app(scope: &str) -> String {
    request("app", "https://app.example/cb", scope)
}

/// Opens a request and follows it to the page where it waits.
async fn asks(browser: &mut Browser, request: &str) -> (String, Reply) {
    let path = sent(&browser.get(request).await).to_owned();
    let page = browser.get(&path).await;
    (path, page)
}

async fn says(browser: &mut Browser, path: &str, page: &Reply, decision: &str) -> Reply {
    let token = form_token(page, path);
    let fields = [("token", &*token), ("decision", decision)];
    browser.post(path, &fields).await
}

async fn set() -> (TestGateway, Actor, Browser) {
    let gateway = TestGateway::start(CLIENTS).await;
    let alice = gateway.key("alice", &[]).await;
    let mut browser = gateway.browser();
    browser.signs_in_with(alice.credential(), "/connect").await;
    (gateway, alice, browser)
}

#[tokio::test]
async fn a_person_signs_in_sees_what_is_asked_for_and_lets_the_client_in() {
    let gateway = TestGateway::start(CLIENTS).await;
    let alice = gateway.key("alice", &[]).await;
    let mut browser = gateway.browser();
    // PKCE-09: nothing is planted in a browser before its person does anything.
    let first = browser.get(&of_app("read")).await;
    let path = sent(&first).to_owned();
    assert!(first.headers.iter().all(|(name, _)| name != "set-cookie"));
    let login = browser.get(&path).await;
    let login = sent(&login).to_owned();
    assert!(
        login.starts_with("/login?return_to=%2Fauthorize%2F"),
        "{login}"
    );
    let token = form_token(&browser.get(&login).await, "/login");
    let fields = [
        ("token", &*token),
        ("key", alice.credential()),
        ("return_to", &*path),
    ];
    assert_eq!(sent(&browser.post("/login", &fields).await), path);

    let page = browser.get(&path).await;
    let text = page.text();
    assert!(
        text.contains("app.example") && text.contains("<code>read</code>"),
        "{text}"
    );
    assert!(
        text.contains("<bdi>The &#60;b&#62;App</bdi>"),
        "PKCE-11: {text}"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' https://app.example https:;"),
        "{policy}"
    );

    let reply = says(&mut browser, &path, &page, "allow").await;
    let back = url::Url::parse(sent(&reply)).unwrap();
    assert_eq!(back.host_str(), Some("app.example"));
    let pair = |name: &str| {
        back.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.into_owned())
    };
    assert_eq!(pair("state").as_deref(), Some("s-1"));
    assert_eq!(pair("iss").as_deref(), Some("http://localhost"));
    assert!(pair("code").is_some());
    refused(&browser.get(&path).await, 400, "This request is over");
    gateway.stands().await;
}

#[tokio::test]
async fn what_was_agreed_to_is_not_asked_again_and_anything_else_is() {
    let (gateway, _, mut browser) = set().await;
    let (path, page) = asks(&mut browser, &of_app("read")).await;
    says(&mut browser, &path, &page, "allow").await;

    let (_, again) = asks(&mut browser, &of_app("read")).await;
    assert!(
        sent(&again).starts_with("https://app.example/cb?code="),
        "{again:?}"
    );
    // More scopes, another client, `prompt=consent`, and whoever answers on the own machine.
    for other in [
        of_app("read write"),
        request("other", "https://other.example/cb", "read"),
        format!("{}&prompt=consent", of_app("read")),
    ] {
        let (_, page) = asks(&mut browser, &other).await;
        assert_eq!(page.status, 200, "{other}: {page:?}");
    }
    for native in ["http://127.0.0.1:7777/cb", "com.example.app:/cb"] {
        let request = request("app", native, "read");
        let (path, page) = asks(&mut browser, &request).await;
        assert!(page.text().contains("note warn"), "{page:?}");
        says(&mut browser, &path, &page, "allow").await;
        let (_, page) = asks(&mut browser, &request).await;
        assert_eq!(page.status, 200, "RFC 8252 §8.6: {page:?}");
    }
    // Another person in another browser.
    let bob = gateway.key("bob", &[]).await;
    let mut his = gateway.browser();
    his.signs_in_with(bob.credential(), "/connect").await;
    let (_, page) = asks(&mut his, &of_app("read")).await;
    assert_eq!(page.status, 200, "{page:?}");
    gateway.stands().await;
}

#[tokio::test]
async fn what_was_given_is_listed_and_taken_back() {
    let (gateway, _, mut browser) = set().await;
    let (path, page) = asks(&mut browser, &of_app("read")).await;
    says(&mut browser, &path, &page, "allow").await;
    let overview = browser.get("/connect").await;
    assert!(
        overview.text().contains("The &#60;b&#62;App"),
        "{overview:?}"
    );
    let token = form_token(&overview, "/connect");

    // Another's token removes nothing.
    let bob = gateway.key("bob", &[]).await;
    let mut his = gateway.browser();
    his.signs_in_with(bob.credential(), "/connect").await;
    let fields = [("token", &*token), ("client", "app")];
    refused(&his.post("/connect", &fields).await, 403, "too old");

    assert_eq!(sent(&browser.post("/connect", &fields).await), "/connect");
    let overview = browser.get("/connect").await;
    assert!(
        overview.text().contains("No application acts for you"),
        "{overview:?}"
    );
    let (_, page) = asks(&mut browser, &of_app("read")).await;
    assert_eq!(page.status, 200, "asked again: {page:?}");
    gateway.stands().await;
}

#[tokio::test]
async fn who_says_no_sends_the_client_away_with_that() {
    let (gateway, alice, mut browser) = set().await;
    let (path, page) = asks(&mut browser, &of_app("read")).await;
    // Neither without a decision, nor with somebody else's token.
    let token = form_token(&page, &path);
    refused(
        &browser.post(&path, &[("token", &token)]).await,
        400,
        "did not arrive",
    );
    let mut other = gateway.browser();
    other.signs_in_with(alice.credential(), "/connect").await;
    let fields = [("token", &*token), ("decision", "allow")];
    refused(&other.post(&path, &fields).await, 403, "too old");
    let (elsewhere, _) = asks(&mut browser, &of_app("read")).await;
    refused(&browser.post(&elsewhere, &fields).await, 403, "too old");

    let reply = says(&mut browser, &path, &page, "deny").await;
    let place = sent(&reply);
    assert!(
        place.starts_with("https://app.example/cb?error=access_denied"),
        "{place}"
    );
    let (_, page) = asks(&mut browser, &of_app("read")).await;
    assert_eq!(
        page.status, 200,
        "a no is not remembered as a yes: {page:?}"
    );
    gateway.stands().await;
}

/// RED-09.
#[tokio::test]
async fn whoever_is_not_known_is_never_redirected_to() {
    let (gateway, _, mut browser) = set().await;
    for bad in [
        request("nobody", "https://app.example/cb", "read"),
        request("app", "https://evil.test/cb", "read"),
        request("app", "https://app.example/cb/", "read"),
        format!("{}&client_id=app", of_app("read")),
        "/authorize".to_owned(),
    ] {
        let reply = browser.get(&bad).await;
        refused(&reply, 400, "This application cannot be let in");
        assert!(!reply.text().contains("evil.test"), "{reply:?}");
    }
    let anonymous = gateway
        .anonymous()
        .ask(Ask::get("/authorize?client_id=%3Cscript%3E"))
        .await;
    refused(&anonymous, 400, "cannot be let in");
    gateway.stands().await;
}

/// DCR-03.
#[tokio::test]
async fn a_client_that_registered_itself_is_marked() {
    let (gateway, _, mut browser) = set().await;
    let body = serde_json::json!({
        "client_name": "Claude Code", "redirect_uris": ["http://localhost/callback"],
        "token_endpoint_auth_method": "none",
    });
    let reply = gateway.anonymous().ask(Ask::post("/register", &body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let client = reply.json()["client_id"].as_str().unwrap().to_owned();
    let request = request(&client, "http://localhost:33418/callback", "read");
    let (_, page) = asks(&mut browser, &request).await;
    let text = page.text();
    assert!(
        text.contains("Unverified") && text.contains("program on your own computer"),
        "{text}"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' http://localhost:33418 https:;"),
        "{policy}"
    );
    gateway.no_secret_was_told().await;
}

/// A name that somebody else chose leads here too: what began there is not decided here, so no code goes
/// out under an issuer of theirs (RFC 9207 §4).
#[tokio::test]
async fn what_began_under_another_name_of_ours_is_not_decided_under_this_one() {
    let (gateway, _, mut browser) = set().await;
    let query = of_app("read").replace("localhost%2Fmcp", "a.test%2Fmcp");
    let query = query.strip_prefix("/authorize?").unwrap();
    let server = gateway.embedded().authorization_server().unwrap();
    let flow = server.begin(query, "http://a.test").await.unwrap();
    let path = format!("/authorize/{}", flow.as_str());
    refused(&browser.get(&path).await, 400, "This request is over");
    let (own, page) = asks(&mut browser, &of_app("read")).await;
    let token = form_token(&page, &own);
    for decision in ["allow", "deny"] {
        let fields = [("token", &*token), ("decision", decision)];
        let reply = browser.post(&path, &fields).await;
        refused(&reply, 400, "This request is over");
    }
    gateway.stands().await;
}

/// Whose a host is stands at its end, behind whatever its owner likes to write.
#[tokio::test]
async fn a_long_host_is_shown_to_its_end() {
    let (gateway, _, mut browser) = set().await;
    let host = format!("login.your-bank.example.{}.evil.test", "a".repeat(60));
    let callback = format!("https://{host}/cb");
    let body = serde_json::json!({
        "client_name": "Your bank", "redirect_uris": [callback],
        "token_endpoint_auth_method": "none",
    });
    let reply = gateway.anonymous().ask(Ask::post("/register", &body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let client = reply.json()["client_id"].as_str().unwrap().to_owned();
    let (_, page) = asks(&mut browser, &request(&client, &callback, "read")).await;
    let shown = format!("<bdi>{host}</bdi>");
    assert!(page.text().contains(&shown), "{page:?}");
    gateway.no_secret_was_told().await;
}
