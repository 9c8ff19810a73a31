//! Servers that fail, lie or leak.

use portcullis_testkit::Nobody;
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply, Step, event};

use super::support::{Answer, House, call_params, legacy, server};

const CREDENTIAL: &str = "Bearer-canary-7f3a9c";

fn with_credential() -> [&'static str; 2] {
    [
        "auth_type: bearer_token",
        "auth_value: \"Bearer-canary-7f3a9c\"",
    ]
}

fn is_generic(answer: &Answer) {
    assert_eq!(answer.code(), -32603, "{answer:?}");
    assert!(
        answer.json()["error"]["data"]["request_id"].is_string(),
        "{answer:?}"
    );
    for secret in [CREDENTIAL, "stack trace", "canary"] {
        assert!(!answer.text.contains(secret), "{answer:?}");
    }
}

type Script = fn(&Recorded) -> Reply;

#[tokio::test]
async fn an_answer_that_is_none_is_a_plain_failure_and_the_tool_is_not_called_again() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    alice.call("echo", "{}").await;
    let faults: &[(&str, Script)] = &[
        ("html", |_| {
            Reply::whole(200, "text/html", "<html>stack trace</html>")
        }),
        ("accepted", |_| Reply::status(202)),
        ("empty", |_| Reply::status(200)),
        ("500", |_| Reply::whole(500, "text/plain", "stack trace")),
        ("503", |_| Reply::json(503, r#"{"error":"stack trace"}"#)),
        ("403", |_| Reply::status(403)),
        ("429", |_| Reply::status(429)),
        ("not JSON", |_| Reply::json(200, "{")),
        ("not RPC", |_| Reply::json(200, r#"{"a":1}"#)),
        ("a batch", |request| {
            Reply::json(
                200,
                format!(
                    r#"[{{"jsonrpc":"2.0","id":{},"result":{{}}}}]"#,
                    request.id()
                ),
            )
        }),
        ("wrong id", |_| {
            Reply::json(200, r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#)
        }),
        ("id as text", |request| {
            Reply::json(
                200,
                format!(
                    r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#,
                    request.id()
                ),
            )
        }),
        ("null id", |_| {
            Reply::json(
                400,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"stack trace"}}"#,
            )
        }),
        ("both", |request| {
            Reply::json(
                200,
                format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{}},"error":{{"code":1,"message":"x"}}}}"#,
                    request.id()
                ),
            )
        }),
        ("twice a member", |request| {
            Reply::json(
                200,
                format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{}},"result":{{}}}}"#,
                    request.id()
                ),
            )
        }),
        ("a question", |_| {
            Reply::json(
                200,
                r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#,
            )
        }),
        ("closed", |_| Reply::Close),
        ("cut JSON", |_| Reply::Steps {
            content_type: "application/json",
            steps: vec![Step::Bytes(r#"{"jsonrpc":"2.0","#.to_owned()), Step::Reset],
        }),
        ("cut stream", |_| {
            Reply::events(vec![
                Step::Bytes("data: {\"jsonrpc\"".to_owned()),
                Step::Reset,
            ])
        }),
        ("ended stream", |_| {
            Reply::events(vec![Step::Bytes(event(
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
            ))])
        }),
        ("stray stream", |_| {
            Reply::events(vec![Step::Bytes(event(
                r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#,
            ))])
        }),
        ("too large", |_| {
            Reply::json(200, " ".repeat(17 * 1024 * 1024))
        }),
        ("redirect", |_| Reply::redirect(307, "http://127.0.0.1:1/")),
    ];
    for (what, fault) in faults {
        upstream.once("tools/call", fault);
        let before = upstream.count("tools/call");
        let answer = alice.call("echo", "{}").await;
        assert_eq!(answer.status, 200, "{what}");
        is_generic(&answer);
        assert_eq!(upstream.count("tools/call"), before + 1, "{what}");
    }
    assert!(alice.call("echo", "{}").await.json()["result"].is_object());
    let failed = house
        .request_events()
        .await
        .iter()
        .filter(|one| one["outcome"] == "ok")
        .count();
    assert_eq!(failed, 3, "every fault is on record as one");
    house.end().await;
}

#[tokio::test]
async fn a_request_that_hangs_ends_in_time_and_hinders_nobody() {
    let upstream = FakeUpstream::legacy().await;
    let healthy = FakeUpstream::legacy().await;
    let house = House::of(&[
        server("a", &upstream, &["timeout: 1s"]),
        server("b", &healthy, &[]),
    ])
    .await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    upstream.on("tools/call", |_| Reply::Hang);
    let hanging: Vec<_> = (0..50)
        .map(|_| {
            let alice = alice.clone();
            async move { alice.call("echo", "{}").await }
        })
        .collect();
    let beside = async {
        upstream.arrived("tools/call", 50).await;
        alice.at("/mcp/b").call("echo", "{}").await
    };
    let (hung, beside) = tokio::join!(futures_util::future::join_all(hanging), beside);
    assert!(beside.json()["result"].is_object());
    for answer in &hung {
        is_generic(answer);
        assert_eq!(answer.json()["error"]["data"]["kind"], "timeout");
    }
    assert_eq!(upstream.count("tools/call"), 50);
    house.end().await;
}

#[tokio::test]
async fn all_who_wait_for_a_server_that_hangs_at_hello_give_up_together() {
    let upstream = FakeUpstream::legacy().await;
    for kind in ["initialize", "server/discover", "tools/list"] {
        upstream.on(kind, |_| Reply::Hang);
    }
    let house = House::of(&[server("a", &upstream, &["timeout: 1s"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let calls = (0..40).map(|_| {
        let alice = alice.clone();
        async move { alice.call("echo", "{}").await }
    });
    for answer in futures_util::future::join_all(calls).await {
        is_generic(&answer);
    }
    // One after another they would say hello forty times; a straggler may find the first given up.
    let hellos = upstream.requests().len();
    assert!((1..=4).contains(&hellos), "{hellos}");
    house.end().await;
}

#[tokio::test]
async fn nobody_is_there() {
    let nobody = Nobody::there();
    let entry = format!("  a:\n    url: \"{}\"\n", nobody.url());
    let house = House::of(&[entry]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    for answer in [
        alice.initialize("{}").await,
        alice.call("echo", "{}").await,
        alice.rpc("tools/list", "{}").await,
    ] {
        is_generic(&answer);
        assert_eq!(
            answer.json()["error"]["data"]["kind"],
            "upstream_unreachable"
        );
    }
    house.end().await;
}

#[tokio::test]
async fn our_credential_does_not_come_back_whatever_repeats_it() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &with_credential())]).await;
    let mut alice = house.caller("alice").await;
    alice.path = "/mcp/a".to_owned();
    alice.initialize("{}").await;
    let echo = |request: &Recorded| request.header("authorization").unwrap().to_owned();
    upstream.once("tools/call", move |request| {
        Reply::error(
            request,
            200,
            &format!(
                r#"{{"code":-32000,"message":"bad header {}"}}"#,
                echo(request)
            ),
        )
        .header("set-cookie", "session=upstream")
        .header("www-authenticate", &echo(request))
        .header("x-leak", &echo(request))
    });
    upstream.once("tools/call", move |request| {
        Reply::error(
            request,
            400,
            &format!(r#"{{"code":1,"message":"{}"}}"#, echo(request)),
        )
    });
    upstream.once("tools/call", move |request| {
        Reply::whole(500, "text/plain", echo(request))
    });
    upstream.once("tools/call", move |request| {
        Reply::whole(401, "text/plain", echo(request))
    });
    upstream.once("tools/call", move |request| {
        Reply::result(
            request,
            &format!(
                r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#,
                echo(request)
            ),
        )
    });
    upstream.once("tools/call", move |request| {
        let leak = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{}"}}}}"#,
            echo(request)
        );
        Reply::events(vec![
            Step::Bytes(event(&leak)),
            Reply::result_event(request, &format!(r#"{{"content":["{}"]}}"#, echo(request))),
        ])
    });
    for _ in 0..6 {
        let mut opened = alice
            .open(&legacy("tools/call", &call_params("echo", "{}")))
            .await;
        for (_, value) in &opened.headers {
            assert!(!value.to_str().unwrap().contains(CREDENTIAL));
        }
        assert!(opened.headers.get("set-cookie").is_none());
        if opened.is_stream() {
            let mut last = String::new();
            while let Some(event) = opened.event().await {
                assert!(!event.data.contains(CREDENTIAL), "{}", event.data);
                last = event.data;
            }
            assert!(last.contains("-32603"), "{last}");
        } else {
            is_generic(&opened.whole().await);
        }
    }
    // In lists and over REST likewise.
    upstream.on("tools/list", move |request| {
        Reply::result(
            request,
            &format!(
                r#"{{"tools":[{{"name":"echo","description":"{}"}}]}}"#,
                echo(request)
            ),
        )
    });
    let before = upstream.count("tools/list");
    is_generic(&alice.rpc("tools/list", "{}").await);
    is_generic(&alice.at("/mcp").rpc("tools/list", "{}").await);
    assert_eq!(upstream.count("tools/list"), before + 2);
    upstream.on("tools/call", move |request| {
        Reply::result(request, &format!(r#"{{"content":["{}"]}}"#, echo(request)))
    });
    let rest = alice
        .at("/mcp-rest/tools/call")
        .post(r#"{"server_id":"a","name":"echo"}"#)
        .await;
    assert_eq!(rest.status, 502);
    assert!(!rest.text.contains(CREDENTIAL));
    let events = serde_json::to_string(&house.events().await).unwrap();
    assert!(!events.contains(CREDENTIAL) && !events.contains(&alice.key));
    house.end().await;
}

#[tokio::test]
async fn a_redirect_takes_no_credential_anywhere() {
    let sink = FakeUpstream::legacy().await;
    for status in [301, 302, 303, 307, 308] {
        for kind in [
            "tools/call",
            "initialize",
            "server/discover",
            "GET",
            "tools/list",
        ] {
            let upstream = FakeUpstream::legacy().await;
            let target = sink.url();
            upstream.on(kind, move |_| Reply::redirect(status, &target));
            let house = House::of(&[server("a", &upstream, &with_credential())]).await;
            let mut alice = house.caller("alice").await.at("/mcp/a");
            alice.initialize("{}").await;
            let stream = alice.get(&[]).await;
            let called = alice.call("echo", "{}").await;
            let listed = alice.rpc("tools/list", "{}").await;
            upstream.arrived(kind, 1).await;
            match kind {
                "tools/call" => is_generic(&called),
                "tools/list" => is_generic(&listed),
                _ => {}
            }
            let asked = upstream.last(kind);
            assert_eq!(
                asked.header("authorization"),
                Some("Bearer Bearer-canary-7f3a9c")
            );
            drop(stream);
            house.end().await;
        }
    }
    assert!(sink.requests().is_empty(), "{:?}", sink.requests());
}

#[tokio::test]
async fn schemas_are_carried_and_never_followed() {
    let sink = FakeUpstream::legacy().await;
    let upstream = FakeUpstream::modern().await;
    let nested = format!("{}1{}", "{\"not\":".repeat(40), "}".repeat(40));
    let bomb = format!(
        r##"{{"name":"bomb","inputSchema":{{"$ref":"{}","properties":{{"a":{{"$ref":"#"}},"b":{{"$ref":"file:///etc/passwd"}},"c":{nested}}}}}}}"##,
        sink.url()
    );
    let tool = bomb.clone();
    upstream.tools(&[&tool]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let listed = alice.modern("tools/list", "").await;
    assert!(listed.text.contains(&bomb), "{listed:?}");
    assert!(alice.modern_call("bomb", r#"{"a":1}"#).await.json()["result"].is_object());
    assert!(sink.requests().is_empty());
    house.end().await;
}

#[tokio::test]
async fn a_list_in_which_a_tool_is_deeper_than_reason_spoils_no_other_servers() {
    let upstream = FakeUpstream::legacy().await;
    let deep = format!(
        r#"{{"name":"deep","inputSchema":{}1{}}}"#,
        "{\"not\":".repeat(20_000),
        "}".repeat(20_000)
    );
    upstream.tools(&[&deep, r#"{"name":"echo","inputSchema":{}}"#]);
    let healthy = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[]), server("b", &healthy, &[])]).await;
    let alice = house.caller("alice").await;
    let listed = alice.rpc("tools/list", "{}").await;
    assert_eq!(listed.names(), ["b-echo", "b-delete_user"]);
    assert!(alice.call("b-echo", "{}").await.json()["result"].is_object());
    is_generic(&alice.call("a-echo", "{}").await);
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}
