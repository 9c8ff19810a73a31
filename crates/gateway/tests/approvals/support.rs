//! A server whose tools need approvals, people who call them, and people who decide.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, ManualClock, Timestamp};
use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};

pub(crate) const ALICE: &str = "sk-pc-alice-7Qm2vT9dKx4RzP1sWn8uYb3";
pub(crate) const BOB: &str = "sk-pc-bob-5Hn8cY2fLw6TqJ9mXe4rAv7";
pub(crate) const ANN: &str = "sk-pc-ann-3Kd7gZ5pMv8SwB2nUj6tEx9";
pub(crate) const VERA: &str = "sk-pc-vera-9Ps4hQ6kNy3VxC7bRf5wDz2";
pub(crate) const ROOT: &str = "sk-pc-root-6Tb9jW3mPz5YvD8cSg2xFn4";

pub(crate) struct House {
    pub(crate) gateway: TestGateway,
    pub(crate) mock: MockServer,
    clock: Arc<ManualClock>,
}

impl House {
    /// `echo` of the server `support` needs an approval each time.
    pub(crate) async fn open() -> Self {
        Self::with("    require_approval: always\n", "").await
    }

    /// The same with other keys of the server, and other sections of the file.
    pub(crate) async fn with(of_server: &str, sections: &str) -> Self {
        let mock = MockServer::start().await;
        let mut keys = String::new();
        for (id, key, role) in [
            ("alice", ALICE, "user"),
            ("bob", BOB, "user"),
            ("ann", ANN, "approver"),
            ("vera", VERA, "viewer"),
            ("root", ROOT, "admin"),
        ] {
            let _ = writeln!(
                keys,
                "    - {{id: {id}, key: {key}, role: {role}, servers: [support], user_id: {id}}}"
            );
        }
        let yaml = format!(
            "mcp_servers:\n{}{of_server}identity:\n  keys:\n{keys}{sections}",
            mock.entry("support")
        );
        let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
        let gateway = TestGateway::by_clock(&yaml, Arc::clone(&clock) as _).await;
        Self {
            gateway,
            mock,
            clock,
        }
    }

    pub(crate) fn person(&self, key: &str) -> Actor {
        self.gateway.bearer(key)
    }

    /// Time passes. What the gateway keeps of its store is too old then, until it has looked again.
    pub(crate) async fn passes(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        let serves = async || {
            let listed = self
                .person(ALICE)
                .ask(Ask::get("/mcp-rest/tools/list"))
                .await;
            listed.status == 200
        };
        portcullis_testkit::eventually("the store is looked at again", serves).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many calls the server has got.
    pub(crate) async fn calls(&self) -> u64 {
        self.mock.stats().await.calls
    }

    /// Calls `echo` by REST, with these arguments as they are written.
    pub(crate) async fn echo(&self, key: &str, arguments: &str) -> Reply {
        let body = format!(r#"{{"server_id":"support","name":"echo","arguments":{arguments}}}"#);
        let ask = Ask::post("/mcp-rest/tools/call", &Value::Null).body(body);
        self.person(key).ask(ask).await
    }

    /// The approval that such a call is told to wait for.
    pub(crate) async fn waits(&self, key: &str, arguments: &str) -> String {
        let reply = self.echo(key, arguments).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let told = reply.json();
        assert_eq!(told["status"], "pending", "{told}");
        let id = told["approval_id"].as_str().unwrap().to_owned();
        assert_eq!(told["poll"], format!("/mcp-rest/approvals/{id}"));
        id
    }

    pub(crate) async fn decides(&self, key: &str, id: &str, verb: &str, reason: &str) -> Reply {
        let path = format!("/v1/approvals/{id}/{verb}");
        let body = json!({"reason": reason});
        self.person(key).ask(Ask::post(&path, &body)).await
    }

    /// Ann approves it.
    pub(crate) async fn approved(&self, id: &str) {
        let reply = self.decides(ANN, id, "approve", "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["status"], "granted");
    }

    /// How it stands, as this person is told.
    pub(crate) async fn status(&self, key: &str, id: &str) -> Value {
        let ask = Ask::get(&format!("/mcp-rest/approvals/{id}"));
        let reply = self.person(key).ask(ask).await;
        match reply.status {
            200 => reply.json()["status"].clone(),
            status => status.into(),
        }
    }
}
