//! Tokens of an issuer that we trust: they open our own door, and go no further.

use portcullis_core::{Clock, SystemClock};
use portcullis_testkit::gateway::TestIssuer;
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::{echo, holds_none_of};
use crate::support::{House, server};

/// A token of the issuer with these claims changed.
fn token(issuer: &TestIssuer, changes: &Value) -> String {
    let mut claims = issuer.claims(SystemClock::start().now().as_secs());
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    issuer.token("k1", &claims)
}

#[tokio::test]
async fn a_token_that_opens_our_door_goes_to_no_server() {
    let upstream = FakeUpstream::legacy().await;
    let issuer = TestIssuer::start().await;
    let trusted = issuer.entry("    groups: {staff: {servers: [dlg, pass, a]}}\n");
    let house = House::of(&[
        server(
            "dlg",
            &upstream,
            &["auth_type: oauth2", "delegate_auth_to_upstream: true"],
        ),
        server("pass", &upstream, &["auth_type: true_passthrough"]),
        server("a", &upstream, &["extra_headers: [X-Token]"]),
        format!("identity:\n  issuers:\n{trusted}"),
    ])
    .await;
    let ours = token(&issuer, &json!({}));
    let bearer = format!("Bearer {ours}");
    let known = house.caller("known").await;
    // Beside a key it is not passed through, and neither is it in any other header.
    assert_eq!(
        echo(&known.bringing(&ours).at("/mcp/pass"), &upstream)
            .await
            .status,
        401
    );
    let wrapped = known
        .at("/mcp/a")
        .with("x-token", &ours)
        .with("x-mcp-a-authorization", &bearer);
    assert!(echo(&wrapped, &upstream).await.json()["result"].is_object());
    // Alone it admits its bearer, to a server that judges strangers too.
    let alice = house
        .stranger()
        .with("authorization", &bearer)
        .at("/mcp/dlg");
    assert!(echo(&alice, &upstream).await.json()["result"].is_object());
    assert_eq!(upstream.last("tools/call").header("authorization"), None);
    // One that is over, or not yet begun, makes nobody a stranger.
    let over = token(&issuer, &json!({"iat": 1, "exp": 2}));
    let stale = house
        .stranger()
        .with("authorization", &format!("Bearer {over}"));
    assert_eq!(echo(&stale.at("/mcp/dlg"), &upstream).await.status, 401);
    holds_none_of(&upstream, &[&ours, &over]);
    // The same issuer's token for the server itself is the server's to judge.
    let theirs = token(&issuer, &json!({"aud": "https://upstream.test/mcp"}));
    let bearer = format!("Bearer {theirs}");
    let stranger = house
        .stranger()
        .with("authorization", &bearer)
        .at("/mcp/dlg");
    assert!(echo(&stranger, &upstream).await.json()["result"].is_object());
    let passed = echo(&known.bringing(&theirs).at("/mcp/pass"), &upstream).await;
    assert!(passed.json()["result"].is_object(), "{passed:?}");
    assert_eq!(upstream.last("tools/call").all("authorization"), [bearer]);
    let events = house.request_events().await;
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["principal_kind"].as_str())
        .filter(|kind| *kind != "none")
        .collect();
    assert_eq!(kinds, ["api_key", "api_key", "jwt", "delegated", "api_key"]);
    house.end().await;
}
