//! `true_passthrough`: admitted by a key, called upstream with the caller's own bearer token.

use portcullis_testkit::upstream::FakeUpstream;

use super::{PASSED_ON, echo, holds_none_of, judging};
use crate::support::{House, server};

#[tokio::test]
async fn the_callers_own_bearer_goes_on_untouched_and_no_credential_of_ours() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        judging(&upstream, &["of-alice", "of-bob"]);
        let house = House::of(&[server("a", &upstream, &["auth_type: true_passthrough"])]).await;
        let caller = house.caller("caller").await;
        for path in ["/mcp/a", "/mcp"] {
            for who in ["of-alice", "of-bob"] {
                let asking = caller
                    .at(path)
                    .bringing(who)
                    .with("x-litellm-mcp-debug", "1");
                let answer = echo(&asking, &upstream).await;
                assert!(answer.json()["result"].is_object(), "{answer:?}");
                let seen = upstream.last("tools/call");
                assert_eq!(seen.all("authorization"), [format!("Bearer {who}")]);
                let label = &answer.headers["x-mcp-debug-auth-resolution"];
                assert_eq!(label, "oauth2-passthrough");
            }
        }
        let rest = caller.at("/mcp-rest/tools/call").bringing("of-bob");
        let called = rest.post(r#"{"name":"a-echo","arguments":{}}"#).await;
        assert_eq!(called.status, 200, "{called:?}");
        holds_none_of(&upstream, &[&caller.key]);
        house.end().await;
    }
}

/// Without a bearer token of the caller's own there is a challenge and nothing else: no key of ours
/// and no other credential stands in.
#[tokio::test]
async fn without_a_bearer_of_their_own_callers_are_challenged() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        judging(&upstream, &["of-alice"]);
        let house = House::of(&[server("a", &upstream, &["auth_type: true_passthrough"])]).await;
        let caller = house.caller("caller").await;
        let other = house.caller("other").await;
        for asking in [
            caller.clone(),
            caller.by_key_header(),
            caller.bringing(&caller.key),
            caller.bringing(&other.key),
            caller.bringing("sk-of-somebody-else"),
            caller.by_key_header().with("authorization", "Basic dTpw"),
            caller.with("x-mcp-a-authorization", "Bearer of-alice"),
            caller.with("x-mcp-auth", "of-alice"),
        ] {
            for path in ["/mcp/a", "/mcp"] {
                let answer = echo(&asking.at(path), &upstream).await;
                assert_eq!(answer.status, 401, "{answer:?}");
                let challenge = answer.headers["www-authenticate"].to_str().unwrap();
                assert!(
                    challenge
                        .starts_with("Bearer resource_metadata=\"http://localhost/.well-known/"),
                    "{challenge}"
                );
            }
            let rest = asking.at("/mcp-rest/tools/call");
            let refused = rest.post(r#"{"name":"a-echo","arguments":{}}"#).await;
            assert_eq!(refused.status, 401, "{refused:?}");
            assert!(refused.headers.contains_key("www-authenticate"));
        }
        // Nobody comes in without a key.
        let stranger = house
            .stranger()
            .with("authorization", "Bearer of-alice")
            .at("/mcp/a");
        assert_eq!(echo(&stranger, &upstream).await.status, 401);
        assert_eq!(upstream.requests().len(), 0);
        house.end().await;
    }
}

/// A bearer that the server does not take is challenged in the server's words, as far as they are
/// understood.
#[tokio::test]
async fn the_servers_challenge_comes_back_rebuilt() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        judging(&upstream, &[]);
        let house = House::of(&[server("a", &upstream, &["auth_type: oauth_delegate"])]).await;
        let caller = house.caller("caller").await.bringing("stale");
        for path in ["/mcp/a", "/mcp"] {
            let answer = echo(&caller.at(path), &upstream).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            assert_eq!(answer.headers["www-authenticate"], PASSED_ON);
            assert!(answer.headers.get("set-cookie").is_none());
            assert!(!answer.text.contains("canary"), "{answer:?}");
        }
        for (path, body) in [(
            "/mcp-rest/tools/call",
            r#"{"name":"a-echo","arguments":{}}"#,
        )] {
            let refused = caller.at(path).post(body).await;
            assert_eq!(refused.status, 401, "{refused:?}");
            assert_eq!(refused.headers["www-authenticate"], PASSED_ON);
        }
        let list = caller
            .at("/mcp-rest/tools/list")
            .get(&[])
            .await
            .whole()
            .await;
        assert_eq!(list.status, 401, "{list:?}");
        assert_eq!(list.headers["www-authenticate"], PASSED_ON);
        house.end().await;
    }
}
