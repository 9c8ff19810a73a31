//! A user's cookies beside a service's token.

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::{echo, holds_none_of};
use crate::support::{House, server};

fn user_aware(upstream: &FakeUpstream) -> String {
    let oauth2 = format!(
        "auth: {{oauth2: {{token_url: \"{}\", client_id: c, client_secret: s}}, \
         cookie_passthrough: {{enabled: true, cookie_names: [session_id, user_context], cookie_prefix: app_}}}}",
        upstream.token_url()
    );
    server("a", upstream, &[&oauth2])
}

/// HDR-11, HDR-13: named cookies go with the user's calls, beside the service's token, and with
/// nothing that we ask in our own name.
#[tokio::test]
async fn named_cookies_go_with_the_users_calls_and_nothing_else() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let house = House::of(&[user_aware(&upstream)]).await;
        let caller = house.caller("caller").await;
        let discovery = caller.at("/mcp-rest/tools/list");
        let cookies = "theme=dark; session_id=of-alice; SESSION_ID=no; app_x=1; __Host-portcullis-session=ours; user_context=u";
        assert_eq!(
            discovery
                .with("cookie", cookies)
                .get(&[])
                .await
                .whole()
                .await
                .status,
            200
        );
        assert!(upstream.count("tools/list") > 0);
        holds_none_of(&upstream, &["of-alice"]);
        for path in ["/mcp/a", "/mcp"] {
            let asking = caller.at(path).with("cookie", cookies);
            let answer = echo(&asking, &upstream).await;
            assert!(answer.json()["result"].is_object(), "{answer:?}");
            let seen = upstream.last("tools/call");
            assert_eq!(
                seen.all("cookie"),
                ["session_id=of-alice; app_x=1; user_context=u"]
            );
            assert_eq!(seen.all("authorization"), ["Bearer token-1"]);
        }
        let rest = caller
            .at("/mcp-rest/tools/call")
            .with("cookie", "session_id=of-bob");
        let called = rest
            .post(r#"{"name":"echo","arguments":{},"server_id":"a"}"#)
            .await;
        assert_eq!(called.status, 200, "{called:?}");
        assert_eq!(
            upstream.last("tools/call").all("cookie"),
            ["session_id=of-bob"]
        );
        echo(&caller.at("/mcp/a"), &upstream).await;
        assert_eq!(upstream.last("tools/call").header("cookie"), None);
        holds_none_of(&upstream, &["ours", "theme", "SESSION_ID", &caller.key]);
        house.end().await;
    }
}

/// HDR-12: a cookie that could be read in two ways goes nowhere, and takes nobody's call down.
#[tokio::test]
async fn cookies_that_could_be_read_in_two_ways_stay() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[user_aware(&upstream)]).await;
    let caller = house.caller("caller").await.at("/mcp/a");
    let large = format!("session_id={}", "x".repeat(9000));
    for lines in [
        &["session_id=1; session_id=2"][..],
        &["session_id=1", "session_id=2"],
        &["session_id =x"],
        &["$Version=1; session_id"],
        &["session_id=\"a;b\""],
        &["session_id=a,user_context=b"],
        &["=session_id"],
        &[&large],
    ] {
        let mut asking = caller.clone();
        for line in lines {
            asking = asking.with("cookie", line);
        }
        let answer = asking.call("echo", "{}").await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let seen = upstream.last("tools/call");
        assert_eq!(seen.header("cookie"), None, "{lines:?}");
    }
    house.end().await;
}

/// HDR-15.
#[tokio::test]
async fn a_servers_cookies_come_back_to_nobody() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |request: &Recorded| {
        Reply::result(request, r#"{"content":[]}"#).header("set-cookie", "session_id=evil")
    });
    let house = House::of(&[user_aware(&upstream)]).await;
    let caller = house.caller("caller").await.at("/mcp/a");
    let answer = caller
        .with("cookie", "session_id=1")
        .call("echo", "{}")
        .await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    assert!(answer.headers.get("set-cookie").is_none());
    house.end().await;
}

/// Two users of one key do not share what the server remembers of them.
#[tokio::test]
async fn each_users_cookies_have_a_session_of_their_own() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[user_aware(&upstream)]).await;
    let caller = house.caller("shared").await.at("/mcp/a");
    let mut sessions = Vec::new();
    for who in ["alice", "bob", "alice"] {
        let cookie = format!("session_id=of-{who}");
        caller.with("cookie", &cookie).call("echo", "{}").await;
        let seen = upstream.last("tools/call");
        sessions.push(seen.header("mcp-session-id").unwrap().to_owned());
    }
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(sessions[0], sessions[2]);
    house.end().await;
}
