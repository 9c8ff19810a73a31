//! Under which name strangers are told to come back, and what its documents say.

use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::{Value, json};

use crate::support::{BEHIND_A_PROXY, challenge};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

async fn document(gateway: &TestGateway, ask: Ask) -> Value {
    let reply = gateway.anonymous().ask(ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.json()
}

#[tokio::test]
async fn a_stranger_is_led_from_the_challenge_to_the_document_of_the_very_endpoint() {
    let gateway = TestGateway::start("server: {public_url: 'https://llm.example.com:443'}").await;
    let base = "https://llm.example.com";
    for path in ["/mcp", "/mcp/", "/mcp/github", "/github/mcp", "/mcp/a,b"] {
        let said = challenge(&gateway, Ask::rpc(path, "tools/list", &json!({}))).await;
        let metadata = format!("{WELL_KNOWN}{path}");
        assert_eq!(
            said,
            format!(r#"Bearer resource_metadata="{base}{metadata}""#)
        );
        let document = document(&gateway, Ask::get(&metadata)).await;
        assert_eq!(
            document,
            json!({
                "resource": format!("{base}{path}"),
                "authorization_servers": [base],
                "bearer_methods_supported": ["header"],
            }),
        );
    }
    for path in ["/mcp-rest/tools/list", "/v1/mcp/server", "/key/list"] {
        let said = challenge(&gateway, Ask::get(path)).await;
        assert_eq!(
            said,
            format!(r#"Bearer resource_metadata="{base}{WELL_KNOWN}""#)
        );
    }
    let root = document(&gateway, Ask::get(WELL_KNOWN)).await;
    assert_eq!(root["resource"], base);
    gateway.stands().await;
}

#[tokio::test]
async fn documents_do_not_tell_which_servers_there_are() {
    let gateway = TestGateway::with_support().await;
    let there = document(&gateway, Ask::get(&format!("{WELL_KNOWN}/mcp/support"))).await;
    let invented = document(&gateway, Ask::get(&format!("{WELL_KNOWN}/mcp/nowhere"))).await;
    let text = there.to_string().replace("/mcp/support", "/mcp/nowhere");
    assert_eq!(text, invented.to_string());
    for path in [
        "/support",
        "/mcp/a/b",
        "/key/list",
        "/a/b/mcp",
        "/",
        "/mcp/a%22b/c",
    ] {
        let reply = gateway
            .anonymous()
            .ask(Ask::get(&format!("{WELL_KNOWN}{path}")))
            .await;
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    let posted = gateway
        .anonymous()
        .ask(Ask::post(&format!("{WELL_KNOWN}/mcp"), &json!({})))
        .await;
    assert_eq!(posted.status, 405);
    gateway.stands().await;
}

#[tokio::test]
async fn a_path_that_is_not_plain_is_not_repeated_in_a_header() {
    let gateway = TestGateway::start("").await;
    for path in ["/mcp/a\"b", "/mcp/a;b", "/a\",error=\"x/mcp"] {
        let said = challenge(&gateway, Ask::get(path)).await;
        assert_eq!(
            said,
            format!(r#"Bearer resource_metadata="http://localhost{WELL_KNOWN}""#),
            "{path}"
        );
    }
}

#[tokio::test]
async fn scopes_are_told_to_everybody_only_where_the_operator_says_so() {
    let gateway =
        TestGateway::start("identity: {scopes_supported: 'tools:read tools:write'}").await;
    for path in ["", "/mcp", "/mcp/any"] {
        let document = document(&gateway, Ask::get(&format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!(
            document["scopes_supported"],
            json!(["tools:read", "tools:write"])
        );
        // People can sign in here, with a key at least, so clients can get tokens here.
        assert_eq!(
            document["authorization_servers"],
            json!(["http://localhost"])
        );
    }
}

#[tokio::test]
async fn without_a_word_of_the_operator_the_request_says_what_we_are_called() {
    let gateway = TestGateway::start("").await;
    for (host, origin) in [
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("LOCALHOST:4000", "http://localhost:4000"),
        ("127.0.0.1:4000", "http://127.0.0.1:4000"),
        ("[::1]:4000", "http://[::1]:4000"),
    ] {
        // Whoever is not believed changes nothing by what it says (RED-10).
        let ask = Ask::get(&format!("{WELL_KNOWN}/mcp"))
            .host(Some(host))
            .header("x-forwarded-host", "evil.test")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-port", "8443")
            .header("forwarded", "host=evil.test;proto=https");
        let document = document(&gateway, ask).await;
        assert_eq!(document["resource"], format!("{origin}/mcp"));
    }
}

#[tokio::test]
async fn a_proxy_of_ours_says_under_which_name_it_was_called() {
    let gateway = TestGateway::start(BEHIND_A_PROXY).await;
    let behind = || {
        Ask::rpc("/mcp", "tools/list", &json!({}))
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "llm.example.com")
    };
    let said = challenge(&gateway, behind()).await;
    assert_eq!(
        said,
        format!(r#"Bearer resource_metadata="https://llm.example.com{WELL_KNOWN}/mcp""#)
    );
    let said = challenge(&gateway, behind().header("x-forwarded-port", "8443")).await;
    assert!(said.contains("https://llm.example.com:8443/"), "{said}");
    // What a client slipped in beside the proxy's own line is not chosen from.
    let twice = behind().header("x-forwarded-host", "evil.test");
    let said = challenge(&gateway, twice).await;
    assert!(said.contains("\"http://localhost/"), "{said}");
    gateway.stands().await;
}

#[tokio::test]
async fn the_operators_word_beats_a_believed_proxy() {
    let text = format!("server: {{public_url: 'https://llm.example.com'}}\n{BEHIND_A_PROXY}");
    let gateway = TestGateway::start(&text).await;
    let ask = Ask::get(WELL_KNOWN)
        .host(Some("llm.example.com"))
        .header("x-forwarded-host", "other.example.com")
        .header("x-forwarded-proto", "http");
    let document = document(&gateway, ask).await;
    assert_eq!(document["resource"], "https://llm.example.com");
}

#[tokio::test]
async fn the_trail_names_the_caller_behind_a_proxy_of_ours_and_nobody_elses_word() {
    for (settings, address) in [
        (BEHIND_A_PROXY, "203.0.113.7"),
        (
            "general_settings: {use_x_forwarded_for: true, mcp_trusted_proxy_ranges: ['192.0.2.0/24']}",
            "127.0.0.1",
        ),
        ("general_settings: {use_x_forwarded_for: true}", "127.0.0.1"),
        ("", "127.0.0.1"),
    ] {
        let gateway = TestGateway::start(settings).await;
        let ask =
            Ask::get("/mcp-rest/tools/list").header("x-forwarded-for", "10.0.0.1, 203.0.113.7");
        let reply = gateway.anonymous().ask(ask).await;
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["client_ip"], address, "{settings}");
    }
}
