//! People who connect accounts of their own at servers, from the call that asked for it to the call
//! that works.

use portcullis_testkit::authorization_server::FakeAuthorizationServer;
use portcullis_testkit::gateway::{Actor, Ask, Browser, Reply, TestGateway, form_token};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;
use url::Url;

use crate::support::{refused, sent};

struct Stage {
    gateway: TestGateway,
    upstream: FakeUpstream,
    authorization: FakeAuthorizationServer,
}

impl Stage {
    async fn set() -> Self {
        let upstream = FakeUpstream::legacy().await;
        let authorization = FakeAuthorizationServer::start().await;
        authorization.protects(&upstream);
        let entry = |name: &str| {
            format!(
                "  {name}: {{url: \"{}\", auth_type: oauth2, oauth2_flow: authorization_code, description: \"The <b>files\\u202e\"}}\n",
                upstream.url()
            )
        };
        let open = format!("  open: {{url: \"{}\"}}\n", upstream.url());
        let yaml = format!("mcp_servers:\n{}{}{open}", entry("files"), entry("secret"));
        let gateway = TestGateway::start(&yaml).await;
        Self {
            gateway,
            upstream,
            authorization,
        }
    }

    /// Somebody with a key who is signed in.
    async fn person(&self, name: &str) -> (Actor, Browser) {
        let actor = self.gateway.key(name, &["files", "open"]).await;
        let mut browser = self.gateway.browser();
        browser.signs_in_with(actor.credential(), "/connect").await;
        (actor, browser)
    }

    /// From the page of a server to its authorization server and back: where the browser came to.
    async fn goes_and_comes_back(&self, browser: &mut Browser, page: &Reply) -> Reply {
        let reply = press(browser, page, "connect").await;
        let url = Url::parse(sent(&reply)).unwrap();
        browser.get(&self.authorization.sends_back(&url)).await
    }
}

/// Presses a button of a server's page.
async fn press(browser: &mut Browser, page: &Reply, act: &str) -> Reply {
    let text = page.text();
    let form = text
        .split("<form ")
        .find(|form| form.contains(&format!("name=\"act\" value=\"{act}\"")))
        .unwrap_or_else(|| panic!("no button: {text}"));
    let (_, token) = form.split_once("name=\"token\" value=\"").unwrap();
    let token = token.split('"').next().unwrap();
    let fields = [("token", token), ("act", act)];
    browser.post("/connect/files", &fields).await
}

/// What a caller of the server is told: the address to open, as far as it is a path of ours.
async fn invited(caller: &Actor) -> String {
    let ask = json!({"server_id": "files", "name": "echo", "arguments": {}});
    let told = caller
        .ask(Ask::post("/mcp-rest/tools/call", &ask).host(Some("localhost")))
        .await;
    assert_eq!(told.status, 401, "{told:?}");
    let url = told.json()["connect"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    url.strip_prefix("http://localhost").unwrap().to_owned()
}

async fn call(caller: &Actor) -> u16 {
    let ask = json!({"server_id": "files", "name": "echo", "arguments": {}});
    caller
        .ask(Ask::post("/mcp-rest/tools/call", &ask))
        .await
        .status
}

#[tokio::test]
async fn a_person_opens_the_address_signs_in_connects_and_calls_again() {
    let stage = Stage::set().await;
    let alice = stage.gateway.key("alice", &["files"]).await;
    let path = invited(&alice).await;
    let mut browser = stage.gateway.browser();
    let login = browser.get(&path).await;
    assert!(sent(&login).starts_with("/login?return_to=%2Fconnect%2Ffiles%3Ffor%3D"));
    let back = browser.signs_in_with(alice.credential(), &path).await;
    assert_eq!(sent(&back), path);
    let page = browser.get(&path).await;
    let text = page.text();
    assert!(text.contains("not connected yet"), "{text}");
    assert!(
        text.contains("The &#60;b&#62;files</bdi>"),
        "PKCE-11: {text}"
    );
    assert!(text.contains("<bdi>127.0.0.1</bdi>"), "where to: {text}");
    let policy = page.header("content-security-policy").unwrap();
    let leads = format!("form-action 'self' {}", stage.authorization.origin());
    assert!(policy.contains(&leads), "{policy}");
    assert_eq!(stage.gateway.event_of(&page).await["server"], "files");

    let done = stage.goes_and_comes_back(&mut browser, &page).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(
        done.text().contains("Your account is connected"),
        "{done:?}"
    );
    let event = stage.gateway.event_of(&done).await;
    assert_eq!(
        (&event["surface"], &event["rule"]),
        (&json!("page"), &json!("connected"))
    );
    assert_eq!(call(&alice).await, 200);
    let token = stage.upstream.last("tools/call");
    let token = token
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    stage.gateway.keep_secret("the upstream's token", token);

    let page = browser.get("/connect/files").await;
    assert!(page.text().contains("<dt>Since</dt>") && !page.text().contains("Connect</button>"));
    let overview = browser.get("/connect").await.text();
    assert!(overview.contains("href=\"/connect/files\"") && overview.contains("Connected"));
    assert!(
        !overview.contains("secret") && !overview.contains("/connect/open"),
        "{overview}"
    );
    stage.gateway.stands().await;
}

#[tokio::test]
async fn an_address_of_somebody_else_connects_nothing() {
    let stage = Stage::set().await;
    let (mallory, _) = stage.person("mallory").await;
    let (_, mut alice) = stage.person("alice").await;
    let path = invited(&mallory).await;
    let page = alice.get(&path).await;
    refused(&page, 403, "This was somebody else");
    assert!(!page.text().contains("<button>Connect"));
    assert_eq!(
        stage.gateway.event_of(&page).await["rule"],
        "invitation_of_another"
    );
    for bad in ["/connect/files?for=x", "/connect/files?for="] {
        refused(&alice.get(bad).await, 400, "This address is too old");
    }
    assert!(stage.authorization.asked().is_empty());
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_a_person_may_not_see_is_not_there_on_any_page() {
    let stage = Stage::set().await;
    let (_, mut alice) = stage.person("alice").await;
    let unknown = alice.get("/connect/nothing").await;
    refused(&unknown, 404, "There is nothing here");
    let said = |reply: &Reply| {
        let id = reply.header("x-request-id").unwrap().to_owned();
        reply.text().replace(&id, "")
    };
    for name in ["secret", "open"] {
        let page = alice.get(&format!("/connect/{name}")).await;
        assert_eq!((page.status, said(&page)), (404, said(&unknown)));
        let fields = [("act", "connect"), ("token", "x")];
        let page = alice.post(&format!("/connect/{name}"), &fields).await;
        assert_eq!(page.status, 404);
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_button_is_pressed_on_a_page_of_ours_by_its_own_person() {
    let stage = Stage::set().await;
    let (_, mut alice) = stage.person("alice").await;
    let (_, mut bob) = stage.person("bob").await;
    let page = alice.get("/connect/files").await;
    let token = form_token(&page, "/connect/files");
    let bobs = form_token(&bob.get("/connect/files").await, "/connect/files");
    for (token, act) in [
        ("", "connect"),
        ("x", "connect"),
        (&*bobs, "connect"),
        (&*token, "disconnect"),
    ] {
        let fields = [("token", token), ("act", act)];
        refused(
            &alice.post("/connect/files", &fields).await,
            403,
            "This page is too old",
        );
    }
    let fields = [("token", &*token), ("act", "connect")];
    let foreign = alice
        .post_from("/connect/files", &fields, "https://evil.example")
        .await;
    assert_eq!(foreign.status, 403);
    for fields in [
        [("token", &*token), ("act", "delete")],
        [("token", &*token), ("x", "")],
    ] {
        refused(
            &alice.post("/connect/files", &fields).await,
            400,
            "That did not arrive",
        );
    }
    assert!(stage.authorization.asked().is_empty());
    assert_eq!(
        alice.post("/connect/files", &fields).await.status,
        303,
        "control"
    );
    stage.gateway.stands().await;
}

#[tokio::test]
async fn another_browser_or_another_person_comes_back_with_nothing() {
    let stage = Stage::set().await;
    let (alice, mut browser) = stage.person("alice").await;
    let (mallory, mut other) = stage.person("mallory").await;
    let page = browser.get("/connect/files").await;
    let url = Url::parse(sent(&press(&mut browser, &page, "connect").await)).unwrap();
    let back = stage.authorization.sends_back(&url);
    // Another browser, with and without anybody signed in.
    refused(&other.get(&back).await, 400, "This request is over");
    refused(
        &stage.gateway.browser().get(&back).await,
        403,
        "not signed in any more",
    );
    // The same browser, in which somebody else signed in meanwhile: neither of them is connected.
    let mut taken = browser.clone();
    taken.put_cookie("__Host-portcullis_session", "");
    taken.signs_in_with(mallory.credential(), "/connect").await;
    refused(&taken.get(&back).await, 403, "This was somebody else");
    assert_eq!((call(&alice).await, call(&mallory).await), (401, 401));
    assert!(stage.authorization.at("/token").is_empty());
    // It is used up, and in the right hands nothing comes of it either.
    refused(&browser.get(&back).await, 400, "This request is over");
    assert_eq!(call(&alice).await, 401);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn another_person_who_comes_back_ends_no_connection_that_works() {
    let stage = Stage::set().await;
    let (alice, mut browser) = stage.person("alice").await;
    let (mallory, _) = stage.person("mallory").await;
    let page = browser.get("/connect/files").await;
    // Two flows of hers: one connects her, the other one comes back to somebody else.
    let url = Url::parse(sent(&press(&mut browser, &page, "connect").await)).unwrap();
    let again = Url::parse(sent(&press(&mut browser, &page, "connect").await)).unwrap();
    browser.get(&stage.authorization.sends_back(&again)).await;
    assert_eq!(call(&alice).await, 200);
    let before = stage.authorization.token_forms().len();
    browser.put_cookie("__Host-portcullis_session", "");
    browser
        .signs_in_with(mallory.credential(), "/connect")
        .await;
    let back = stage.authorization.sends_back(&url);
    refused(&browser.get(&back).await, 403, "This was somebody else");
    assert_eq!(stage.authorization.token_forms().len(), before);
    assert!(stage.authorization.at("/revoke").is_empty());
    assert_eq!((call(&alice).await, call(&mallory).await), (200, 401));
    stage.gateway.stands().await;
}

#[tokio::test]
async fn who_says_no_upstream_reads_what_happened_and_can_try_again() {
    let stage = Stage::set().await;
    let (alice, mut browser) = stage.person("alice").await;
    stage
        .authorization
        .manners(|manners| manners.refuses = Some("access_denied"));
    let page = browser.get("/connect/files").await;
    let declined = stage.goes_and_comes_back(&mut browser, &page).await;
    refused(&declined, 403, "Your account was not connected");
    assert!(declined.text().contains("href=\"/connect/files\""));
    let event = stage.gateway.event_of(&declined).await;
    assert_eq!(
        (&event["server"], &event["rule"]),
        (&json!("files"), &json!("connect_declined"))
    );
    assert_eq!(call(&alice).await, 401);
    for nothing in [
        "/callback",
        "/callback?code=x&state=y",
        "/callback/files?code=x&state=y",
        "/ui/mcp/oauth/callback?code=x&state=y",
    ] {
        let page = browser.get(nothing).await;
        assert_eq!(page.status, 400, "{page:?}");
    }
    stage
        .authorization
        .manners(|manners| manners.refuses = None);
    let page = browser.get("/connect/files").await;
    assert_eq!(
        stage.goes_and_comes_back(&mut browser, &page).await.status,
        200
    );
    assert_eq!(call(&alice).await, 200);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn disconnecting_ends_the_access_here_and_there() {
    let stage = Stage::set().await;
    let (alice, mut browser) = stage.person("alice").await;
    let page = browser.get("/connect/files").await;
    stage.goes_and_comes_back(&mut browser, &page).await;
    assert_eq!(call(&alice).await, 200);
    let page = browser.get("/connect/files").await;
    let gone = press(&mut browser, &page, "disconnect").await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert!(gone.text().contains("not connected yet"), "{gone:?}");
    assert!(!stage.authorization.at("/revoke").is_empty());
    assert_eq!(stage.gateway.event_of(&gone).await["rule"], "disconnect");
    assert_eq!(call(&alice).await, 401);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_server_whose_sign_in_cannot_be_found_says_so() {
    let stage = Stage::set().await;
    let (_, mut browser) = stage.person("alice").await;
    stage
        .authorization
        .manners(|manners| manners.metadata_at.clear());
    let page = browser.get("/connect/files").await;
    assert!(
        page.text().contains("It cannot be connected now"),
        "{page:?}"
    );
    assert!(!page.text().contains("<button>Connect"));
    stage.gateway.stands().await;
}
