//! How sessions with servers begin and end.

use std::sync::Arc;

use portcullis_engine::{ServerEntry, Snapshot};
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::on_behalf::{jwt, obo};
use super::support::{House, call_params, eventually, legacy, m2m, server};

#[tokio::test]
async fn a_server_whose_revision_nobody_here_speaks_is_refused_at_hello() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("notifications/initialized", |_| Reply::status(202));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    for revision in ["2024-11-05", "2099-01-01", ""] {
        upstream.on("initialize", move |request| {
            let result = format!(
                r#"{{"protocolVersion":"{revision}","capabilities":{{}},"serverInfo":{{"name":"old","version":"1"}}}}"#
            );
            Reply::result(request, &result)
        });
        let refused = alice.initialize("{}").await;
        assert_eq!(refused.code(), -32603, "{revision}: {refused:?}");
        assert_eq!(
            refused.json()["error"]["data"]["kind"],
            "upstream_refused",
            "{revision}: {refused:?}"
        );
        assert_eq!(alice.session, None, "{revision}");
    }
    house.end().await;
}

#[tokio::test]
async fn the_sessions_of_a_server_that_is_removed_end_when_nobody_uses_them() {
    let upstream = FakeUpstream::legacy().await;
    let auth = m2m(&upstream);
    let auth: Vec<&str> = auth.iter().map(String::as_str).collect();
    let house = House::of(&[server("a", &upstream, &auth)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    alice.call("echo", "{}").await;
    let calls = upstream.live("tools/call");
    let call = legacy("tools/call", &call_params("echo", "{}"));
    let mut running = alice.open(&call).await;
    calls.opened(1).await;
    assert!(upstream.session_count() > 1);
    let gateway = house.embedded.gateway();
    let entry = Arc::clone(&gateway.snapshot().servers()[0]);
    let again = ServerEntry::new(
        &entry.alias,
        entry.policy.clone(),
        entry.auth.clone(),
        Arc::clone(&entry.upstream),
        entry.info.clone(),
        entry.meters.clone(),
    );
    let removed = Arc::downgrade(&entry);
    drop(entry);
    gateway.replace_snapshot(Snapshot::new(Vec::new(), 2));
    assert_eq!(alice.call("echo", "{}").await.status, 404);
    eventually("the end of the service's session", || {
        upstream.session_count() == 1
    })
    .await;

    let ours = upstream.last("tools/call").id();
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
    ));
    assert!(running.data().await.contains("result"), "it may finish");
    drop(running);
    eventually("the end of alice's session", || {
        upstream.session_count() == 0
    })
    .await;

    // Its token served to say goodbye and is forgotten after that.
    eventually("the end of the server", || removed.strong_count() == 0).await;
    assert_eq!(upstream.count("TOKEN"), 1);
    gateway.replace_snapshot(Snapshot::new(vec![Arc::new(again)], 3));
    alice.initialize("{}").await;
    assert_eq!(upstream.count("TOKEN"), 2);
    house.end().await;
}

/// A session that a server opened for a caller is ended in that caller's name, with nothing fetched for
/// it, and nobody else's.
#[tokio::test]
async fn a_session_that_was_opened_for_a_caller_ends_with_what_that_caller_presented() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("TOKEN", |request: &Recorded| {
        let who = ["alice", "bob"]
            .into_iter()
            .find(|who| request.body.contains(&jwt(who)));
        Reply::json(
            200,
            format!(
                r#"{{"access_token":"for-{}","token_type":"Bearer","expires_in":3600}}"#,
                who.unwrap_or("ourselves")
            ),
        )
    });
    let passing = server(
        "b",
        &upstream,
        &["auth_type: true_passthrough", "static_headers: {x-via: gw}"],
    );
    let handed = server(
        "c",
        &upstream,
        &[
            "auth_type: bearer_token",
            "auth_value: ours",
            "extra_headers: [x-tenant]",
        ],
    );
    let fetched = m2m(&upstream);
    let mut fetched: Vec<&str> = fetched.iter().map(String::as_str).collect();
    fetched.push("extra_headers: [x-tenant]");
    let fetching = server("d", &upstream, &fetched);
    let house = House::of(&[obo("a", &upstream), passing, handed, fetching]).await;
    let shared = house.caller("shared").await;
    let mut expected = std::collections::BTreeMap::new();
    for who in ["alice", "bob"] {
        for (path, bearer) in [
            ("/mcp/a", format!("Bearer for-{who}")),
            ("/mcp/b", format!("Bearer {}", jwt(who))),
            ("/mcp/c", "Bearer ours".to_owned()),
            // What is fetched may have ended by then: it is had anew, in the gateway's own name.
            ("/mcp/d", "Bearer for-ourselves".to_owned()),
        ] {
            let caller = shared.bringing(&jwt(who)).with("x-tenant", who).at(path);
            let answer = caller.call("echo", "{}").await;
            assert!(answer.json()["result"].is_object(), "{path} {answer:?}");
            let call = upstream.last("tools/call");
            let session = call.header("mcp-session-id").unwrap().to_owned();
            let tenant = (path == "/mcp/c").then(|| who.to_owned());
            expected.insert(session, (bearer, tenant));
        }
    }
    let fetched = upstream.count("TOKEN");
    let gateway = house.embedded.gateway();
    gateway.close_sessions(portcullis_testkit::PATIENCE).await;
    for request in upstream.requests() {
        if request.kind != "DELETE" {
            continue;
        }
        let session = request.header("mcp-session-id").unwrap();
        // Others are the gateway's own, for its registry.
        if let Some((bearer, tenant)) = expected.remove(session) {
            assert_eq!(request.all("authorization"), [bearer], "{request:?}");
            assert_eq!(request.header("x-tenant"), tenant.as_deref());
        }
    }
    assert!(expected.is_empty(), "not ended: {expected:?}");
    assert_eq!(upstream.count("TOKEN"), fetched);
    house.end().await;
}
