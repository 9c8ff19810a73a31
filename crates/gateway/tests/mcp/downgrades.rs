//! What is closed is closed in every revision, by every door, however it is spelt.

use http::Method;
use portcullis_testkit::upstream::{FakeUpstream, member};
use serde_json::Value;

use super::support::{House, MODERN, call_params, legacy, modern_body, server};

const VERSIONS: &[Option<&str>] = &[
    None,
    Some("2024-11-05"),
    Some("2025-03-26"),
    Some("2025-06-18"),
    Some("2025-11-25"),
    Some(MODERN),
    Some("2026-07-29"),
    Some("9999-01-01"),
    Some("garbage"),
    Some(""),
    Some("2025-11-25, 2024-11-05"),
];

/// Whether some message of this answer is a result that is not an error of the tool's.
fn is_served(text: &str) -> bool {
    let messages = text
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let served = |one: &Value| {
        one["result"].is_object() && one["result"]["isError"] != true || one["content"].is_array()
    };
    messages
        .flat_map(|message| match message {
            Value::Array(batch) => batch,
            one => vec![one],
        })
        .any(|one| served(&one))
}

/// MCP-06.
#[tokio::test]
async fn no_revision_and_no_door_opens_a_tool_that_is_closed() {
    for modern in [false, true] {
        let upstream = if modern {
            FakeUpstream::modern().await
        } else {
            FakeUpstream::legacy().await
        };
        let house =
            House::of(&[server("a", &upstream, &["disallowed_tools: [delete_user]"])]).await;
        let alice = house.caller("alice").await;
        let control = alice.at("/mcp/a").call("echo", "{}").await;
        assert!(is_served(&control.text), "{control:?}");
        let calls = upstream.count("tools/call");
        for (path, tool) in [
            ("/mcp/a", "delete_user"),
            ("/a/mcp", "delete_user"),
            ("/mcp", "a-delete_user"),
            ("/mcp", "delete_user"),
        ] {
            let client = alice.at(path);
            let params = call_params(tool, "{}");
            let members = format!(r#""name":"{tool}","arguments":{{}}"#);
            let old = legacy("tools/call", &params);
            for version in VERSIONS {
                let said = version.unwrap_or(MODERN);
                let new = modern_body("tools/call", &members, "{}").replace(MODERN, said);
                for body in [&old, &format!("[{old}]"), &new, &format!("[{new}]")] {
                    for names in [
                        &[][..],
                        &[("mcp-method", "tools/call"), ("mcp-name", tool)],
                        &[("mcp-method", "tools/call"), ("mcp-name", "echo")],
                        &[("mcp-method", "tools/list")],
                    ] {
                        let mut headers = names.to_vec();
                        headers.extend(version.map(|it| ("mcp-protocol-version", it)));
                        let answer = client.request(Method::POST, body, &headers).await;
                        let answer = answer.whole().await;
                        assert!(
                            !is_served(&answer.text),
                            "{path} {headers:?} {body}: {answer:?}"
                        );
                    }
                }
            }
        }
        // A session of each revision, and REST.
        for version in VERSIONS.iter().flatten() {
            let client = alice.at("/mcp/a");
            let hello = format!(
                r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"t","version":"1"}}}}}}"#
            );
            let opened = client.post(&hello).await;
            let Some(session) = opened.headers.get("mcp-session-id") else {
                continue;
            };
            let agreed = member(&opened.text, &["result", "protocolVersion"]).unwrap_or_default();
            let agreed = agreed.trim_matches('"');
            let headers = [
                ("mcp-session-id", session.to_str().unwrap()),
                ("mcp-protocol-version", agreed),
            ];
            let body = legacy("tools/call", &call_params("delete_user", "{}"));
            let answer = client.request(Method::POST, &body, &headers).await;
            let answer = answer.whole().await;
            assert!(!is_served(&answer.text), "{version}: {answer:?}");
        }
        let rest = alice.at("/mcp-rest/tools/call");
        for body in [
            r#"{"server_id":"a","name":"delete_user","arguments":{}}"#,
            r#"{"name":"delete_user","arguments":{}}"#,
            r#"{"name":"a-delete_user","arguments":{}}"#,
        ] {
            let answer = rest.post(body).await;
            assert!(answer.status >= 400, "{body}: {answer:?}");
        }
        assert_eq!(
            upstream.count("tools/call"),
            calls,
            "nothing left the house"
        );
        let still = alice.at("/mcp/a").call("echo", "{}").await;
        assert!(is_served(&still.text), "{still:?}");
        house.end().await;
    }
}

/// MCP-08: a name is what it says, not how it is written.
#[tokio::test]
async fn escapes_change_neither_what_is_open_nor_what_is_closed() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &["disallowed_tools: [delete_user]"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let spelt = |method: &str, member: &str, name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"{method}","params":{{"{member}":"{name}","arguments":{{}}}}}}"#
        )
    };
    let plain = r#"method":"tools/call"#;
    for name in ["echo", r"\u0065cho", r"ech\u006F"] {
        let answer = alice.post(&spelt(plain, "name", name)).await;
        assert!(is_served(&answer.text), "{name}: {answer:?}");
    }
    assert_eq!(upstream.count("tools/call"), 3);
    // What is spelt like this may be refused; it is never taken for something else.
    for method in [
        plain,
        r#"method":"tools\/call"#,
        r#"method":"\u0074ools\u002fcall"#,
        r#"\u006dethod":"tools/call"#,
    ] {
        for member in ["name", r"\u006eame"] {
            let calls = upstream.count("tools/call");
            let answer = alice.post(&spelt(method, member, r"\u0065cho")).await;
            let served = usize::from(is_served(&answer.text));
            assert_eq!(upstream.count("tools/call"), calls + served, "{answer:?}");
            for name in ["delete_user", r"\u0064elete_user", r"delete\u005Fuser"] {
                let answer = alice.post(&spelt(method, member, name)).await;
                assert!(
                    !is_served(&answer.text),
                    "{method} {member} {name}: {answer:?}"
                );
            }
            assert_eq!(upstream.count("tools/call"), calls + served);
        }
    }
    house.end().await;
}

/// The class of faults where a filter holds for calls and not for lists, or the other way round.
#[tokio::test]
async fn what_is_listed_is_what_can_be_called_by_every_door() {
    for filter in [
        &[][..],
        &["allowed_tools: [echo]"],
        &["allowed_tools: [delete_user]"],
        &["disallowed_tools: [echo]"],
        &["disallowed_tools: [echo, delete_user]"],
        &["allowed_tools: [echo]", "disallowed_tools: [echo]"],
    ] {
        let upstream = FakeUpstream::legacy().await;
        let house = House::of(&[server("a", &upstream, filter)]).await;
        let mut alice = house.caller("alice").await.at("/mcp/a");
        let stateless = alice.clone();
        alice.initialize("{}").await;
        let own = alice.rpc("tools/list", "{}").await.names();
        let marked: Vec<String> = own.iter().map(|name| format!("a-{name}")).collect();
        let aggregate = stateless.at("/mcp");
        assert_eq!(aggregate.rpc("tools/list", "{}").await.names(), marked);
        assert_eq!(stateless.modern("tools/list", "").await.names(), own);
        assert_eq!(aggregate.modern("tools/list", "").await.names(), marked);
        let by_rest = stateless.at("/mcp-rest/tools/list");
        assert_eq!(
            by_rest.get(&[]).await.whole().await.names(),
            own,
            "{filter:?}"
        );
        for tool in ["echo", "delete_user"] {
            let listed = own.iter().any(|name| name == tool);
            let body = format!(r#"{{"server_id":"a","name":"{tool}","arguments":{{}}}}"#);
            let whole = format!("a-{tool}");
            let answers = [
                alice.call(tool, "{}").await,
                aggregate.call(&whole, "{}").await,
                stateless.modern_call(tool, "{}").await,
                aggregate.modern_call(&whole, "{}").await,
                stateless.at("/mcp-rest/tools/call").post(&body).await,
            ];
            for answer in answers {
                assert_eq!(
                    is_served(&answer.text),
                    listed,
                    "{filter:?} {tool}: {answer:?}"
                );
            }
        }
        house.end().await;
    }
}
