//! What a stateless client asks of a server of sessions, and what it is answered.

use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event};

use super::support::{ASKS, House, raw, server};

#[tokio::test]
async fn a_server_of_sessions_is_discovered_listed_and_called() {
    let upstream = FakeUpstream::legacy().await;
    upstream.prompts(&[r#"{"name":"greet"}"#]);
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;

    let discovered = alice.ask("server/discover", "").await.json();
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(result["instructions"], "be kind");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&0.into(), &"private".into())
    );

    for (method, members) in [
        ("tools/list", ""),
        ("tools/call", r#""name":"echo","arguments":{"n":1e400}"#),
        ("prompts/list", ""),
        ("prompts/get", r#""name":"greet""#),
        ("resources/list", ""),
        ("resources/templates/list", ""),
        ("resources/read", r#""uri":"test://x""#),
        (
            "completion/complete",
            r#""ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"a","value":""}"#,
        ),
    ] {
        let answer = alice.ask(method, members).await;
        assert_eq!(answer.status, 200, "{method}");
        answer.is_done();
        let info = answer.raw(&["result", "_meta", "io.modelcontextprotocol/serverInfo"]);
        assert_eq!(info, r#"{"name":"fake","version":"1"}"#, "{method}");
        let caching = raw(&answer.text, &["result", "ttlMs"]).is_some();
        let cached = method.ends_with("/list") || method == "resources/read";
        assert_eq!(caching, cached, "{method}");
        let seen = upstream.last(method);
        assert_eq!(seen.header("mcp-protocol-version"), Some("2025-11-25"));
        assert_eq!(seen.header("traceparent"), Some("00-1-2-01"));
        for modern in ["mcp-method", "mcp-name"] {
            assert_eq!(seen.header(modern), None, "{method}");
        }
        assert!(!seen.body.contains("io.modelcontextprotocol"), "{method}");
    }
    let call = upstream.last("tools/call");
    assert_eq!(
        call.raw(&["params"]).unwrap(),
        r#"{"name":"echo","arguments":{"n":1e400}}"#
    );
    // One session for all of it, opened with what the requests declared.
    let told: Vec<String> = upstream
        .seen("initialize")
        .iter()
        .map(|one| one.raw(&["params", "capabilities"]).unwrap())
        .collect();
    let able = r#"{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}}"#;
    assert_eq!(
        told.iter().filter(|one| *one == able).count(),
        1,
        "{told:?}"
    );
    let bob = house.caller("bob").await;
    bob.call("").await.is_done();
    assert_eq!(upstream.count("initialize"), told.len() + 1);

    let events = house.end().await;
    assert!(events.iter().all(|event| event["outcome"] == "ok"));
}

#[tokio::test]
async fn what_its_revision_does_not_have_does_not_exist_for_a_client() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let tasks = alice.able(r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#);
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "tasks/list",
    ] {
        let answer = tasks.ask(method, "").await;
        assert_eq!((answer.status, answer.code()), (404, -32601), "{method}");
    }
    upstream.on("prompts/list", |request| {
        Reply::error(request, 200, r#"{"code":-32601,"message":"none"}"#)
    });
    let answer = alice.ask("prompts/list", "").await;
    assert_eq!((answer.status, answer.code()), (404, -32601));
    // Many servers stream whatever they answer: an error has its status all the same.
    upstream.on("tools/call", |request| {
        let error =
            r#"{"code":-32021,"message":"no","data":{"requiredCapabilities":{"vendor":{}}}}"#;
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#,
            request.id()
        );
        Reply::events(vec![
            Step::Bytes("id: 1\ndata: \n\n".to_owned()),
            Step::Bytes(event(&text)),
        ])
    });
    let answer = alice.call("").await;
    assert_eq!((answer.status, answer.code()), (400, -32021));
    upstream.on("resources/read", |request| {
        Reply::error(request, 200, r#"{"code":-32002,"message":"gone"}"#)
    });
    let answer = alice.ask("resources/read", r#""uri":"test://x""#).await;
    assert_eq!((answer.status, answer.code()), (200, -32602));
    assert_eq!(answer.raw(&["error", "data"]), r#"{"uri":"test://x"}"#);
    house.end().await;
}

#[tokio::test]
async fn progress_comes_under_the_clients_token_and_logs_only_as_it_wants_them() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |request| {
        let token = request.raw(&["params", "_meta", "progressToken"]);
        let mut steps = Vec::new();
        for level in ["debug", "warning"] {
            steps.push(Step::Bytes(event(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":"{level}"}}}}"#
            ))));
        }
        if let Some(token) = token {
            steps.push(Step::Bytes(event(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
            ))));
        }
        steps.push(Step::Bytes(event(
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        )));
        steps.push(Reply::result_event(request, r#"{"content":[]}"#));
        Reply::events(steps)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let heard = async |meta: &str| {
        let mut opened = alice.open(7, "tools/call", r#""name":"echo""#, meta).await;
        let mut heard = Vec::new();
        // What is answered at once is answered whole.
        while let Some(data) = opened.message().await {
            let method = raw(&data, &["method"]).unwrap_or_else(|| "\"answer\"".to_owned());
            let level = raw(&data, &["params", "level"]).unwrap_or_default();
            heard.push(format!("{method}{level}").replace('"', ""));
            if method.contains("progress") {
                let token = raw(&data, &["params", "progressToken"]).unwrap();
                assert_eq!(token, r#""mine""#);
            }
        }
        heard
    };
    assert_eq!(heard("").await, ["answer"]);
    assert_eq!(upstream.count("logging/setLevel"), 0);
    let level = |level: &str| format!(r#""io.modelcontextprotocol/logLevel":"{level}""#);
    assert_eq!(
        heard(&format!(r#"{},"progressToken":"mine""#, level("info"))).await,
        [
            "notifications/messagewarning",
            "notifications/progress",
            "answer"
        ]
    );
    assert_eq!(
        heard(&level("debug")).await,
        [
            "notifications/messagedebug",
            "notifications/messagewarning",
            "answer"
        ]
    );
    assert_eq!(heard(&level("error")).await, ["answer"]);
    let levels: Vec<String> = upstream
        .seen("logging/setLevel")
        .iter()
        .map(|one| one.text(&["params", "level"]).unwrap())
        .collect();
    assert_eq!(
        levels,
        ["info", "debug"],
        "the lowest wins and is said once"
    );
    let loud = alice
        .open(1, "tools/call", r#""name":"echo""#, &level("loud"))
        .await
        .whole()
        .await;
    assert_eq!((loud.status, loud.code()), (200, -32602));
    house.end().await;
}
