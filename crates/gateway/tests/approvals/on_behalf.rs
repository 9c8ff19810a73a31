//! One key, and several people behind it, each with a token of their own that the server is called with.

use portcullis_testkit::gateway::{Ask, Reply, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;

use super::support::{ALICE, ANN, BOB, ROOT};

/// Tokens that say of themselves whose they are: `ann`, `bob`, and `bob` once more.
const OF_ANN: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiYW5uIn0.c2ln";
const OF_BOB: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiYm9iIn0.c2ln";
const OF_BOB_TOO: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiYm9iIn0.c2lnMg";

struct Shared {
    gateway: TestGateway,
    upstream: FakeUpstream,
}

impl Shared {
    async fn open() -> Self {
        let upstream = FakeUpstream::legacy().await;
        let yaml = format!(
            "mcp_servers:\n  bank:\n    url: \"{}\"\n    auth_type: true_passthrough\n    \
             require_approval: {{always: {{tool_names: [echo]}}}}\n\
             identity:\n  keys:\n    \
             - {{id: shared, key: {ALICE}, servers: [bank]}}\n    \
             - {{id: ann, key: {ANN}, role: approver, user_id: ann}}\n    \
             - {{id: bob, key: {BOB}, role: approver, user_id: bob}}\n    \
             - {{id: root, key: {ROOT}, role: admin}}\n",
            upstream.url()
        );
        let gateway = TestGateway::start(&yaml).await;
        Self { gateway, upstream }
    }

    /// The refund, by the shared key with somebody's token beside it.
    async fn refund(&self, token: &str) -> Reply {
        let body = json!({"server_id": "bank", "name": "echo", "arguments": {"pay": 1}});
        let ask = Ask::post("/mcp-rest/tools/call", &body)
            .header("x-litellm-api-key", &format!("Bearer {ALICE}"))
            .header("authorization", &format!("Bearer {token}"));
        self.gateway.anonymous().ask(ask).await
    }

    async fn waits(&self, token: &str) -> String {
        let held = self.refund(token).await;
        assert_eq!(held.status, 202, "{held:?}");
        held.json()["approval_id"].as_str().unwrap().to_owned()
    }

    async fn approves(&self, key: &str, id: &str) -> Reply {
        let path = format!("/v1/approvals/{id}/approve");
        let ask = Ask::post(&path, &json!({}));
        self.gateway.bearer(key).ask(ask).await
    }
}

#[tokio::test]
async fn what_was_approved_for_one_of_them_is_not_for_another() {
    let shared = Shared::open().await;
    for (one, other) in [(OF_ANN, OF_BOB), ("opaque-one", "opaque-other")] {
        let before = shared.upstream.count("tools/call");
        let id = shared.waits(one).await;
        let approved = shared.approves(ROOT, &id).await;
        assert_eq!(approved.status, 200, "{approved:?}");
        assert_ne!(shared.waits(other).await, id);
        assert_eq!(shared.upstream.count("tools/call"), before);
        let done = shared.refund(one).await;
        assert_eq!(done.status, 200, "{done:?}");
        let bearer = format!("Bearer {one}");
        let seen = shared.upstream.last("tools/call");
        assert_eq!(seen.all("authorization"), [bearer.as_str()]);
    }
    // A token that was renewed is the same person's.
    let id = shared.waits(OF_BOB).await;
    assert_eq!(shared.approves(ROOT, &id).await.status, 200);
    assert_eq!(shared.refund(OF_BOB_TOO).await.status, 200);
}

#[tokio::test]
async fn nobody_decides_about_what_goes_out_in_their_own_name() {
    let shared = Shared::open().await;
    let id = shared.waits(OF_ANN).await;
    let own = shared.approves(ANN, &id).await;
    assert_eq!(own.status, 403, "{own:?}");
    let ask = Ask::get(&format!("/v1/approvals/{id}"));
    let shown = shared.gateway.bearer(BOB).ask(ask).await.json();
    let name = shown["name"].as_str().unwrap();
    assert!(
        name.ends_with("on behalf of ann of https://idp.example, as their token says"),
        "{shown}"
    );
    assert_eq!(shared.approves(BOB, &id).await.status, 200);
}
