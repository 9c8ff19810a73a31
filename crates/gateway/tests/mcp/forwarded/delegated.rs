//! `delegate_auth_to_upstream`: a server that judges its callers itself.

use portcullis_testkit::upstream::FakeUpstream;

use super::{PASSED_ON, echo, holds_none_of, judging, mistyped, speaks_modern};
use crate::support::{Client, House, legacy, server};

const DELEGATES: [&str; 2] = ["auth_type: oauth2", "delegate_auth_to_upstream: true"];

fn delegating(name: &str, upstream: &FakeUpstream) -> String {
    server(name, upstream, &DELEGATES)
}

fn bringing(house: &House, token: &str) -> Client {
    house
        .stranger()
        .with("authorization", &format!("Bearer {token}"))
}

/// DLG-01, and the five steps of LiteLLM's documentation.
#[tokio::test]
async fn a_stranger_is_challenged_by_the_server_and_comes_back_with_its_token() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        judging(&upstream, &["of-alice"]);
        let house = House::of(&[delegating("a", &upstream)]).await;
        let stranger = house.stranger().at("/mcp/a");
        let answer = echo(&stranger, &upstream).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.headers["www-authenticate"], PASSED_ON);
        if !speaks_modern(&upstream) {
            let refused = stranger.clone().initialize("{}").await;
            assert_eq!(refused.status, 401, "{refused:?}");
            assert_eq!(refused.headers["www-authenticate"], PASSED_ON);
        }
        let mut alice = bringing(&house, "of-alice").at("/mcp/a");
        if !speaks_modern(&upstream) {
            assert!(alice.initialize("{}").await.json()["result"].is_object());
        }
        let answer = echo(&alice, &upstream).await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let seen = upstream.last("tools/call");
        assert_eq!(seen.all("authorization"), ["Bearer of-alice"]);
        let selected = bringing(&house, "of-alice").with("x-mcp-servers", "a");
        assert!(echo(&selected.at("/mcp"), &upstream).await.json()["result"].is_object());
        let rest = selected.at("/mcp-rest/tools/call");
        let called = rest.post(r#"{"name":"a-echo","arguments":{}}"#).await;
        assert_eq!(called.status, 200, "{called:?}");
        let events = house.request_events().await;
        let call = events
            .iter()
            .rfind(|event| event["outcome"] == "ok")
            .unwrap();
        assert_eq!(call["principal"], "anonymous(delegated)");
        assert_eq!(call["principal_kind"], "delegated");
        assert_eq!(call["rule"], "delegated");
        assert_eq!(call["credential"], "oauth2-passthrough");
        assert!(events.iter().any(|event| event["upstream_status"] == 401));
        let told = serde_json::to_string(&events).unwrap();
        assert!(!told.contains("of-alice"), "{told}");
        house.end().await;
    }
}

/// DLG-02: whatever does not name delegating servers and nothing else is admitted like any other
/// request.
#[tokio::test]
async fn one_server_that_does_not_delegate_closes_the_request() {
    let one = FakeUpstream::legacy().await;
    let two = FakeUpstream::legacy().await;
    let other = FakeUpstream::legacy().await;
    let mut grouped = delegating("dlg1", &one);
    grouped.push_str("    access_groups: [all, delegates]\n    allow_all_keys: true\n");
    let mut second = delegating("dlg2", &two);
    second.push_str("    access_groups: [all, delegates]\n");
    let not = server(
        "oa",
        &other,
        &["access_groups: [all]", "allow_all_keys: true"],
    );
    let house = House::of(&[grouped, second, not]).await;
    for asking in [house.stranger(), bringing(&house, "of-alice")] {
        for (path, selector) in [
            ("/mcp", None),
            ("/mcp/oa", None),
            ("/mcp/dlg1,oa", None),
            ("/dlg1,oa/mcp", None),
            ("/mcp/all", None),
            ("/mcp/delegates", None),
            ("/mcp/nowhere", None),
            ("/mcp/dlg1,nowhere", None),
            ("/mcp/DLG1", None),
            ("/mcp", Some(("x-mcp-servers", "dlg1,oa"))),
            ("/mcp", Some(("x-mcp-servers", "all"))),
            ("/mcp", Some(("x-mcp-servers", ""))),
            ("/mcp", Some(("x-mcp-access-groups", "delegates"))),
            // The path says what is meant, whatever stands beside it.
            ("/mcp/oa", Some(("x-mcp-servers", "dlg1"))),
            ("/mcp-rest/tools/call", None),
        ] {
            let mut asking = asking.at(path);
            if let Some((name, value)) = selector {
                asking = asking.with(name, value);
            }
            let answer = asking.rpc("tools/list", "{}").await;
            assert_eq!(answer.status, 401, "{path} {selector:?} {answer:?}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("/.well-known/"), "{challenge}");
        }
        let both = asking.at("/mcp").with("x-mcp-servers", "dlg1, dlg2");
        let listed = both.rpc("tools/list", "{}").await;
        assert_eq!(listed.names().len(), 4, "{listed:?}");
        // A group beside the names addresses more than the names do.
        let wider = both.with("x-mcp-access-groups", "all");
        assert_eq!(wider.rpc("tools/list", "{}").await.status, 401);
    }
    assert_eq!(other.count("tools/call"), 0);
    holds_none_of(&other, &["of-alice"]);
    house.end().await;
}

/// DLG-06, DLG-07: the body reaches no other server than the route.
#[tokio::test]
async fn the_body_leads_nowhere_else() {
    let one = FakeUpstream::legacy().await;
    let other = FakeUpstream::legacy().await;
    let house = House::of(&[
        delegating("dlg1", &one),
        server("oa", &other, &["allow_all_keys: true"]),
    ])
    .await;
    let stranger = bringing(&house, "of-alice");
    for name in ["oa-echo", "oa__echo", "dlg1-echo"] {
        assert_eq!(
            stranger.at("/mcp/dlg1").call(name, "{}").await.code(),
            -32602
        );
    }
    let selected = stranger.at("/mcp").with("x-mcp-servers", "dlg1");
    assert_eq!(selected.call("oa-echo", "{}").await.code(), -32602);
    let rest = stranger
        .at("/mcp-rest/tools/call")
        .with("x-mcp-servers", "dlg1");
    for body in [
        r#"{"name":"echo","arguments":{},"server_id":"oa"}"#,
        r#"{"name":"oa-echo","arguments":{}}"#,
    ] {
        assert_eq!(rest.post(body).await.status, 404, "{body}");
    }
    let batch = format!(
        "[{},{}]",
        legacy("tools/list", "{}"),
        legacy("tools/list", "{}")
    );
    assert_eq!(stranger.at("/mcp/dlg1").post(&batch).await.status, 400);
    assert_eq!(other.count("tools/call"), 0);
    house.end().await;
}

/// DLG-11: who tries our own door is judged by it, and never falls back to being nobody.
#[tokio::test]
async fn who_tries_a_key_of_ours_is_judged_by_it() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[delegating("a", &upstream)]).await;
    let stranger = house.stranger().at("/mcp/a");
    let known = house.caller("known").await;
    let without = house.limited("without", &["elsewhere"], &[]).await;
    let typo = mistyped(&known.key);
    for credentials in [
        &[("authorization", format!("Bearer {typo}"))][..],
        &[("authorization", "Bearer sk-nobodys".to_owned())],
        &[("authorization", "Bearer ".to_owned())],
        &[("authorization", "Basic dTpw".to_owned())],
        &[("x-litellm-api-key", typo.clone())],
        &[("x-litellm-api-key", String::new())],
        &[("x-portcullis-api-key", "Bearer".to_owned())],
        &[
            ("x-litellm-api-key", "sk-nobodys".to_owned()),
            ("authorization", "Bearer of-alice".to_owned()),
        ],
    ] {
        let mut asking = stranger.clone();
        for (name, value) in credentials {
            asking = asking.with(name, value);
        }
        let answer = asking.call("echo", "{}").await;
        assert_eq!(answer.status, 401, "{credentials:?} {answer:?}");
    }
    let twice = stranger
        .with("authorization", "Bearer of-alice")
        .with("authorization", "Bearer of-bob");
    assert_eq!(twice.call("echo", "{}").await.status, 400);
    for asking in [without.clone(), without.bringing("of-alice")] {
        assert_eq!(asking.at("/mcp/a").call("echo", "{}").await.status, 404);
    }
    assert_eq!(upstream.count("tools/call"), 0);
    // A key of ours in the place of the token admits its holder, and goes no further.
    let debug = ("x-litellm-mcp-debug", "true");
    let answer = known
        .at("/mcp/a")
        .with(debug.0, debug.1)
        .call("echo", "{}")
        .await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    let token = answer.headers["x-mcp-debug-oauth2-token"].to_str().unwrap();
    assert!(token.contains("SAME_AS_LITELLM_KEY"), "{token}");
    assert_eq!(upstream.last("tools/call").header("authorization"), None);
    let both = known.at("/mcp/a").bringing("of-alice");
    assert!(both.call("echo", "{}").await.json()["result"].is_object());
    let seen = upstream.last("tools/call");
    assert_eq!(seen.all("authorization"), ["Bearer of-alice"]);
    holds_none_of(&upstream, &[&known.key, &without.key, &typo]);
    house.end().await;
}

/// DLG-04: on any other kind of authentication the flag opens nothing.
#[tokio::test]
async fn elsewhere_the_flag_opens_nothing() {
    let upstream = FakeUpstream::legacy().await;
    for auth in [
        &["auth_type: none"][..],
        &["auth_type: bearer_token", "auth_value: \"of-the-file\""],
        &["auth_type: true_passthrough"],
        &[],
    ] {
        let keys = [
            auth,
            &["delegate_auth_to_upstream: true", "allow_all_keys: true"],
        ]
        .concat();
        let house = House::of(&[server("a", &upstream, &keys)]).await;
        for asking in [house.stranger(), bringing(&house, "of-alice")] {
            assert_eq!(asking.at("/mcp/a").call("echo", "{}").await.status, 401);
        }
        house.end().await;
    }
    assert_eq!(upstream.count("tools/call"), 0);
}

/// IP-08: who is outside stays outside, unless the operator asked for LiteLLM's ways.
#[tokio::test]
async fn strangers_from_outside_stay_outside() {
    let upstream = FakeUpstream::legacy().await;
    let mut hidden = delegating("a", &upstream);
    hidden.push_str("    available_on_public_internet: false\n");
    // Nobody can tell where these stories' callers are, so they are outside.
    let house = House::of(&[hidden.clone()]).await;
    for asking in [house.stranger(), bringing(&house, "of-alice")] {
        assert_eq!(asking.at("/mcp/a").call("echo", "{}").await.status, 401);
    }
    let known = house.caller("known").await.bringing("of-alice");
    assert_eq!(known.at("/mcp/a").call("echo", "{}").await.status, 404);
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;

    let house = House::of(&[hidden, "compat: litellm\n".to_owned()]).await;
    let answer = bringing(&house, "of-alice")
        .at("/mcp/a")
        .call("echo", "{}")
        .await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    house.end().await;
}

/// Sessions, lists and cursors are the bearer token's, whoever else is a stranger too.
#[tokio::test]
async fn one_strangers_session_and_cursor_are_no_others() {
    let upstream = FakeUpstream::legacy().await;
    judging(&upstream, &["of-alice", "of-bob"]);
    upstream.pages_of(1);
    let house = House::of(&[delegating("a", &upstream)]).await;
    let mut alice = bringing(&house, "of-alice").at("/mcp/a");
    assert!(alice.initialize("{}").await.json()["result"].is_object());
    let bob = bringing(&house, "of-bob")
        .at("/mcp/a")
        .in_session_of(&alice);
    let nobody = house.stranger().at("/mcp/a").in_session_of(&alice);
    for other in [bob, nobody] {
        assert_eq!(other.call("echo", "{}").await.status, 404);
    }
    assert!(alice.call("echo", "{}").await.json()["result"].is_object());
    let lists = |token: &str| {
        bringing(&house, token)
            .at("/mcp")
            .with("x-mcp-servers", "a")
    };
    let page = lists("of-alice").rpc("tools/list", "{}").await.json();
    let cursor = format!(r#"{{"cursor":{}}}"#, page["result"]["nextCursor"]);
    let next = lists("of-alice").rpc("tools/list", &cursor).await;
    assert_eq!(next.names(), ["a-delete_user"]);
    let stolen = lists("of-bob").rpc("tools/list", &cursor).await;
    assert_eq!(stolen.code(), -32602, "{stolen:?}");
    house.end().await;
}

/// DLG-09: whoever has no key that could be counted is counted by where they come from; whoever has one is
/// not kept out by them.
#[tokio::test]
async fn a_crowd_of_strangers_is_told_to_come_later() {
    let upstream = FakeUpstream::modern().await;
    judging(&upstream, &["of-alice"]);
    let limit = "server: {strangers_per_minute: 1}\n".to_owned();
    let house = House::of(&[delegating("a", &upstream), limit]).await;
    let alice = bringing(&house, "of-alice").at("/mcp/a");
    let (mut served, mut refused) = (0, Vec::new());
    for _ in 0..10 {
        let answer = echo(&alice, &upstream).await;
        match answer.status {
            200 => served += 1,
            _ => refused.push(answer),
        }
    }
    assert_eq!(served, 1);
    for answer in &refused {
        assert_eq!(answer.status, 429, "{answer:?}");
        let wait: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(upstream.count("tools/call"), served);
    let events = house.request_events().await;
    let counted = events
        .iter()
        .filter(|event| event["rule"] == "too_many_strangers");
    assert_eq!(counted.count(), refused.len());
    let known = house
        .caller("known")
        .await
        .bringing("of-alice")
        .at("/mcp/a");
    assert_eq!(echo(&known, &upstream).await.status, 200);
    house.end().await;
}
