//! Bodies: what kind, how deep, how large, and where they end.

use portcullis_testkit::gateway::{Actor, Ask, TestGateway};
use serde_json::{Value, json};

use super::support::{calls, raw};

#[tokio::test]
async fn a_body_that_is_not_plain_json_is_not_read() {
    // MCP-11, NET-05
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let before = calls(&gateway).await;
    let params = json!({"name": "echo", "arguments": {"message": "hi"}});
    let mcp = || Ask::rpc("/mcp/support", "tools/call", &params).without("content-type");
    let rest = || Actor::echo_ask("hi").without("content-type");
    let key = || Ask::post("/key/generate", &json!({})).without("content-type");
    let doors: [&dyn Fn() -> Ask; 2] = [&mcp, &rest];
    for ask in doors {
        assert_eq!(caller.ask(ask()).await.status, 415);
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-7",
            "application/json, text/plain",
            "application/jsonp",
            "",
        ] {
            let reply = caller.ask(ask().header("content-type", kind)).await;
            assert_eq!(reply.status, 415, "{kind}: {reply:?}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
        for encoding in [
            "gzip",
            "br",
            "zstd",
            "deflate",
            "gzip, gzip, gzip",
            "identity",
            "x",
        ] {
            let coded = ask()
                .header("content-type", "application/json")
                .header("content-encoding", encoding);
            assert_eq!(caller.ask(coded).await.status, 415, "{encoding}");
        }
        let twice = ask()
            .header("content-type", "application/json")
            .header("content-type", "text/plain");
        assert!(matches!(caller.ask(twice).await.status, 400 | 415));
        for good in ["application/json; charset=utf-8", "Application/JSON"] {
            assert_eq!(
                caller.ask(ask().header("content-type", good)).await.status,
                200
            );
        }
    }
    let admin = gateway.admin().await;
    let plain = admin.ask(key().header("content-type", "text/plain")).await;
    assert!(matches!(plain.status, 400 | 415), "{plain:?}");
    assert_eq!(calls(&gateway).await, before + 4);
    gateway.stands().await;
}

#[tokio::test]
async fn nesting_without_end_is_an_error_and_not_a_crash() {
    // NET-02
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let admin = gateway.admin().await;
    for depth in [10_000_usize, 500_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let wrapped = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"message":{deep}}}}}}}"#
            );
            let rest = format!(r#"{{"name":"echo","arguments":{{"message":{deep}}}}}"#);
            for (target, body) in [
                ("/mcp/support", &deep),
                ("/mcp/support", &wrapped),
                ("/mcp-rest/tools/call", &deep),
                ("/mcp-rest/tools/call", &rest),
            ] {
                let ask = Ask::post(target, &Value::Null)
                    .header("accept", "application/json, text/event-stream")
                    .body(body.clone());
                let reply = caller.ask(ask).await;
                assert!(
                    matches!(reply.status, 400 | 413),
                    "{target} {depth}: {reply:?}"
                );
            }
            let ask = Ask::post("/key/generate", &Value::Null).body(deep);
            assert!(matches!(admin.ask(ask).await.status, 400 | 413));
        }
    }
    gateway.stands().await;
}

#[tokio::test]
async fn more_than_the_limits_is_refused_with_the_matching_status() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let before = calls(&gateway).await;
    let big = "x".repeat(16 * 1024 * 1024);
    let reply = caller.echo(&big).await;
    // The answer may come while the body is still on its way, and the connection ends then.
    assert!(matches!(reply.status, 413 | 0), "{reply:?}");
    let mut many = Ask::get("/mcp-rest/tools/list");
    for number in 0..200 {
        many = many.header(&format!("x-{number}"), "1");
    }
    assert_eq!(many.send(gateway.address()).await.status, 431);
    let long = Ask::get(&format!("/mcp-rest/tools/list?x={}", "y".repeat(100_000)));
    assert!(matches!(
        long.send(gateway.address()).await.status,
        414 | 431
    ));
    assert_eq!(calls(&gateway).await, before);
    let huge = gateway.events().await;
    let refused = huge
        .iter()
        .filter(|event| event["outcome"] == "invalid")
        .count();
    assert_eq!(refused, 1, "the body that was too large is on record");
}

#[tokio::test]
async fn two_ways_to_frame_a_body_are_one_too_many() {
    // NET-08, M56
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let before = calls(&gateway).await;
    let inner = String::from_utf8(caller.sign(Actor::echo_ask("smuggled")).bytes()).unwrap();
    let key = caller.credential();
    let head = format!(
        "POST /mcp-rest/tools/call HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\n"
    );
    for (name, framing) in [
        (
            "CL.CL",
            format!(
                "content-length: 5\r\ncontent-length: {}\r\n\r\n",
                inner.len()
            ),
        ),
        (
            "TE.CL",
            format!(
                "transfer-encoding: chunked\r\ncontent-length: {}\r\n\r\n0\r\n\r\n",
                inner.len() + 5
            ),
        ),
        (
            "CL.TE",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "TE.TE",
            "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "odd TE",
            "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("signed CL", "content-length: +0\r\n\r\n".to_owned()),
        (
            "space before colon",
            "content-length : 0\r\n\r\n".to_owned(),
        ),
        (
            "folded",
            "x-a: b\r\n c: d\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        (
            "bad chunk",
            "transfer-encoding: chunked\r\n\r\n-1\r\n\r\n".to_owned(),
        ),
        (
            "bare LF in a value",
            "x-a: b\nx-c: d\rx\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
    ] {
        let statuses = raw(&gateway, format!("{head}{framing}{inner}").as_bytes()).await;
        // One answer, and the connection ends: the smuggled one is never a request.
        assert_eq!(statuses, [400], "{name}");
    }
    assert_eq!(calls(&gateway).await, before, "nothing was smuggled");
    assert_eq!(caller.echo("next").await.status, 200);
    gateway.stands().await;
}
