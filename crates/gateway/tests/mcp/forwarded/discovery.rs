//! Two identities for one server: a service that lists, and callers who act.

use portcullis_testkit::upstream::{FakeUpstream, Recorded};

use super::{echo, speaks_modern};
use crate::support::{House, server};

fn of(upstream: &FakeUpstream, auth: &str) -> String {
    let discovery = format!(
        "discovery_auth: {{auth_type: oauth2, token_url: \"{}\", client_id: c, client_secret: s}}",
        upstream.token_url()
    );
    server("a", upstream, &[auth, &discovery])
}

fn listed_with(upstream: &FakeUpstream) -> Vec<String> {
    let lists = upstream.requests().into_iter();
    lists
        .filter(|request: &Recorded| request.kind == "tools/list")
        .map(|request| request.header("authorization").unwrap_or("none").to_owned())
        .collect()
}

#[tokio::test]
async fn lists_are_asked_for_by_the_service_and_calls_are_made_by_the_caller() {
    for auth in ["auth_type: true_passthrough", "auth_type: none"] {
        for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
            let house = House::of(&[of(&upstream, auth)]).await;
            let caller = house
                .caller("caller")
                .await
                .bringing("of-alice")
                .with("x-mcp-a-authorization", "Bearer of-alice");
            let list = caller
                .at("/mcp-rest/tools/list")
                .get(&[])
                .await
                .whole()
                .await;
            assert_eq!(list.names(), ["echo", "delete_user"]);
            let listed = if speaks_modern(&upstream) {
                caller.modern("tools/list", "").await
            } else {
                caller.rpc("tools/list", "{}").await
            };
            assert_eq!(listed.names(), ["a-echo", "a-delete_user"]);
            for path in ["/mcp", "/mcp/a"] {
                let answer = echo(&caller.at(path), &upstream).await;
                assert!(answer.json()["result"].is_object(), "{answer:?}");
                let seen = upstream.last("tools/call");
                assert_eq!(seen.all("authorization"), ["Bearer of-alice"], "{auth}");
            }
            let by = listed_with(&upstream);
            assert!(!by.is_empty());
            assert!(by.iter().all(|bearer| bearer == "Bearer token-1"), "{by:?}");
            house.end().await;
        }
    }
}
