//! Servers of both eras side by side.

use portcullis_testkit::upstream::{Era, FakeUpstream, Reply};

use super::support::{House, server};

#[tokio::test]
async fn each_server_is_asked_in_its_own_era_and_no_list_has_a_hole() {
    let old = FakeUpstream::legacy().await;
    let new = FakeUpstream::modern().await;
    let both = FakeUpstream::start(Era::Both).await;
    old.tools(&[
        r#"{"name":"plain","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}"#,
        r#"{"name":"slow","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}"#,
    ]);
    old.pages_of(1);
    new.on("tools/list", |request| {
        Reply::result(
            request,
            r#"{"resultType":"complete","ttlMs":5000,"cacheScope":"public","tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#,
        )
    });
    let house = House::of(&[
        server("old", &old, &[]),
        server("new", &new, &[]),
        server("both", &both, &[]),
    ])
    .await;
    let alice = house.caller("alice").await.at("/mcp");
    let first = alice.ask("tools/list", "").await;
    let json = first.json();
    let result = &json["result"];
    let names: Vec<&str> = result["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["old-plain", "new-echo", "both-echo", "both-delete_user"]
    );
    assert_eq!(result["tools"][0].get("execution"), None);
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&0.into(), &"private".into())
    );
    let outcomes = &result["_meta"]["litellm.ai/server_outcomes"];
    for name in ["old", "new", "both"] {
        assert_eq!(outcomes[name]["status"], "ok", "{outcomes}");
    }
    let cursor = first.raw(&["result", "nextCursor"]);
    let second = alice
        .ask("tools/list", &format!(r#""cursor":{cursor}"#))
        .await;
    // What only answers with tasks is not for this client.
    assert_eq!(second.raw(&["result", "tools"]), "[]");

    for (tool, upstream) in [
        ("old-plain", &old),
        ("new-echo", &new),
        ("both-echo", &both),
    ] {
        let before = upstream.count("tools/call");
        let answer = alice
            .ask("tools/call", &format!(r#""name":"{tool}""#))
            .await;
        answer.is_done();
        assert_eq!(upstream.count("tools/call"), before + 1);
    }
    // A server of both eras is asked in the client's.
    assert_eq!(both.count("initialize"), 0);
    house.end().await;
}

#[tokio::test]
async fn a_tool_that_answers_with_tasks_only_is_refused_with_the_reason() {
    let old = FakeUpstream::legacy().await;
    old.tools(&[
        r#"{"name":"plain","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}"#,
        r#"{"name":"slow","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}"#,
    ]);
    let house = House::of(&[server("old", &old, &[])]).await;
    let alice = house.caller("alice").await;
    for (path, slow, plain) in [
        ("/mcp", "old-slow", "old-plain"),
        ("/mcp/old", "slow", "plain"),
    ] {
        let alice = alice.at(path);
        let listed = alice.ask("tools/list", "").await;
        let tools = listed.raw(&["result", "tools"]);
        assert!(tools.contains(plain) && !tools.contains("slow"), "{tools}");
        let refused = alice
            .ask("tools/call", &format!(r#""name":"{slow}""#))
            .await;
        assert_eq!(refused.raw(&["error", "code"]), "-32602");
        assert!(refused.text.contains("taskSupport"), "{refused:?}");
        alice
            .ask("tools/call", &format!(r#""name":"{plain}""#))
            .await
            .is_done();
    }
    assert_eq!(old.count("tools/call"), 2);
    house.end().await;
}
