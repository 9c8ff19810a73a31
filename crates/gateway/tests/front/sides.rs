//! A server for the inside does not exist for whoever is outside, on any surface.

use std::sync::Arc;

use portcullis_engine::{ServerEntry, Snapshot};
use portcullis_testkit::gateway::{Actor, Ask, Connection, MockServer, Reply, TestGateway};
use portcullis_testkit::upstream::{FakeUpstream, event};
use serde_json::json;

use super::support::BEHIND_A_PROXY;

/// `hidden` is for the inside, which is 10/8; everybody comes from loopback, over a proxy of ours
/// that says where they really are.
async fn gateway() -> (TestGateway, MockServer, Actor) {
    let mock = MockServer::start().await;
    let yaml = format!(
        "general_settings:\n  use_x_forwarded_for: true\n  mcp_trusted_proxy_ranges: ['127.0.0.0/8']\n  mcp_internal_ip_ranges: ['10.0.0.0/8']\nmcp_servers:\n{}{}    available_on_public_internet: false\n    access_groups: [staff]\n    allow_all_keys: true\n",
        mock.entry("open"),
        mock.entry("hidden"),
    );
    let gateway = TestGateway::start(&yaml).await;
    let admin = gateway.admin().await;
    (gateway, mock, admin)
}

const INSIDE: &str = "10.1.2.3";
const OUTSIDE: &str = "203.0.113.7";

fn from(ask: Ask, address: &str) -> Ask {
    ask.header("x-forwarded-for", address)
}

fn call(path: &str, tool: &str) -> Ask {
    let params = json!({"name": tool, "arguments": {"message": "hi"}});
    Ask::rpc(path, "tools/call", &params)
}

fn rest(server: &str) -> Ask {
    let call = json!({"name": "echo", "arguments": {"message": "hi"}, "server_id": server});
    Ask::post("/mcp-rest/tools/call", &call)
}

/// Without what is another in every answer.
fn told(reply: &Reply, name: &str) -> (u16, String) {
    let text = reply.text().replace(name, "NAME");
    let text = match reply.header("x-request-id") {
        Some(id) => text.replace(id, "ID"),
        None => text,
    };
    (reply.status, text)
}

/// One request on each surface for a server of this name.
fn doors(name: &str) -> Vec<Ask> {
    let named = format!("/mcp/{name}");
    vec![
        Ask::initialize(&named),
        Ask::rpc(&named, "tools/list", &json!({})),
        call(&named, "echo"),
        Ask::rpc(&named, "prompts/get", &json!({"name": "p"})),
        Ask::rpc(&named, "resources/read", &json!({"uri": "file:///x"})),
        Ask::rpc(&named, "resources/templates/list", &json!({})),
        Ask::rpc(&format!("/{name}/mcp"), "tools/list", &json!({})),
        Ask::rpc(&format!("/mcp/open,{name}"), "tools/list", &json!({})),
        Ask::rpc("/mcp", "tools/list", &json!({})).header("x-mcp-servers", name),
        call("/mcp", &format!("{name}-echo")),
        rest(name),
        Ask::get(&format!("/mcp-rest/tools/list?server_id={name}")),
    ]
}

#[tokio::test]
async fn outside_a_hidden_server_and_an_invented_one_are_alike_on_every_surface() {
    // IP-07
    let (gateway, mock, admin) = gateway().await;
    let inside = admin.ask(from(call("/mcp", "hidden-echo"), INSIDE)).await;
    assert!(inside.text().contains("hi"), "{inside:?}");
    let before = mock.stats().await.calls;
    for (hidden, invented) in doors("hidden").into_iter().zip(doors("nowhere")) {
        let line = hidden.line();
        let seen = admin.ask(from(hidden, OUTSIDE)).await;
        let absent = admin.ask(from(invented, OUTSIDE)).await;
        assert_eq!(told(&seen, "hidden"), told(&absent, "nowhere"), "{line}");
        let refused = seen.status == 404 || seen.text().contains("Unknown tool");
        assert!(refused, "{line}: {seen:?}");
    }
    let group = Ask::rpc("/mcp", "tools/list", &json!({})).header("x-mcp-access-groups", "staff");
    assert_eq!(admin.ask(from(group, OUTSIDE)).await.status, 404);
    assert_eq!(mock.stats().await.calls, before, "nothing left the house");
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn lists_show_it_inside_and_not_outside() {
    let (gateway, _mock, admin) = gateway().await;
    for list in [
        Ask::rpc("/mcp", "tools/list", &json!({})),
        Ask::get("/mcp-rest/tools/list"),
        Ask::get("/v1/mcp/server"),
    ] {
        let line = list.line();
        let inside = admin.ask(from(list.clone(), INSIDE)).await;
        assert_eq!(inside.status, 200, "{inside:?}");
        assert!(inside.text().contains("hidden"), "{line}: {inside:?}");
        let outside = admin.ask(from(list, OUTSIDE)).await;
        assert_eq!(outside.status, 200, "{outside:?}");
        assert!(!outside.text().contains("hidden"), "{line}: {outside:?}");
    }
    let rows = admin
        .ask(from(Ask::get("/v1/mcp/server"), INSIDE))
        .await
        .json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn whose_address_nobody_can_tell_is_outside() {
    // IP-02, IP-04
    let (gateway, _mock, admin) = gateway().await;
    for unknown in [
        None,
        Some("unknown"),
        Some("10.1.2.3, unknown"),
        Some("10.1.2.3, 203.0.113.7"),
        Some("010.1.2.3"),
        Some("_hidden"),
        Some("\"10.1.2.3\""),
        Some("10.1.2.3%eth0"),
        Some("::ffff:203.0.113.7"),
    ] {
        let ask = Ask::rpc("/mcp/hidden", "tools/list", &json!({}));
        let ask = match unknown {
            Some(list) => from(ask, list),
            None => ask,
        };
        let reply = admin.ask(ask).await;
        assert_eq!(reply.status, 404, "{unknown:?}: {reply:?}");
    }
    for known in [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "10.1.2.3:99",
        "203.0.113.7, 10.1.2.3",
    ] {
        let ask = Ask::rpc("/mcp/hidden", "tools/list", &json!({}));
        let reply = admin.ask(from(ask, known)).await;
        assert_eq!(reply.status, 200, "{known}: {reply:?}");
    }
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_peer_inside_that_claims_to_pass_somebody_on_is_not_taken_for_them_nor_for_itself() {
    // IP-01
    let mock = MockServer::start().await;
    let yaml = format!(
        "mcp_servers:\n{}    available_on_public_internet: false\n",
        mock.entry("hidden")
    );
    let gateway = TestGateway::start(&yaml).await;
    let admin = gateway.admin().await;
    let ask = || Ask::rpc("/mcp/hidden", "tools/list", &json!({}));
    // Loopback is inside by default.
    assert_eq!(admin.ask(ask()).await.status, 200);
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let reply = admin.ask(ask().header(name, "10.0.0.1")).await;
        assert_eq!(reply.status, 404, "{name}: {reply:?}");
    }
    for name in ["cf-connecting-ip", "true-client-ip", "x-client-ip"] {
        let reply = admin.ask(ask().header(name, "203.0.113.7")).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn a_session_that_was_opened_inside_shows_nothing_outside() {
    let (gateway, _mock, admin) = gateway().await;
    let opened = admin
        .ask(from(Ask::initialize("/mcp/hidden"), INSIDE))
        .await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let list =
        || Ask::rpc("/mcp/hidden", "tools/list", &json!({})).header("mcp-session-id", &session);
    assert_eq!(admin.ask(from(list(), INSIDE)).await.status, 200);
    assert_eq!(admin.ask(from(list(), OUTSIDE)).await.status, 404);
    let listening = Ask::listen("/mcp/hidden", &session);
    assert_eq!(admin.ask(from(listening, OUTSIDE)).await.status, 404);
    let aggregate = admin.ask(from(Ask::initialize("/mcp"), INSIDE)).await;
    let session = aggregate.header("mcp-session-id").unwrap().to_owned();
    let tool = call("/mcp", "hidden-echo").header("mcp-session-id", &session);
    let outside = admin.ask(from(tool.clone(), OUTSIDE)).await;
    assert!(outside.text().contains("Unknown tool"), "{outside:?}");
    assert!(admin.ask(from(tool, INSIDE)).await.text().contains("hi"));
    gateway.no_secret_was_told().await;
}

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// One person listens from inside and from outside, on one session at the server.
#[tokio::test]
async fn a_stream_of_before_hears_no_more_of_a_server_that_was_hidden_from_its_side() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let yaml = format!(
        "{BEHIND_A_PROXY}  mcp_internal_ip_ranges: ['10.0.0.0/8']\nmcp_servers:\n  hidden:\n    \
         url: \"{}\"\n",
        upstream.url()
    );
    let gateway = TestGateway::start(&yaml).await;
    let alice = gateway.key("alice", &["hidden"]).await;
    let mut streams = Vec::new();
    for address in [INSIDE, OUTSIDE] {
        let opened = alice.ask(from(Ask::initialize("/mcp"), address)).await;
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let tool = call("/mcp", "hidden-echo").header("mcp-session-id", &session);
        let called = alice.ask(from(tool, address)).await;
        assert_eq!(called.status, 200, "{called:?}");
        let listen = alice.sign(from(Ask::listen("/mcp", &session), address));
        let mut stream = Connection::begin(gateway.address(), &listen).await;
        assert!(stream.until("text/event-stream").await);
        streams.push(stream);
    }
    live.opened(1).await;
    upstream.tool_names(&["echo"]);
    live.bytes(&event(CHANGED));
    for stream in &mut streams {
        assert!(stream.until("list_changed").await);
    }

    let inner = gateway.embedded().gateway();
    let before = Arc::clone(&inner.snapshot().servers()[0]);
    let mut policy = before.policy.clone();
    policy.inside_only = true;
    let now = ServerEntry::new(
        &before.alias,
        policy,
        before.auth.clone(),
        Arc::clone(&before.upstream),
        before.info.clone(),
        before.meters.clone(),
    );
    let now = Arc::new(now.carrying_over(&before));
    inner.replace_snapshot(Snapshot::new(vec![now], 2));
    drop(before);
    live.bytes(&event(&CHANGED.replace("tools", "prompts")));
    let mut outside = streams.pop().unwrap();
    let mut inside = streams.pop().unwrap();
    assert!(inside.until("prompts/list_changed").await);
    // Both end with the key; by then the outside has heard what there was for it.
    let admin = gateway.admin().await;
    let body = json!({"keys": [alice.key_id()]});
    assert_eq!(admin.ask(Ask::post("/key/delete", &body)).await.status, 200);
    outside.ends().await;
    let heard = String::from_utf8(outside.heard().to_vec()).unwrap();
    assert!(heard.contains("tools/list_changed"), "{heard}");
    assert!(!heard.contains("prompts/list_changed"), "{heard}");
    gateway.no_secret_was_told().await;
}
