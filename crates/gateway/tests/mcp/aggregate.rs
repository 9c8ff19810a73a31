//! Many servers behind one endpoint.

use std::collections::BTreeSet;

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::support::{Answer, Client, House, server};

type Script = fn(&Recorded) -> Reply;

async fn three() -> [FakeUpstream; 3] {
    [
        FakeUpstream::legacy().await,
        FakeUpstream::legacy().await,
        FakeUpstream::legacy().await,
    ]
}

fn outcome(answer: &Answer, server: &str) -> String {
    answer.json()["result"]["_meta"]["litellm.ai/server_outcomes"][server]["status"]
        .as_str()
        .unwrap_or("absent")
        .to_owned()
}

#[tokio::test]
async fn tools_are_listed_in_the_operators_order_under_their_servers_alias() {
    let [a, b, c] = three().await;
    let house = House::of(&[
        server("zeta", &a, &[]),
        server("alpha", &b, &["alias: mid"]),
        server("beta", &c, &["disallowed_tools: [echo]"]),
    ])
    .await;
    let alice = house.caller("alice").await;
    for _ in 0..5 {
        let listed = alice.rpc("tools/list", "{}").await;
        assert_eq!(
            listed.names(),
            [
                "zeta-echo",
                "zeta-delete_user",
                "mid-echo",
                "mid-delete_user",
                "beta-delete_user"
            ]
        );
    }
    assert!(alice.call("mid-echo", "{}").await.json()["result"].is_object());
    assert_eq!(
        (
            a.count("tools/call"),
            b.count("tools/call"),
            c.count("tools/call")
        ),
        (0, 1, 0)
    );
    for unknown in [
        "alpha-echo",
        "beta-echo",
        "echo",
        "-echo",
        "zeta-",
        "zeta",
        "zeta-echo-",
        "Zeta-echo",
    ] {
        assert_eq!(alice.call(unknown, "{}").await.code(), -32602, "{unknown}");
    }
    house.end().await;
}

#[tokio::test]
async fn of_two_servers_that_could_own_a_name_the_first_does() {
    let good = FakeUpstream::legacy().await;
    let evil = FakeUpstream::legacy().await;
    good.tool_names(&["pay-all", "other"]);
    evil.tool_names(&["all", "mine"]);
    let house = House::of(&[
        server("bank", &good, &[]),
        server("bankpay", &evil, &["alias: bank-pay"]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let listed = alice.rpc("tools/list", "{}").await;
    let names = listed.names();
    assert_eq!(names[..2], ["bank-pay-all", "bank-other"]);
    assert!(names[2].starts_with("bank-pay-all_"), "{names:?}");
    assert_eq!(names[3..], ["bank-pay-mine"]);
    for _ in 0..3 {
        alice.call("bank-pay-all", "{}").await;
    }
    assert_eq!((good.count("tools/call"), evil.count("tools/call")), (3, 0));
    alice.call("bank-pay-mine", "{}").await;
    assert_eq!(evil.count("tools/call"), 1);
    house.end().await;
}

async fn walk(alice: &Client, size: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut cursor = None;
    let mut pages = 0;
    loop {
        let params = cursor.map_or_else(
            || "{}".to_owned(),
            |cursor| format!(r#"{{"cursor":{cursor}}}"#),
        );
        let page = alice.rpc("tools/list", &params).await;
        let here = page.names();
        assert!(here.len() <= size * 3, "{here:?}");
        names.extend(here);
        pages += 1;
        match super::support::raw(&page.text, &["result", "nextCursor"]) {
            Some(next) => cursor = Some(next),
            None => return (names, pages),
        }
    }
}

#[tokio::test]
async fn pages_of_many_servers_are_walked_to_the_end_and_only_by_their_owner() {
    let [a, b, c] = three().await;
    let names = |count: usize| {
        (0..count)
            .map(|number| format!("t{number}"))
            .collect::<Vec<_>>()
    };
    for (upstream, count) in [(&a, 7), (&b, 1), (&c, 4)] {
        let names = names(count);
        upstream.tool_names(&names.iter().map(String::as_str).collect::<Vec<_>>());
        upstream.pages_of(2);
    }
    let house = House::of(&[
        server("a", &a, &[]),
        server("b", &b, &[]),
        server("c", &c, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let (listed, pages) = walk(&alice, 2).await;
    assert_eq!(pages, 4);
    assert_eq!(listed.len(), 12);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), 12);

    let cursor = alice
        .rpc("tools/list", "{}")
        .await
        .raw(&["result", "nextCursor"]);
    let params = format!(r#"{{"cursor":{cursor}}}"#);
    let bob = house.caller("bob").await;
    let before = a.count("tools/list");
    for (who, method, params) in [
        (&bob, "tools/list", params.as_str()),
        (&alice, "prompts/list", &params),
        (&alice.with("x-mcp-servers", "a"), "tools/list", &params),
        (&alice, "tools/list", r#"{"cursor":"at-2"}"#),
        (&alice, "tools/list", r#"{"cursor":""}"#),
        (&alice, "tools/list", r#"{"cursor":7}"#),
    ] {
        assert_eq!(
            who.rpc(method, params).await.code(),
            -32602,
            "{method} {params}"
        );
    }
    assert_eq!(a.count("tools/list"), before);
    // The last pages resolve too.
    assert!(alice.call("a-t6", "{}").await.json()["result"].is_object());
    house.end().await;
}

#[tokio::test]
async fn one_bad_server_never_spoils_the_others() {
    let [good, bad, dead] = three().await;
    let gone = server("gone", &dead, &[]);
    drop(dead);
    let house = House::of(&[
        server("bad", &bad, &["timeout: 1s"]),
        gone,
        server("good", &good, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let faults: &[(&str, Script)] = &[
        ("upstream_error", |_| {
            Reply::whole(200, "text/html", "<html>")
        }),
        ("upstream_error", |_| Reply::status(500)),
        ("auth_required", |_| Reply::status(401)),
        ("forbidden", |_| Reply::status(403)),
        ("rate_limited", |_| Reply::status(429)),
        ("unreachable", |_| Reply::Close),
        ("timeout", |_| Reply::Hang),
        ("upstream_error", |request| {
            Reply::error(request, 200, r#"{"code":-32000,"message":"no"}"#)
        }),
    ];
    for (word, fault) in faults {
        bad.on("tools/list", fault);
        let listed = alice.rpc("tools/list", "{}").await;
        assert_eq!(listed.names(), ["good-echo", "good-delete_user"], "{word}");
        assert_eq!(outcome(&listed, "bad"), *word);
        assert_eq!(outcome(&listed, "gone"), "unreachable");
        assert_eq!(outcome(&listed, "good"), "ok");
        assert!(alice.call("good-echo", "{}").await.json()["result"].is_object());
        let rest = alice
            .at("/mcp-rest/tools/list")
            .get(&[])
            .await
            .whole()
            .await;
        // What the bad one offered when it last answered may still be shown.
        assert!(
            rest.names()
                .ends_with(&["echo".to_owned(), "delete_user".to_owned()])
        );
        assert_eq!(rest.json()["error"], "partial_failure");
    }
    good.on("tools/list", |_| Reply::Close);
    bad.on("tools/list", |_| Reply::Close);
    let none = alice.rpc("tools/list", "{}").await;
    assert_eq!(none.code(), -32603, "an empty list would be a lie");
    assert_eq!(
        none.json()["error"]["data"]["server_outcomes"]["good"]["status"],
        "unreachable"
    );
    house.end().await;
}

#[tokio::test]
async fn a_resource_is_found_while_another_server_hangs() {
    let hanging = FakeUpstream::legacy().await;
    let good = FakeUpstream::legacy().await;
    for kind in ["resources/list", "resources/templates/list"] {
        hanging.on(kind, |_| Reply::Hang);
    }
    good.resources(&[r#"{"uri":"test://known","name":"known"}"#]);
    good.templates(&[r#"{"uriTemplate":"test://of/{id}","name":"template"}"#]);
    let house = House::of(&[
        server("slow", &hanging, &["timeout: 2s"]),
        server("good", &good, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    for uri in ["test://known", "test://of/7", "test://known"] {
        let read = alice
            .rpc("resources/read", &format!(r#"{{"uri":"{uri}"}}"#))
            .await;
        assert_eq!(read.json()["result"]["contents"][0]["uri"], uri, "{read:?}");
    }
    assert_eq!(hanging.count("resources/read"), 0);
    house.end().await;
}

#[tokio::test]
async fn two_people_see_what_each_may() {
    let [a, b, c] = three().await;
    let house = House::of(&[
        server("a", &a, &["access_groups: [blue]"]),
        server("b", &b, &["access_groups: [blue, red]"]),
        server("c", &c, &["allow_all_keys: true", "allowed_tools: [echo]"]),
    ])
    .await;
    let alice = house.limited("alice", &["a"], &[]).await;
    let bob = house.limited("bob", &[], &["red"]).await;
    let carol = house.limited("carol", &[], &[]).await;
    let list = async |client: &Client| client.rpc("tools/list", "{}").await.names();
    assert_eq!(list(&alice).await, ["a-echo", "a-delete_user", "c-echo"]);
    assert_eq!(list(&bob).await, ["b-echo", "b-delete_user", "c-echo"]);
    assert_eq!(list(&carol).await, ["c-echo"]);
    let hidden = alice.call("b-echo", "{}").await;
    let absent = alice.call("x-echo", "{}").await;
    assert_eq!(hidden.text.replace("b-", "x-"), absent.text);
    // Selectors narrow and never widen.
    for (header, value, names) in [
        ("x-mcp-servers", "b", vec!["b-echo", "b-delete_user"]),
        (
            "x-mcp-servers",
            "c , b",
            vec!["b-echo", "b-delete_user", "c-echo"],
        ),
        ("x-mcp-servers", "blue", vec!["b-echo", "b-delete_user"]),
        (
            "x-mcp-access-groups",
            "red",
            vec!["b-echo", "b-delete_user"],
        ),
        (
            "x-mcp-access-groups",
            "blue",
            vec!["b-echo", "b-delete_user"],
        ),
    ] {
        assert_eq!(
            list(&bob.with(header, value)).await,
            names,
            "{header}: {value}"
        );
    }
    assert_eq!(
        list(&bob.at("/mcp/b,c")).await,
        ["b-echo", "b-delete_user", "c-echo"]
    );
    assert_eq!(list(&bob.at("/mcp/red")).await, ["b-echo", "b-delete_user"]);
    assert_eq!(
        list(&bob.at("/blue/mcp")).await,
        ["b-echo", "b-delete_user"]
    );
    let narrowed = bob.with("x-mcp-servers", "c");
    assert_eq!(narrowed.call("b-echo", "{}").await.code(), -32602);
    let mut bodies = BTreeSet::new();
    for path in [
        "/mcp/a",
        "/a/mcp",
        "/mcp/nothing",
        "/mcp/a,b",
        "/mcp/b,nothing",
    ] {
        let refused = bob.at(path).rpc("tools/list", "{}").await;
        assert_eq!(refused.status, 404, "{path}");
        bodies.insert(refused.text);
    }
    assert_eq!(
        bodies.len(),
        1,
        "what is hidden answers like what is not there"
    );
    let many = vec!["b"; 33].join(",");
    for value in ["", "*", "a,../b", "a%2Cb", "b,", "gr\u{fc}n", many.as_str()] {
        let refused = bob
            .with("x-mcp-servers", value)
            .rpc("tools/list", "{}")
            .await;
        assert!([400, 404].contains(&refused.status), "{value}: {refused:?}");
    }
    assert!(a.seen("tools/call").is_empty());
    house.end().await;
}

#[tokio::test]
async fn prompts_and_completion_go_where_they_belong() {
    let [a, b, _] = three().await;
    a.prompts(&[r#"{"name":"greet","x":[]}"#]);
    b.prompts(&[r#"{"name":"greet"}"#]);
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let alice = house.caller("alice").await;
    let listed = alice.rpc("prompts/list", "{}").await;
    assert_eq!(listed.names(), ["a-greet", "b-greet"].map(str::to_owned));
    let got = alice.rpc("prompts/get", r#"{"name":"b-greet"}"#).await;
    assert_eq!(got.json()["result"]["description"], "greet");
    assert_eq!((a.count("prompts/get"), b.count("prompts/get")), (0, 1));
    let completed = alice
        .rpc(
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"a-greet"},"argument":{"name":"x","value":"y"}}"#,
        )
        .await;
    assert!(completed.json()["result"]["completion"].is_object());
    assert_eq!(
        a.last("completion/complete")
            .text(&["params", "ref", "name"])
            .unwrap(),
        "greet"
    );
    for name in ["greet", "a-nothing", "c-greet"] {
        assert_eq!(
            alice
                .rpc("prompts/get", &format!(r#"{{"name":"{name}"}}"#))
                .await
                .code(),
            -32602
        );
    }
    house.end().await;
}

#[tokio::test]
async fn a_tool_that_appears_is_found_and_one_that_goes_is_gone() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await;
    alice.initialize("{}").await;
    let live = upstream.live("GET");
    let mut listening = alice.get(&[]).await;
    alice.call("a-echo", "{}").await;
    live.opened(1).await;
    upstream.tool_names(&["fresh"]);
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    live.message(changed);
    assert_eq!(listening.data().await, changed);
    assert!(alice.call("a-fresh", "{}").await.json()["result"].is_object());
    assert_eq!(alice.call("a-echo", "{}").await.code(), -32602);
    drop(listening);
    house.end().await;
}

#[tokio::test]
async fn what_answers_with_tasks_only_is_for_nobody_whom_no_tasks_are_offered() {
    let upstream = FakeUpstream::legacy().await;
    upstream.tools(&[
        r#"{"name":"plain","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}"#,
        r#"{"name":"slow","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}"#,
    ]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let caller = house.caller("alice").await;
    for (path, plain, slow) in [("/mcp", "a-plain", "a-slow"), ("/mcp/a", "plain", "slow")] {
        let mut alice = caller.at(path);
        let hello = alice.initialize(r#"{"tasks":{}}"#).await;
        assert!(!hello.text.contains("\"tasks\""), "{hello:?}");
        assert_eq!(alice.rpc("tools/list", "{}").await.names(), [plain]);
        let refused = alice.call(slow, "{}").await;
        assert_eq!(refused.code(), -32602);
        assert!(refused.text.contains("taskSupport"), "{refused:?}");
        assert!(alice.call(plain, "{}").await.json()["result"].is_object());
    }
    let listed = caller
        .at("/mcp-rest/tools/list")
        .get(&[])
        .await
        .whole()
        .await;
    assert_eq!(listed.names(), ["plain"]);
    let refused = caller
        .at("/mcp-rest/tools/call")
        .post(r#"{"name":"a-slow"}"#)
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("taskSupport"), "{refused:?}");
    assert_eq!(upstream.count("tools/call"), 2);
    house.end().await;
}

#[tokio::test]
async fn a_page_may_be_kept_as_long_as_its_shortest_lived_share_and_by_its_reader_alone() {
    let [a, b] = [FakeUpstream::modern().await, FakeUpstream::modern().await];
    for (upstream, ttl) in [(&a, 9000), (&b, 4000)] {
        upstream.on("tools/list", move |request| {
            let tool = r#"{"name":"echo","inputSchema":{"type":"object"}}"#;
            Reply::result(
                request,
                &format!(r#"{{"resultType":"complete","tools":[{tool}],"ttlMs":{ttl},"cacheScope":"public"}}"#),
            )
        });
    }
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &["timeout: 2s"])]).await;
    let alice = house.caller("alice").await;
    let kept = async || {
        let listed = alice.modern("tools/list", "").await;
        ["ttlMs", "cacheScope"].map(|member| listed.raw(&["result", member]))
    };
    assert_eq!(kept().await, ["4000", r#""private""#]);
    b.on("tools/list", |_| Reply::status(500));
    assert_eq!(kept().await, ["0", r#""private""#], "a list with a hole");
    house.end().await;
}

#[tokio::test]
async fn instructions_are_those_of_every_server_in_view_under_its_alias() {
    let [a, b, c] = three().await;
    let house = House::of(&[
        server("a", &a, &["instructions: \"Ask first.\""]),
        server("b", &b, &["alias: bee", "instructions: \"Be brief.\""]),
        server("c", &c, &[]),
    ])
    .await;
    let mut alice = house.caller("alice").await;
    let stateless = alice.clone();
    let both = "# a\nAsk first.\n\n# bee\nBe brief.";
    let hello = alice.initialize("{}").await;
    assert_eq!(hello.json()["result"]["instructions"], both);
    let found = stateless.modern("server/discover", "").await;
    assert_eq!(found.json()["result"]["instructions"], both, "{found:?}");
    let mut bob = house.limited("bob", &["b", "c"], &[]).await;
    let hello = bob.initialize("{}").await;
    assert_eq!(hello.json()["result"]["instructions"], "# bee\nBe brief.");
    let mut carol = house.limited("carol", &["c"], &[]).await;
    let hello = carol.initialize("{}").await;
    assert!(hello.json()["result"].get("instructions").is_none());
    house.end().await;
}
