//! Resources of one URI on several servers: whose it is, and how the others' are reached.

use portcullis_testkit::upstream::{FakeUpstream, Reply, event};
use serde_json::{Value, json};

use super::support::{Client, House, raw, server};

const SHARED: &str = "test://shared";
const OTHER: &str = "portcullis://b/test://shared";

fn resource(uri: &str) -> String {
    json!({"uri": uri, "name": "r"}).to_string()
}

fn template(uri: &str) -> String {
    json!({"uriTemplate": uri, "name": "t"}).to_string()
}

async fn listed(client: &Client, method: &str) -> Vec<String> {
    let answer = client.rpc(method, "{}").await.json();
    let (list, key) = match method {
        "resources/list" => ("resources", "uri"),
        _ => ("resourceTemplates", "uriTemplate"),
    };
    let items = answer["result"][list].as_array().unwrap();
    let uris = items.iter().map(|item| item[key].as_str().unwrap());
    uris.map(str::to_owned).collect()
}

async fn ask(client: &Client, method: &str, uri: &str) -> Value {
    client
        .rpc(method, &json!({ "uri": uri }).to_string())
        .await
        .json()
}

fn asked(upstream: &FakeUpstream, method: &str) -> Vec<String> {
    let seen = upstream.seen(method).into_iter();
    seen.map(|one| one.text(&["params", "uri"]).unwrap())
        .collect()
}

#[tokio::test]
async fn of_two_servers_with_one_uri_the_first_keeps_it_and_the_second_is_reached() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::legacy().await;
    a.resources(&[&resource(SHARED), &resource("test://a")]);
    b.resources(&[&resource(SHARED), &resource("test://b")]);
    a.templates(&[&template("row://{id}"), &template("a://{id}")]);
    b.templates(&[&template("row://{id}"), &template("b://{id}")]);
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let alice = house.caller("alice").await;
    // From the first look on.
    assert_eq!(
        listed(&alice, "resources/list").await,
        [SHARED, "test://a", OTHER, "test://b"]
    );
    assert_eq!(
        listed(&alice, "resources/templates/list").await,
        [
            "row://{id}",
            "a://{id}",
            "portcullis://b/row://{id}",
            "b://{id}"
        ]
    );
    for (given, upstream, own) in [
        (SHARED, &a, SHARED),
        (OTHER, &b, SHARED),
        ("test://b", &b, "test://b"),
        ("row://7", &a, "row://7"),
        ("portcullis://b/row://7?x=1#y", &b, "row://7?x=1#y"),
        ("b://7", &b, "b://7"),
    ] {
        let read = ask(&alice, "resources/read", given).await;
        assert_eq!(read["result"]["contents"][0]["uri"], given, "{read}");
        assert_eq!(asked(upstream, "resources/read").pop().unwrap(), own);
        let modern = alice
            .modern("resources/read", &format!(r#""uri":"{given}""#))
            .await
            .json();
        assert_eq!(modern["result"]["contents"][0]["uri"], given, "{modern}");
        assert_eq!(asked(upstream, "resources/read").pop().unwrap(), own);
    }
    for uri in ["portcullis://c/test://shared", "portcullis://", "test://c"] {
        let read = ask(&alice, "resources/read", uri).await;
        assert_eq!(read["error"]["code"], -32602, "{uri}: {read}");
    }
    let completing = |uri: &str| {
        json!({"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": "id", "value": "7"}})
            .to_string()
    };
    let completed = alice
        .rpc(
            "completion/complete",
            &completing("portcullis://b/row://{id}"),
        )
        .await;
    assert!(completed.json()["result"].is_object(), "{completed:?}");
    let reference = b.last("completion/complete");
    assert_eq!(
        reference.text(&["params", "ref", "uri"]).unwrap(),
        "row://{id}"
    );
    assert_eq!(a.count("completion/complete"), 0);
    // An error is about the resource that the client knows.
    b.on("resources/read", |request| {
        Reply::error(
            request,
            200,
            r#"{"code":-32002,"message":"gone","data":{"uri":"test://shared"}}"#,
        )
    });
    let gone = ask(&alice, "resources/read", OTHER).await;
    assert_eq!(gone["error"]["data"]["uri"], OTHER, "{gone}");
    // On a server's own endpoint nothing is spelled differently.
    let named = alice.at("/mcp/b");
    assert_eq!(listed(&named, "resources/list").await, [SHARED, "test://b"]);
    house.end().await;
}

#[tokio::test]
async fn news_of_a_resource_comes_under_the_uri_that_was_subscribed_to() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::legacy().await;
    for upstream in [&a, &b] {
        upstream.resources(&[&resource(SHARED)]);
    }
    let (of_a, of_b) = (a.live("GET"), b.live("GET"));
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let mut alice = house.caller("alice").await;
    alice.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    for uri in [SHARED, OTHER] {
        let granted = ask(&alice, "resources/subscribe", uri).await;
        assert!(granted["result"].is_object(), "{granted}");
    }
    of_a.opened(1).await;
    of_b.opened(1).await;
    for (live, given) in [(&of_a, SHARED), (&of_b, OTHER), (&of_a, SHARED)] {
        live.message(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://shared","x":1.0}}"#);
        let news = stream.data().await;
        assert_eq!(
            raw(&news, &["params", "uri"]).unwrap(),
            format!("\"{given}\"")
        );
        assert_eq!(raw(&news, &["params", "x"]).unwrap(), "1.0");
    }
    ask(&alice, "resources/unsubscribe", OTHER).await;
    for (upstream, unsubscribed) in [(&a, 0), (&b, 1)] {
        assert_eq!(asked(upstream, "resources/subscribe"), [SHARED]);
        assert_eq!(upstream.count("resources/unsubscribe"), unsubscribed);
    }
    assert_eq!(asked(&b, "resources/unsubscribe"), [SHARED]);
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_subscription_tells_each_server_only_of_what_is_its_own() {
    let a = FakeUpstream::modern().await;
    let b = FakeUpstream::modern().await;
    a.resources(&[&resource(SHARED)]);
    b.resources(&[&resource(SHARED), &resource("test://b")]);
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let alice = house.caller("alice").await;
    let (of_a, of_b) = (
        a.live("subscriptions/listen"),
        b.live("subscriptions/listen"),
    );
    let wanted = format!(
        r#""notifications":{{"resourceSubscriptions":["{SHARED}","{OTHER}","test://b","test://nobody"]}}"#
    );
    let acknowledged = |honoured: &str| {
        event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":1}},"notifications":{{"resourceSubscriptions":{honoured}}}}}}}"#
        ))
    };
    let (mut opened, ()) = tokio::join!(
        alice.modern_open("subscriptions/listen", &wanted, "{}"),
        async {
            of_a.opened(1).await;
            of_b.opened(1).await;
            of_a.bytes(&acknowledged(r#"["test://shared"]"#));
            of_b.bytes(&acknowledged(r#"["test://shared","test://b"]"#));
        }
    );
    let told = |upstream: &FakeUpstream| {
        let listen = upstream.last("subscriptions/listen");
        listen
            .raw(&["params", "notifications", "resourceSubscriptions"])
            .unwrap()
    };
    assert_eq!(told(&a), r#"["test://shared"]"#);
    assert_eq!(told(&b), r#"["test://shared","test://b"]"#);
    let first = opened.data().await;
    assert_eq!(
        raw(&first, &["params", "notifications"]).unwrap(),
        r#"{"resourceSubscriptions":["portcullis://b/test://shared","test://b","test://shared"]}"#
    );
    for (live, own, given) in [
        (&of_a, SHARED, SHARED),
        (&of_b, SHARED, OTHER),
        (&of_b, "test://b", "test://b"),
    ] {
        live.message(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{own}","_meta":{{"io.modelcontextprotocol/subscriptionId":1}}}}}}"#
        ));
        let news = opened.data().await;
        assert_eq!(
            raw(&news, &["params", "uri"]).unwrap(),
            format!("\"{given}\"")
        );
    }
    drop(opened);
    house.end().await;
}

#[tokio::test]
async fn no_server_gets_the_reads_of_another_by_listing_what_it_has() {
    let bank = FakeUpstream::legacy().await;
    let desk = FakeUpstream::legacy().await;
    let evil = FakeUpstream::legacy().await;
    bank.resources(&[&resource("bank://balance")]);
    bank.templates(&[&template("bank://account/{id}")]);
    desk.resources(&[&resource("bank://balance")]);
    let disguised = "portcullis://desk/bank://balance";
    evil.resources(&[
        &resource("bank://balance"),
        &resource("bank://account/7"),
        &resource(disguised),
        &resource("PORTCULLIS://desk/x"),
    ]);
    evil.templates(&[
        &template("bank://{+anything}"),
        &template("portcullis://desk/{+anything}"),
    ]);
    let house = House::of(&[
        server("bank", &bank, &[]),
        server("desk", &desk, &[]),
        server("evil", &evil, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let of_evil = |own: &str| format!("portcullis://evil/{own}");
    assert_eq!(
        listed(&alice, "resources/list").await,
        [
            "bank://balance".to_owned(),
            disguised.to_owned(),
            of_evil("bank://balance"),
            of_evil("bank://account/7"),
            of_evil(disguised),
            of_evil("PORTCULLIS://desk/x"),
        ]
    );
    assert_eq!(
        listed(&alice, "resources/templates/list").await,
        [
            "bank://account/{id}".to_owned(),
            of_evil("bank://{+anything}"),
            of_evil("portcullis://desk/{+anything}"),
        ]
    );
    for (uri, upstream) in [
        ("bank://balance", &bank),
        ("bank://account/7", &bank),
        (disguised, &desk),
        ("portcullis://desk/anything", &desk),
    ] {
        let before = upstream.count("resources/read");
        ask(&alice, "resources/read", uri).await;
        assert_eq!(upstream.count("resources/read"), before + 1, "{uri}");
    }
    assert_eq!(evil.count("resources/read"), 0);
    ask(&alice, "resources/read", &of_evil(disguised)).await;
    assert_eq!(asked(&evil, "resources/read"), [disguised]);
    // The prefix opens nothing that the caller does not see.
    let bob = house.limited("bob", &["bank"], &[]).await;
    let hidden = ask(&bob, "resources/read", disguised).await;
    assert_eq!(hidden["error"]["code"], -32602, "{hidden}");
    house.end().await;
}

#[tokio::test]
async fn links_in_answers_are_spelled_like_lists_and_the_web_is_left_alone() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::legacy().await;
    let web = "https://example.com/manual";
    for upstream in [&a, &b] {
        upstream.resources(&[&resource(SHARED), &resource(web), &resource("ui://panel")]);
        upstream.tools(&[
            r#"{"name":"show","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"ui://panel","x":1}}}"#,
        ]);
        let content = r#"[{"type":"resource_link","uri":"test://shared","name":"l"},{"type":"resource","resource":{"uri":"test://shared","text":"see test://shared"}},{"type":"resource_link","uri":"https://example.com/manual","name":"w"},{"type":"text","text":"\"uri\":\"test://shared\""},{"type":"resource_link","uri":"test://unlisted","name":"u"}]"#;
        upstream.on("tools/call", move |request| {
            Reply::result(request, &format!(r#"{{"content":{content},"n":1.0}}"#))
        });
        upstream.on("prompts/get", |request| {
            let link = r#"{"type":"resource_link","uri":"test://shared","name":"l"}"#;
            let message = |content: &str| format!(r#"{{"role":"user","content":{content}}}"#);
            let (one, list) = (message(link), message(&format!("[{link}]")));
            Reply::result(request, &format!(r#"{{"messages":[{one},{list}]}}"#))
        });
        upstream.prompts(&[r#"{"name":"greet"}"#]);
    }
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let alice = house.caller("alice").await;
    assert_eq!(
        listed(&alice, "resources/list").await,
        [
            SHARED,
            web,
            "ui://panel",
            OTHER,
            "portcullis://b/ui://panel"
        ],
        "the same address of the web is listed once"
    );
    let tools = alice.rpc("tools/list", "{}").await.json();
    for (number, panel) in [(0, "ui://panel"), (1, "portcullis://b/ui://panel")] {
        let meta = &tools["result"]["tools"][number]["_meta"];
        assert_eq!(*meta, json!({"ui": {"resourceUri": panel, "x": 1}}));
    }
    for (server, given) in [("a", SHARED), ("b", OTHER)] {
        let tool = format!("{server}-show");
        let legacy = alice.call(&tool, "{}").await;
        assert_eq!(legacy.raw(&["result", "n"]), "1.0");
        for answer in [legacy, alice.modern_call(&tool, "{}").await] {
            let content = answer.json()["result"]["content"].clone();
            assert_eq!(content[0]["uri"], given, "{answer:?}");
            assert_eq!(content[1]["resource"]["uri"], given);
            assert_eq!(content[1]["resource"]["text"], "see test://shared");
            assert_eq!(content[2]["uri"], web);
            assert_eq!(content[3]["text"], r#""uri":"test://shared""#);
            assert_eq!(content[4]["uri"], "test://unlisted");
        }
        let got = alice
            .rpc(
                "prompts/get",
                &json!({"name": format!("{server}-greet")}).to_string(),
            )
            .await
            .json();
        assert_eq!(
            got["result"]["messages"][0]["content"]["uri"], given,
            "{got}"
        );
        assert_eq!(got["result"]["messages"][1]["content"][0]["uri"], given);
        let named = alice.at(&format!("/mcp/{server}")).call("show", "{}").await;
        assert_eq!(named.json()["result"]["content"][0]["uri"], SHARED);
    }
    house.end().await;
}
