//! What other sites can make a browser send, and what they can show of us.

use portcullis_testkit::gateway::{Ask, Reply, TestGateway, form_token};

use crate::support::{SESSION, refused, sent};

/// UI-02.
#[tokio::test]
async fn a_form_is_only_good_in_the_browser_and_for_the_act_that_it_was_made_for() {
    let gateway = TestGateway::start("").await;
    let (alice, mallory) = (
        gateway.key("alice", &[]).await,
        gateway.key("mallory", &[]).await,
    );
    let (mut hers, mut theirs) = (gateway.browser(), gateway.browser());

    // Login CSRF: mallory's form, with mallory's key, in alice's browser.
    let page = theirs.get("/login").await;
    let token = form_token(&page, "/login");
    hers.get("/login").await;
    let fields = [("token", &*token), ("key", mallory.credential())];
    refused(&hers.post("/login", &fields).await, 403, "too old");
    assert_eq!(hers.cookie(SESSION), None);

    hers.signs_in_with(alice.credential(), "/connect").await;
    theirs.signs_in_with(mallory.credential(), "/connect").await;
    let page = theirs.get("/connect").await;
    let token = form_token(&page, "/logout");
    for fields in [
        &[][..],
        &[("token", "")],
        &[("token", &*token)],
        &[("token", "AAAA"), ("token", "BBBB")],
    ] {
        refused(&hers.post("/logout", fields).await, 403, "too old");
    }
    // A token of her own, for something else.
    let own = form_token(&hers.get("/connect").await, "/logout");
    let fields = [("token", &*own), ("client", "app")];
    refused(&hers.post("/connect", &fields).await, 403, "too old");
    assert_eq!(hers.get("/connect").await.status, 200, "nothing was done");

    // The right form, sent by a page of another origin.
    for origin in ["https://evil.test", "null"] {
        let reply = hers.post_from("/logout", &[("token", &own)], origin).await;
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    let reply = hers.post("/logout", &[("token", &own)]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        sent(&hers.get("/connect").await),
        "/login?return_to=%2Fconnect"
    );
    gateway.stands().await;
}

/// UI-08.
#[tokio::test]
async fn signing_in_leads_to_pages_of_ours_only() {
    let gateway = TestGateway::start("").await;
    let alice = gateway.key("alice", &[]).await;
    for evil in [
        "//evil.test",
        "/\\evil.test",
        "https://evil.test/connect",
        "javascript:alert(1)",
    ] {
        let mut browser = gateway.browser();
        let reply = browser.signs_in_with(alice.credential(), evil).await;
        assert_eq!(sent(&reply), "/connect", "{evil}");
        let query: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        let reply = browser.get(&format!("/login?return_to={query}")).await;
        assert_eq!(sent(&reply), "/connect", "{evil}");
    }
    gateway.stands().await;
}

#[track_caller]
fn guarded(reply: &Reply) {
    let policy = reply.header("content-security-policy").unwrap_or_default();
    if reply.status != 303 {
        for directive in [
            "default-src 'none'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(directive), "{reply:?}");
        }
        assert!(!reply.text().contains("<script"), "{reply:?}");
        assert!(reply.text().contains("<html lang=\"en\">"), "{reply:?}");
    }
    assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{reply:?}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        reply.header("cross-origin-resource-policy"),
        Some("same-origin")
    );
    let referrer = reply.header("referrer-policy").unwrap();
    assert!(["same-origin", "no-referrer"].contains(&referrer));
}

/// UI-03, and every route of a page without a sign-in.
#[tokio::test]
async fn no_page_is_framed_cached_or_shown_to_strangers() {
    let gateway = TestGateway::start("").await;
    let flow = "A".repeat(43);
    for (method, path, status) in [
        ("GET", "/login".to_owned(), 200),
        ("POST", "/login".to_owned(), 403),
        ("GET", "/login/provider".to_owned(), 404),
        ("GET", "/login/callback".to_owned(), 404),
        ("POST", "/logout".to_owned(), 303),
        ("GET", "/connect".to_owned(), 303),
        ("POST", "/connect".to_owned(), 303),
        ("GET", "/authorize".to_owned(), 400),
        ("GET", format!("/authorize/{flow}"), 400),
        ("POST", format!("/authorize/{flow}"), 400),
        ("GET", "/authorize/x".to_owned(), 404),
    ] {
        let mut browser = gateway.browser();
        let reply = match method {
            "GET" => browser.get(&path).await,
            _ => browser.post(&path, &[]).await,
        };
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        guarded(&reply);
    }
    // A key in a header opens no page.
    let alice = gateway.key("alice", &[]).await;
    assert_eq!(alice.ask(Ask::get("/connect")).await.status, 303);
    let reply = alice.ask(Ask::new("PUT", "/login")).await;
    assert_eq!(reply.status, 405, "{reply:?}");

    let page = gateway.browser().get("/login").await.text();
    let (_, rest) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let sheet = gateway.browser().get(rest.split('"').next().unwrap()).await;
    assert_eq!(
        sheet.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(sheet.header("cache-control").unwrap().contains("immutable"));
    gateway.stands().await;
}
