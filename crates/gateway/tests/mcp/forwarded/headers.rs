//! Headers: listed by the file, or addressed to a server by name.

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::{echo, holds_none_of, judging, mistyped};
use crate::support::{House, m2m, server};

/// HDR-01, HDR-04, HDR-05: a header goes on that the file lists, as it came, and no other.
#[tokio::test]
async fn listed_headers_go_on_and_no_others() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let house = House::of(&[server(
            "a",
            &upstream,
            &[
                "extra_headers: [X-Team, X-Request-Source, X_Gateway_User]",
                "static_headers: {X-Gateway-User: us}",
            ],
        )])
        .await;
        let caller = house
            .caller("caller")
            .await
            .at("/mcp/a")
            .with("x-team", "blue team")
            .with("x-other", "canary-other")
            .with("x-gateway-user", "canary-me")
            .with("x_gateway_user", "canary-me")
            .with("x-request-source", "ends-here")
            .with(
                "connection",
                "close, X-Request-Source, X-Gateway-User, Mcp-Name",
            )
            .with("cookie", "sid=canary-cookie");
        let answer = echo(&caller, &upstream).await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let seen = upstream.last("tools/call");
        assert_eq!(seen.all("x-team"), ["blue team"]);
        assert_eq!(seen.all("x-gateway-user"), ["us"]);
        assert_eq!(seen.header("x-request-source"), None);
        holds_none_of(&upstream, &["canary", &caller.key]);
        house.end().await;
    }
}

/// HDR-03, HDR-11: what is addressed to one server reaches it and nobody else, whatever dashes its
/// name holds.
#[tokio::test]
async fn a_credential_for_one_server_reaches_that_server_alone() {
    for (one, other) in [
        (FakeUpstream::legacy().await, FakeUpstream::legacy().await),
        (FakeUpstream::modern().await, FakeUpstream::modern().await),
    ] {
        let house = House::of(&[
            server("a", &one, &["alias: my-server"]),
            server("b", &other, &["alias: my"]),
        ])
        .await;
        let caller = house
            .caller("caller")
            .await
            .with("x-mcp-my-server-authorization", "Bearer for-a")
            .with("x-mcp-my-x-org", "for-b");
        for path in ["/mcp/a", "/mcp/b"] {
            let upstream = if path == "/mcp/a" { &one } else { &other };
            let answer = echo(&caller.at(path), upstream).await;
            assert!(answer.json()["result"].is_object(), "{answer:?}");
        }
        let rest = caller.at("/mcp-rest/tools/call");
        let called = rest
            .post(r#"{"name":"my-server-echo","arguments":{}}"#)
            .await;
        assert_eq!(called.status, 200, "{called:?}");
        let by_id = caller.with("x-mcp-a-x-org", "by-id").at("/mcp/a");
        echo(&by_id, &one).await;
        assert_eq!(one.last("tools/call").all("x-org"), ["by-id"]);
        assert_eq!(
            one.last("tools/call").all("authorization"),
            ["Bearer for-a"]
        );
        assert_eq!(other.last("tools/call").all("x-org"), ["for-b"]);
        holds_none_of(&one, &["for-b", &caller.key]);
        holds_none_of(&other, &["for-a", &caller.key]);
        house.end().await;
    }
}

/// HDR-02: a caller replaces a credential of the file only where the file lets it, and then there
/// are not two.
#[tokio::test]
async fn a_callers_credential_replaces_ours_where_the_file_says_so() {
    let closed = FakeUpstream::legacy().await;
    let open = FakeUpstream::legacy().await;
    let fetched = FakeUpstream::legacy().await;
    let fixed = ["auth_type: bearer_token", "auth_value: \"of-the-file\""];
    let opened = [&fixed[..], &["allow_caller_headers: true"]].concat();
    let mut m2m = m2m(&fetched);
    m2m.push("allow_caller_headers: true".to_owned());
    let m2m: Vec<&str> = m2m.iter().map(String::as_str).collect();
    let house = House::of(&[
        server("closed", &closed, &fixed),
        server("open", &open, &opened),
        server("fetched", &fetched, &m2m),
    ])
    .await;
    let alone = house.caller("caller").await;
    let mut caller = alone.clone();
    for name in ["closed", "open", "fetched"] {
        caller = caller.with(&format!("x-mcp-{name}-authorization"), "Bearer mine");
    }
    for (name, upstream, bearer, label) in [
        ("closed", &closed, "Bearer of-the-file", "static-token"),
        ("open", &open, "Bearer mine", "per-request-header"),
        ("fetched", &fetched, "Bearer mine", "per-request-header"),
    ] {
        let asking = caller.at(&format!("/mcp/{name}"));
        let answer = asking
            .with("x-litellm-mcp-debug", "true")
            .call("echo", "{}")
            .await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        assert_eq!(answer.headers["x-mcp-debug-auth-resolution"], label);
        assert_eq!(upstream.last("tools/call").all("authorization"), [bearer]);
    }
    alone.at("/mcp/fetched").call("echo", "{}").await;
    let own = fetched.last("tools/call");
    assert_eq!(own.all("authorization"), ["Bearer token-1"]);
    let events = house.request_events().await;
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|e| e["credential"].as_str())
        .collect();
    assert!(kinds.contains(&"per-request-header"), "{kinds:?}");
    house.end().await;
}

/// What opens our own door stays here, wherever in the request it stands and however it is wrapped.
#[tokio::test]
async fn no_key_of_ours_leaves_in_any_header() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let house = House::of(&[server(
            "a",
            &upstream,
            &[
                "extra_headers: [Authorization, X-Team, X-Key]",
                "auth: {cookie_passthrough: {cookie_names: [sid, other]}}",
            ],
        )])
        .await;
        let caller = house.caller("caller").await;
        let other = house.caller("other").await;
        let typo = mistyped(&other.key);
        for key in [&caller.key, &other.key, &typo] {
            let asking = caller
                .at("/mcp/a")
                .bringing(key)
                .with("x-team", &format!("a, {key}"))
                .with("x-key", &format!("{{\"key\":\"{key}\"}}"))
                .with("x-mcp-a-authorization", &format!("Bearer {key}"))
                .with("x-mcp-a-x-url", &format!("https://h.test/?k={key}"))
                .with("x-mcp-auth", key)
                .with("cookie", &format!("sid={key}; other=mine"))
                .with("x-litellm-mcp-debug", "true");
            let answer = echo(&asking, &upstream).await;
            assert!(answer.json()["result"].is_object(), "{answer:?}");
            let seen = upstream.last("tools/call");
            assert_eq!(seen.all("cookie"), ["other=mine"]);
            for name in ["authorization", "x-team", "x-key", "x-url"] {
                assert_eq!(seen.header(name), None, "{name}");
            }
            let told = answer.headers["x-mcp-debug-withheld"].to_str().unwrap();
            for name in ["authorization", "cookie", "x-key", "x-mcp-auth", "x-team"] {
                assert!(told.contains(&format!("{name}=own-credential")), "{told}");
            }
            let token = answer.headers["x-mcp-debug-oauth2-token"].to_str().unwrap();
            assert!(token.contains("SAME_AS_LITELLM_KEY"), "{token}");
        }
        holds_none_of(&upstream, &[&caller.key, &other.key, &typo]);
        house.end().await;
    }
}

/// A header without a name is for the one server that the request is about; many would each get the
/// credential of one.
#[tokio::test]
async fn the_header_without_a_name_reaches_no_aggregate() {
    let one = FakeUpstream::legacy().await;
    let other = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &one, &[]), server("b", &other, &[])]).await;
    let caller = house.caller("caller").await.with("x-mcp-auth", "for-one");
    caller.at("/mcp").call("a-echo", "{}").await;
    caller.at("/mcp").rpc("tools/list", "{}").await;
    caller.at("/mcp/a,b").call("a-echo", "{}").await;
    holds_none_of(&one, &["for-one"]);
    caller.at("/mcp/a").call("echo", "{}").await;
    let seen = one.last("tools/call");
    assert_eq!(seen.all("authorization"), ["Bearer for-one"]);
    let only = caller.at("/mcp").with("x-mcp-servers", "b");
    only.call("b-echo", "{}").await;
    let seen = other.last("tools/call");
    assert_eq!(seen.all("authorization"), ["Bearer for-one"]);
    house.end().await;
}

/// A guide's form of configuration.
#[tokio::test]
async fn a_form_of_the_file_is_filled_with_the_callers_token() {
    let upstream = FakeUpstream::legacy().await;
    judging(&upstream, &["mine"]);
    let house = House::of(&[format!(
        "  unused:\n    url: \"https://unused.test/mcp\"\nservers:\n{}",
        server(
            "my_mcp",
            &upstream,
            &[
                "auth_type: header",
                "headers:",
                "  x-mcp-{{alias}}-authorization: \"Bearer {{token}}\"",
            ],
        )
    )])
    .await;
    let caller = house.caller("caller").await.at("/mcp/my_mcp");
    for value in ["mine", "Bearer mine"] {
        for name in ["x-mcp-my_mcp-authorization", "x-mcp-my-mcp-authorization"] {
            let answer = caller.with(name, value).call("echo", "{}").await;
            assert!(answer.json()["result"].is_object(), "{answer:?}");
            let seen = upstream.last("tools/call");
            assert_eq!(seen.all("authorization"), ["Bearer mine"]);
            assert_eq!(seen.header("x-mcp-my_mcp-authorization"), None);
        }
    }
    let before = upstream.count("tools/call");
    assert!(caller.call("echo", "{}").await.json()["error"].is_object());
    assert_eq!(
        upstream.count("tools/call"),
        before,
        "absent, nothing is sent"
    );
    house.end().await;
}

/// Several people behind one key, each with a credential of their own: neither sessions nor lists
/// are shared.
#[tokio::test]
async fn what_different_credentials_reach_is_never_shared() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/list", |request: &Recorded| {
        let tool = match request.header("authorization") {
            Some("Bearer of-alice") => "for-alice",
            Some("Bearer of-bob") => "for-bob",
            _ => "for-anybody",
        };
        let tools =
            format!(r#"{{"tools":[{{"name":"{tool}","inputSchema":{{"type":"object"}}}}]}}"#);
        Reply::result(request, &tools)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let shared = house.caller("shared").await;
    let tools = ["for-alice", "for-bob", "for-anybody"];
    for (brought, own) in [
        (Some("Bearer of-alice"), "for-alice"),
        (None, "for-anybody"),
        (Some("Bearer of-bob"), "for-bob"),
        (Some("Bearer of-alice"), "for-alice"),
    ] {
        let caller = match brought {
            Some(value) => shared.with("x-mcp-a-authorization", value),
            None => shared.clone(),
        };
        for tool in tools {
            let answer = caller.call(&format!("a-{tool}"), "{}").await;
            assert_eq!(
                answer.json()["result"].is_object(),
                tool == own,
                "{tool} {answer:?}"
            );
        }
        for path in ["/mcp", "/mcp/a"] {
            let listed = caller.at(path).rpc("tools/list", "{}").await;
            assert!(listed.text.contains(own), "{listed:?}");
        }
    }
    let mut owner = std::collections::HashMap::new();
    for request in upstream.requests() {
        if let Some(session) = request.header("mcp-session-id") {
            let bearer = request.header("authorization").map(str::to_owned);
            let first = owner.entry(session.to_owned()).or_insert(bearer.clone());
            assert_eq!(*first, bearer, "a session is never shared");
        }
    }
    assert!(owner.len() >= 3, "{owner:?}");
    house.end().await;
}

/// A server that repeats what a caller brought gets no word through with it.
#[tokio::test]
async fn an_answer_that_repeats_what_was_handed_on_is_withheld() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |request: &Recorded| {
        let text = format!("{request:?}").replace(['"', '\\'], "");
        let result = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
        Reply::result(request, &result)
    });
    let house = House::of(&[server(
        "a",
        &upstream,
        &["auth: {cookie_passthrough: {cookie_names: [sid]}}"],
    )])
    .await;
    let caller = house.caller("caller").await.at("/mcp/a");
    for (name, value) in [
        ("x-mcp-a-authorization", "Bearer canary-of-the-caller"),
        ("cookie", "sid=canary-of-the-caller"),
    ] {
        let answer = caller.with(name, value).call("echo", "{}").await;
        assert!(!answer.text.contains("canary"), "{answer:?}");
        assert!(answer.json()["error"].is_object(), "{answer:?}");
        let seen = format!("{:?}", upstream.last("tools/call"));
        assert!(seen.contains("canary-of-the-caller"));
    }
    house.end().await;
}
