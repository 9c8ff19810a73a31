//! Handshake, requests and answers.

use portcullis_testkit::upstream::Step;
use portcullis_testkit::upstream::{FakeUpstream, Reply, event};

use super::support::{AWKWARD, House, legacy, raw, server};

const ALL: &str = r#"{"sampling":{},"elicitation":{},"roots":{"listChanged":true},"tasks":{}}"#;
const META: &str = "io.modelcontextprotocol/";

fn meta_of(request: &portcullis_testkit::upstream::Recorded, member: &str) -> Option<String> {
    let meta = request.raw(&["params", "_meta"])?;
    raw(&meta, &[&format!("{META}{member}")])
}

#[tokio::test]
async fn a_session_is_opened_with_what_the_server_says_of_itself() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("server/discover", |request| {
        let result = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"ttlMs":1,"cacheScope":"public","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"instructions":"be \u006bind","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake","version":"7","x":1e400}}}"#;
        Reply::result(request, result)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    let hello = alice.initialize(ALL).await;
    assert_eq!(
        hello.raw(&["result"]),
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"fake","version":"7","x":1e400},"instructions":"be kind"}"#
    );
    assert!(alice.session.is_some());
    assert_eq!(upstream.count("initialize"), 1);
    let asked = upstream.last("server/discover");
    assert_eq!(asked.header("mcp-method"), Some("server/discover"));
    // Sampling and elicitation are the operator's to allow; tasks do not cross the eras.
    assert_eq!(
        meta_of(&asked, "clientCapabilities").unwrap(),
        r#"{"roots":{}}"#
    );
    assert_eq!(alice.rpc("ping", "{}").await.raw(&["result"]), "{}");
    assert_eq!(upstream.count("ping"), 0);
    let mut older = house.caller("bob").await.at("/mcp/a");
    older.version = Some("2025-06-18");
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"story","version":"1"}}}"#;
    let hello = older.post(hello).await;
    assert_eq!(hello.raw(&["result", "protocolVersion"]), "\"2025-06-18\"");
    assert_eq!(upstream.count("initialize"), 1, "it was found out once");
    house.end().await;
}

#[tokio::test]
async fn a_call_goes_out_stamped_and_its_answer_comes_back_plain() {
    let upstream = FakeUpstream::modern().await;
    upstream.tools(&[
        r#"{"name":"echo","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#,
        r#"{"name":"broken","inputSchema":{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"A"}}}}"#,
    ]);
    upstream.on("tools/call", |request| {
        let result = format!(
            r#"{{"resultType":"complete","content":[],"structuredContent":{AWKWARD},"_meta":{{"own":1,"io.modelcontextprotocol/serverInfo":{{"name":"fake","version":"1"}}}}}}"#
        );
        Reply::result(request, &result)
    });
    let house = House::of(&[server("a", &upstream, &["allow_sampling: true"])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ALL).await;
    let listed = alice.rpc("tools/list", "{}").await;
    assert_eq!(listed.names(), ["echo"]);
    assert!(
        raw(&listed.text, &["result", "ttlMs"]).is_none(),
        "{listed:?}"
    );
    assert!(
        raw(&listed.text, &["result", "_meta"]).is_none(),
        "{listed:?}"
    );

    let params = r#"{"name":"echo","arguments":{"region":"ü","n":1e400},"task":{"ttl":5},"requestState":"forged","_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"1999-01-01","traceparent":"x"}}"#;
    let params = params.replace(
        r#","io.modelcontextprotocol/protocolVersion":"1999-01-01""#,
        "",
    );
    let answer = alice.post(&legacy("tools/call", &params)).await;
    assert_eq!(answer.raw(&["id"]), "1");
    assert_eq!(
        answer.raw(&["result"]),
        format!(r#"{{"content":[],"structuredContent":{AWKWARD},"_meta":{{"own":1}}}}"#)
    );
    let sent = upstream.last("tools/call");
    assert_eq!(sent.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(sent.header("mcp-method"), Some("tools/call"));
    assert_eq!(sent.header("mcp-name"), Some("echo"));
    assert_eq!(sent.header("mcp-param-region"), Some("=?base64?w7w=?="));
    assert_eq!(sent.header("mcp-session-id"), None);
    assert_eq!(meta_of(&sent, "protocolVersion").unwrap(), "\"2026-07-28\"");
    assert_eq!(
        meta_of(&sent, "clientCapabilities").unwrap(),
        r#"{"sampling":{},"roots":{}}"#
    );
    assert_eq!(meta_of(&sent, "logLevel").unwrap(), "\"info\"");
    assert_eq!(
        sent.raw(&["params", "_meta", "progressToken"]).unwrap(),
        "\"p\""
    );
    assert_eq!(sent.raw(&["params", "arguments", "n"]).unwrap(), "1e400");
    for gone in ["task", "requestState"] {
        assert!(sent.raw(&["params", gone]).is_none(), "{gone}");
    }
    assert_eq!(upstream.count("initialize"), 1);
    house.end().await;
}

#[tokio::test]
async fn a_single_request_without_a_session_is_translated_too() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let answer = alice.call("a-echo", r#"{"x":1}"#).await;
    assert_eq!(
        answer.raw(&["result", "structuredContent", "tool"]),
        "\"echo\""
    );
    assert!(raw(&answer.text, &["result", "resultType"]).is_none());
    let sent = upstream.last("tools/call");
    assert_eq!(meta_of(&sent, "clientCapabilities").unwrap(), "{}");
    let level = alice
        .at("/mcp/a")
        .rpc("logging/setLevel", r#"{"level":"debug"}"#)
        .await;
    assert_eq!(level.code(), -32600);
    house.end().await;
}

#[tokio::test]
async fn errors_have_the_codes_of_the_clients_revision() {
    let upstream = FakeUpstream::modern().await;
    let error =
        |code: i64, data: &str| format!(r#"{{"code":{code},"message":"theirs","data":{data}}}"#);
    let lacking = error(-32021, r#"{"requiredCapabilities":{"sampling":{}}}"#);
    let unknown = error(-32602, r#"{"uri":"x://gone"}"#);
    let revision = error(
        -32022,
        r#"{"supported":["2030-01-01"],"requested":"2026-07-28"}"#,
    );
    let told = lacking.clone();
    upstream.on("tools/call", move |request| {
        Reply::error(request, 400, &told)
    });
    upstream.on("resources/read", move |request| {
        Reply::error(request, 200, &unknown)
    });
    upstream.on("prompts/get", move |request| {
        Reply::error(request, 400, &lacking)
    });
    upstream.on("completion/complete", move |request| {
        Reply::error(request, 400, &revision)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let answer = alice.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    assert!(
        answer.text.contains("did not declare: sampling"),
        "{answer:?}"
    );
    let answer = alice.rpc("resources/read", r#"{"uri":"x://gone"}"#).await;
    assert_eq!((answer.status, answer.code()), (200, -32002));
    assert_eq!(answer.raw(&["error", "data"]), r#"{"uri":"x://gone"}"#);
    assert_eq!(
        alice.rpc("prompts/get", r#"{"name":"p"}"#).await.code(),
        -32603
    );
    let complete = r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"n","value":""}}"#;
    let answer = alice.rpc("completion/complete", complete).await;
    assert_eq!(answer.code(), -32603);
    assert!(!answer.text.contains("2030"), "{answer:?}");
    assert_eq!(
        upstream.last("completion/complete").header("mcp-name"),
        None
    );
    let outcomes: Vec<String> = house
        .request_events()
        .await
        .iter()
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        outcomes,
        ["ok", "tool_error", "ok", "ok", "upstream_refused"]
    );
    house.end().await;
}

#[tokio::test]
async fn what_is_no_answer_of_the_revision_is_none_for_the_client_either() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    for result in [
        r#"{"resultType":"task","taskId":"t"}"#,
        r#"{"resultType":7,"content":[]}"#,
        r#"{"resultType":"input_required"}"#,
        r#"{"resultType":"input_required","inputRequests":{"k":{"method":"ping"}}}"#,
        "[]",
    ] {
        upstream.once("tools/call", move |request| Reply::result(request, result));
        let answer = alice.call("echo", "{}").await;
        assert_eq!(answer.code(), -32603, "{result}");
        assert!(answer.text.contains("unreachable"), "{answer:?}");
    }
    // What a server may ask only during these three.
    upstream.once("completion/complete", |request| {
        Reply::result(
            request,
            r#"{"resultType":"input_required","requestState":"s"}"#,
        )
    });
    let complete = r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"n","value":""}}"#;
    assert_eq!(
        alice.rpc("completion/complete", complete).await.code(),
        -32603
    );
    house.end().await;
}

#[tokio::test]
async fn a_server_that_wants_other_headers_is_asked_for_its_tools_and_then_again_once() {
    let upstream = FakeUpstream::modern().await;
    let mismatch = r#"{"code":-32020,"message":"headers"}"#;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    alice.call("echo", "{}").await;
    let lists = upstream.count("tools/list");
    upstream.once("tools/call", move |request| {
        Reply::error(request, 400, mismatch)
    });
    let answer = alice.call("echo", "{}").await;
    assert!(answer.text.contains("done"), "{answer:?}");
    // A list that was made within the last second is as good as a new one.
    assert!(upstream.count("tools/list") >= lists);
    let before = upstream.count("tools/call");
    upstream.on("tools/call", move |request| {
        Reply::error(request, 400, mismatch)
    });
    assert_eq!(alice.call("echo", "{}").await.code(), -32603);
    assert_eq!(upstream.count("tools/call"), before + 2);
    let revision = r#"{"code":-32022,"message":"?","data":{"supported":["2026-07-28"],"requested":"2026-07-28"}}"#;
    upstream.once("prompts/get", move |request| {
        Reply::error(request, 400, revision)
    });
    let answer = alice.rpc("prompts/get", r#"{"name":"p"}"#).await;
    assert!(answer.text.contains("messages"), "{answer:?}");
    house.end().await;
}

#[tokio::test]
async fn progress_and_log_messages_flow_at_the_level_of_the_session() {
    let upstream = FakeUpstream::modern().await;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}"#;
    let stray = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"q","progress":5}}"#;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":{"n":1e400},"_meta":{"io.modelcontextprotocol/x":1,"own":2}}}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    upstream.on("tools/call", move |request| {
        let steps = [stray, progress, log, changed].map(|text| Step::Bytes(event(text)));
        let mut steps = Vec::from(steps);
        steps.push(Reply::result_event(
            request,
            r#"{"content":[],"resultType":"complete"}"#,
        ));
        Reply::events(steps)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let wrong = alice.rpc("logging/setLevel", r#"{"level":"loud"}"#).await;
    assert_eq!(wrong.code(), -32602);
    let level = alice
        .rpc("logging/setLevel", r#"{"level":"warning"}"#)
        .await;
    assert_eq!(level.raw(&["result"]), "{}");
    let params = r#"{"name":"echo","arguments":{},"_meta":{"progressToken":"p"}}"#;
    let mut running = alice.open(&legacy("tools/call", params)).await;
    let priming = running.event().await.unwrap();
    assert_eq!(priming.data, "");
    assert!(priming.id.is_some());
    assert_eq!(running.data().await, progress);
    assert_eq!(
        running.data().await,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":{"n":1e400},"_meta":{"own":2}}}"#
    );
    assert_eq!(
        raw(&running.data().await, &["result"]).unwrap(),
        r#"{"content":[]}"#
    );
    assert!(running.event().await.is_none());
    assert_eq!(
        meta_of(&upstream.last("tools/call"), "logLevel").unwrap(),
        "\"warning\""
    );
    assert_eq!(upstream.count("logging/setLevel"), 0);
    let mut bob = house.caller("bob").await.at("/mcp/a");
    bob.initialize("{}").await;
    bob.call("echo", "{}").await;
    assert_eq!(
        meta_of(&upstream.last("tools/call"), "logLevel").unwrap(),
        "\"info\""
    );
    house.end().await;
}

#[tokio::test]
async fn on_the_aggregate_a_resource_of_a_second_server_is_spelled_as_it_is_listed() {
    let (a, b) = (FakeUpstream::modern().await, FakeUpstream::modern().await);
    let ours = "portcullis://b/test://shared";
    for upstream in [&a, &b] {
        upstream.resources(&[r#"{"uri":"test://shared","name":"r"}"#]);
        upstream.on("tools/call", |request| {
            let link = r#"{"type":"resource_link","uri":"test://shared","name":"l"}"#;
            let result = format!(r#"{{"resultType":"complete","content":[{link}]}}"#);
            Reply::result(request, &result)
        });
    }
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp");
    alice.initialize("{}").await;
    let listed = alice.rpc("resources/list", "{}").await;
    assert!(listed.text.contains(ours), "{listed:?}");
    let read = alice
        .rpc("resources/read", &format!(r#"{{"uri":"{ours}"}}"#))
        .await;
    let contents = read.raw(&["result", "contents"]);
    assert_eq!(
        contents,
        format!(r#"[{{"uri":"{ours}","text":"content"}}]"#)
    );
    let sent = b.last("resources/read");
    assert_eq!(sent.text(&["params", "uri"]).unwrap(), "test://shared");
    assert_eq!(sent.header("mcp-name"), Some("test://shared"));
    let called = alice.rpc("tools/call", r#"{"name":"b-echo"}"#).await;
    assert!(called.text.contains(ours), "{called:?}");
    let called = alice.rpc("tools/call", r#"{"name":"a-echo"}"#).await;
    assert!(!called.text.contains("portcullis:"), "{called:?}");
    assert_eq!(a.count("resources/read"), 0);
    house.end().await;
}
