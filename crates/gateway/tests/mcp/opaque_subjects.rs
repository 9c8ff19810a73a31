//! Tokens beside a key that do not say whose they are: before one is exchanged for its bearer, whoever
//! made it is asked whether it is somebody's who was revoked.

use portcullis_core::{Clock, Role, ServerGrants, SystemClock};
use portcullis_testkit::gateway::TestIssuer;
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};
use serde_json::{Value, json};

use super::on_behalf::obo;
use super::support::{Client, House};

const AUDIENCE: &str = "https://gateway.example/mcp";

fn now() -> i64 {
    SystemClock::start().now().as_secs()
}

/// A server whose token endpoint takes any token, and a gateway that trusts this issuer.
async fn house(upstream: &FakeUpstream, issuer: &TestIssuer, rest: &str) -> House {
    upstream.on("TOKEN", |_: &Recorded| {
        Reply::json(
            200,
            r#"{"access_token":"exchanged","token_type":"Bearer","expires_in":3600}"#,
        )
    });
    let identity = format!("identity:\n  issuers:\n{}", issuer.entry(rest));
    House::of(&[obo("a", upstream), identity]).await
}

fn introspection(issuer: &TestIssuer) -> String {
    format!(
        "    introspection:\n      url: \"{}/introspect\"\n      client_id: gw\n      \
         client_secret: the-introspection-secret\n",
        issuer.url()
    )
}

async fn revoke(house: &House, issuer: &TestIssuer, sub: &str) {
    let all = ServerGrants::default();
    let admin = house
        .embedded
        .mint("admin", Role::Admin, all)
        .await
        .unwrap();
    let wish = json!({"issuer": issuer.url(), "sub": sub});
    let list = house.client(admin.key.expose()).at("/v1/revocations");
    let revoked = list.post(&wish.to_string()).await;
    house.forget_one();
    assert_eq!(revoked.status, 200, "{revoked:?}");
}

fn active(sub: &str) -> Value {
    json!({"active": true, "sub": sub, "aud": AUDIENCE, "exp": now() + 60, "iat": now() - 60})
}

async fn status(shared: &Client, token: &str) -> u16 {
    let caller = shared.bringing(token).at("/mcp/a");
    caller.modern_call("echo", "{}").await.status
}

/// TOK-14.
#[tokio::test]
async fn an_opaque_token_of_somebody_revoked_is_not_exchanged_beside_any_key() {
    let (upstream, issuer) = (FakeUpstream::modern().await, TestIssuer::start().await);
    let house = house(&upstream, &issuer, &introspection(&issuer)).await;
    let shared = house.caller("shared").await;
    for sub in ["alice", "mallory"] {
        issuer.says_of(&format!("opaque-of-{sub}"), active(sub));
    }
    let mut for_another = active("alice");
    for_another["aud"] = json!("another");
    issuer.says_of("opaque-for-another", for_another);

    assert_eq!(status(&shared, "opaque-of-mallory").await, 200);
    assert_eq!(upstream.count("TOKEN"), 1);
    assert!(issuer.introspections().is_empty(), "nobody was revoked");

    revoke(&house, &issuer, "mallory").await;
    for (token, expected) in [
        ("opaque-of-alice", 200),
        // What was got for it is remembered, and is not used.
        ("opaque-of-mallory", 401),
        // It is that issuer's, and does not say to us whose it is.
        ("opaque-for-another", 401),
        // Of another authorization server: that issuer knows nothing of it.
        ("opaque-of-elsewhere", 200),
    ] {
        assert_eq!(status(&shared, token).await, expected, "{token}");
    }
    assert_eq!(upstream.count("TOKEN"), 3);
    let asked = issuer.introspections().len();
    assert_eq!(status(&shared, "opaque-of-alice").await, 200);
    assert_eq!(issuer.introspections().len(), asked, "asked about once");

    issuer.answers(500, "down");
    assert_eq!(status(&shared, "opaque-new").await, 503);
    assert_eq!(upstream.count("TOKEN"), 3);
    house.end().await;
}

/// Where nobody here can tell whose a token is, it may be that of whoever was revoked.
#[tokio::test]
async fn an_opaque_token_that_nobody_reads_is_not_exchanged_once_anybody_is_revoked() {
    let (upstream, issuer) = (FakeUpstream::modern().await, TestIssuer::start().await);
    let house = house(&upstream, &issuer, "").await;
    let shared = house.caller("shared").await;
    assert_eq!(status(&shared, "opaque").await, 200);
    revoke(&house, &issuer, "mallory").await;
    assert_eq!(status(&shared, "opaque").await, 401);
    let claims = issuer.claims(now());
    let readable = issuer.token("k1", &claims);
    assert_eq!(status(&shared, &readable).await, 200, "it says whose it is");
    house.end().await;
}
