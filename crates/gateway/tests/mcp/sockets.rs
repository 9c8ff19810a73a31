//! What only shows on real sockets, between two gateways, or in the operator's file.

use portcullis_config::CommandLine;
use portcullis_gateway::wire::Embedded;
use portcullis_server::listen::{Bound, ListenSettings, Stop};
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, Connection};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::support::{Client, House, call_params, legacy, server};

#[tokio::test]
async fn every_request_of_a_connection_is_judged_alone() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &["disallowed_tools: [delete_user]"])]).await;
    let alice = house.caller("alice").await;
    let bob = house.limited("bob", &[], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = Bound::from_listener(listener, ListenSettings::default()).unwrap();
    let address = bound.local_addr();
    let stop = Stop::default();
    let serving = TaskTracker::new();
    serving.spawn(bound.serve(house.router(), stop.clone()));

    let call = legacy("tools/call", &call_params("echo", "{}"));
    let ask = |key: Option<&str>, body: &str| {
        let ask = Ask::post("/mcp/a", &Value::Null)
            .header("accept", "*/*")
            .body(body);
        match key {
            Some(key) => ask.bearer(key),
            None => ask,
        }
    };
    let mut connection = Connection::open(address).await;
    for _ in 0..10 {
        for (key, status) in [
            (Some(alice.key.as_str()), 200),
            (None, 401),
            (Some(&bob.key), 404),
        ] {
            let answer = connection.ask(&ask(key, &call)).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
    assert_eq!(upstream.count("tools/call"), 10);

    // HDR-22: a trailer is no header.
    let forbidden = legacy("tools/call", &call_params("delete_user", "{}"));
    for (text, key, status) in [
        (&call, None, 401),
        (&forbidden, Some(alice.key.as_str()), 200),
    ] {
        let chunked = format!(
            "{:x}\r\n{text}\r\n0\r\nauthorization: Bearer {}\r\nmcp-name: echo\r\nx-mcp-servers: a\r\n\r\n",
            text.len(),
            alice.key
        );
        let ask = ask(key, &chunked)
            .header("transfer-encoding", "chunked")
            .header("trailer", "authorization");
        let answer = ask.send(address).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.text().contains("error"), "{answer:?}");
        assert!(!answer.text().contains("\"result\""), "{answer:?}");
    }
    assert_eq!(upstream.count("tools/call"), 10);
    house.also_asked(32);
    stop.soft.cancel();
    drop(connection);
    serving.close();
    serving.wait().await;
    house.end().await;
}

fn elsewhere(house: &House, client: &Client) -> Client {
    let mut other = house.client(&client.key).at(&client.path);
    other.session.clone_from(&client.session);
    other.version = client.version;
    other
}

#[tokio::test]
async fn what_one_gateway_gave_another_takes_and_what_one_ended_the_other_ends() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let upstream = FakeUpstream::legacy().await;
    upstream.pages_of(1);
    let servers = [server("a", &upstream, &[])];
    let first = House::beside(&database, &servers).await;
    let mut alice = first.caller("alice").await;
    let bob = first.caller("bob").await;
    alice.initialize("{}").await;
    let second = House::beside(&database, &servers).await;
    let there = elsewhere(&second, &alice);
    assert!(there.call("a-echo", "{}").await.json()["result"].is_object());
    let stolen = elsewhere(&second, &bob).in_session_of(&alice);
    assert_eq!(stolen.call("a-echo", "{}").await.status, 404);

    let cursor = alice
        .rpc("tools/list", "{}")
        .await
        .raw(&["result", "nextCursor"]);
    let params = format!(r#"{{"cursor":{cursor}}}"#);
    assert_eq!(
        there.rpc("tools/list", &params).await.names(),
        ["a-delete_user"]
    );

    let ended = alice.request(http::Method::DELETE, "", &[]).await;
    assert_eq!(ended.status, 200);
    assert_eq!(alice.call("a-echo", "{}").await.status, 404);
    let sessions = second.embedded.stores().sessions.clone();
    assert!(!sessions.terminated_since(0, 10).await.unwrap().is_empty());
    let refused = async || there.call("a-echo", "{}").await.status == 404;
    eventually("the other gateway refuses the ended session", refused).await;
    // Each house counts its own requests; the audit table is one.
    let all = first.asked() + second.asked();
    second.request_events().await;
    assert_eq!(first.request_events().await.len(), all);
}

/// Whether a gateway starts with this file, and what it says if not.
async fn started(text: &str) -> Result<(), String> {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let started = Embedded::start(text, CommandLine::default(), &tracker, &stop).await;
    stop.cancel();
    started.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn addresses_that_no_operator_means_are_refused_before_anything_is_asked() {
    const NO_URL: &str = "expected an absolute http or https URL";
    const IN_THE_CLEAR: &str = "plain http beyond loopback";
    const LINK_LOCAL: &str = "link-local and metadata addresses are never called";
    // `file:` is a reference to the value, and this file's content is no URL.
    const FROM_A_FILE: &str = "a line break or another control character";
    for (url, reason) in [
        ("https://mcp.example/mcp", None),
        ("http://127.0.0.1:1/mcp", None),
        ("ftp://127.0.0.1/mcp", Some(NO_URL)),
        ("file:///etc/passwd", Some(FROM_A_FILE)),
        ("gopher://127.0.0.1/", Some(NO_URL)),
        ("javascript:alert(1)", Some(NO_URL)),
        (
            "http://user:password@127.0.0.1/mcp",
            Some("must not hold a user name or password"),
        ),
        ("http://203.0.113.7/mcp", Some(IN_THE_CLEAR)),
        ("http://example.com/mcp", Some(IN_THE_CLEAR)),
        ("http://169.254.169.254/latest/meta-data", Some(LINK_LOCAL)),
        ("https://169.254.169.254/latest/meta-data", Some(LINK_LOCAL)),
        ("http://[::ffff:169.254.169.254]/", Some(LINK_LOCAL)),
        ("http://metadata.google.internal/", Some(LINK_LOCAL)),
        ("http:///mcp", Some(IN_THE_CLEAR)),
        ("not a url", Some(NO_URL)),
        ("", Some(NO_URL)),
    ] {
        for field in ["url", "token_url"] {
            let text = if field == "url" {
                format!("mcp_servers:\n  a:\n    url: \"{url}\"\n")
            } else {
                format!(
                    "mcp_servers:\n  a:\n    url: \"https://mcp.example/mcp\"\n    auth_type: oauth2\n    oauth2_flow: client_credentials\n    client_id: c\n    client_secret: the-secret-canary\n    token_url: \"{url}\"\n"
                )
            };
            let said = started(&text).await;
            let Some(reason) = reason else {
                assert_eq!(said, Ok(()), "{field}: {url}");
                continue;
            };
            let error = said.unwrap_err();
            let place = format!("mcp_servers.a.{field}: ");
            assert!(
                error.contains(&place) && error.contains(reason),
                "{field}: {url}: {error}"
            );
            assert!(
                !error.contains("the-secret-canary") && !error.contains("user:password"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn an_insecure_choice_is_made_by_name_and_link_local_never() {
    let with = |url: &str, choice: &str| {
        format!("mcp_servers:\n  a:\n    url: \"{url}\"\n{choice}    timeout: 2s\n")
    };
    let chosen = "    allow_insecure_http: true\n";
    let plain = "http://203.0.113.7/mcp";
    let error = started(&with(plain, "")).await.unwrap_err();
    assert!(error.contains("allow_insecure_http"), "{error}");
    assert_eq!(started(&with(plain, chosen)).await, Ok(()));
    for url in [
        "http://169.254.169.254/mcp",
        "http://[fe80::1]/mcp",
        "http://2852039166/",
        "http://0xa9fea9fe/",
    ] {
        let error = started(&with(url, chosen)).await.unwrap_err();
        assert!(error.contains("link-local"), "{url}: {error}");
    }
}
