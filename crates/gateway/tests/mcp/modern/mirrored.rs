//! `Mcp-Param-*`: what the headers of a call say of its arguments (SEP-2243).

use std::sync::Arc;

use portcullis_testkit::eventually;
use portcullis_testkit::upstream::FakeUpstream;

use super::super::support::{AWKWARD, House, server};

const REGION: &str = r#"{"name":"route","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"priority":{"type":"integer","x-mcp-header":"Priority"}}}}"#;
const ZONE: &str = r#"{"name":"route","inputSchema":{"type":"object","properties":{"zone":{"type":"string","x-mcp-header":"Zone"}}}}"#;

#[tokio::test]
async fn a_call_whose_mirrored_parameters_say_something_else_does_not_leave_the_house() {
    let upstream = FakeUpstream::modern().await;
    upstream.tools(&[REGION]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let region = |value: &'static str| ("mcp-param-region", value);
    let refused: &[(&[(&str, &str)], &str)] = &[
        (&[region("eu")], r#"{"region":"us"}"#),
        (&[region("EU")], r#"{"region":"eu"}"#),
        (&[], r#"{"region":"us"}"#),
        (&[region("eu")], "{}"),
        (&[region("eu")], r#"{"region":null}"#),
        (&[region("eu"), region("eu")], r#"{"region":"eu"}"#),
        (&[region("=?base64?ZXU?=")], r#"{"region":"eu"}"#),
        (&[region("eu")], r#"{"region":"us","region":"eu"}"#),
        (&[("mcp-param-priority", "2")], r#"{"priority":1}"#),
        (&[("mcp-param-priority", "1")], r#"{"priority":true}"#),
    ];
    let accepted: &[(&[(&str, &str)], &str)] = &[
        (&[region("eu")], r#"{"region":"eu"}"#),
        (&[region("=?base64?ZXU=?=")], r#"{"region":"eu"}"#),
        (&[region("=?base64?w7w=?=")], r#"{"region":"ü"}"#),
        (&[region("")], r#"{"region":""}"#),
        (&[("mcp-param-priority", "42.0")], r#"{"priority":42}"#),
        (&[], r#"{"region":null}"#),
        (&[], "{}"),
        (&[("mcp-param-unknown", "x")], "{}"),
    ];
    for (path, tool) in [("/mcp/a", "route"), ("/mcp", "a-route")] {
        let call = async |headers: &[(&str, &str)], arguments: &str| {
            let alice = headers.iter().fold(alice.at(path), |alice, (name, value)| {
                alice.with(name, value)
            });
            alice.modern_call(tool, arguments).await
        };
        let before = upstream.count("tools/call");
        for (headers, arguments) in refused {
            let answer = call(headers, arguments).await;
            assert_eq!(
                (answer.status, answer.code()),
                (400, -32020),
                "{headers:?} {arguments}: {answer:?}"
            );
        }
        assert_eq!(upstream.count("tools/call"), before, "nothing went out");
        for (headers, arguments) in accepted {
            let answer = call(headers, arguments).await;
            assert_eq!(answer.status, 200, "{headers:?} {arguments}: {answer:?}");
            assert!(answer.json()["result"].is_object(), "{answer:?}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn a_tool_that_asks_for_other_headers_now_is_looked_up_again() {
    let upstream = Arc::new(FakeUpstream::modern().await);
    upstream.tools(&[REGION]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let before = alice.with("mcp-param-region", "eu");
    let answer = before.modern_call("route", r#"{"region":"eu"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    upstream.tools(&[ZONE]);
    // The argument that was mirrored is an ordinary one now.
    let now = alice.with("mcp-param-zone", "z");
    let taken = async || {
        let arguments = r#"{"region":"eu","zone":"z"}"#;
        now.modern_call("route", arguments).await.status == 200
    };
    eventually("the new schema counts", taken).await;
    let stale = before.modern_call("route", r#"{"zone":"z"}"#).await;
    assert_eq!((stale.status, stale.code()), (400, -32020));
    house.end().await;
}

#[tokio::test]
async fn rest_mirrors_an_argument_whatever_stands_beside_it() {
    let upstream = FakeUpstream::modern().await;
    upstream.tools(&[REGION]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let rest = house.caller("alice").await.at("/mcp-rest/tools/call");
    let body = format!(r#"{{"name":"route","arguments":{{"region":"us","x":{AWKWARD}}}}}"#);
    let answer = rest.post(&body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last("tools/call").all("mcp-param-region"), ["us"]);
    house.end().await;
}
