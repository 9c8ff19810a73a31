//! A gateway whose servers are all defined by its administrator, and a server to define.

use portcullis_gateway::mock::CLIENT_ID;
use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};

/// The mock is on loopback.
pub(crate) const PRIVATE: &str = "server: {api_private_addresses: true}\n";

pub(crate) const TEAM_KEY: &str = "sk-pc-team-7Qm2vT9dKx4RzP1sWn8uYb3";
pub(crate) const VIEWER_KEY: &str = "sk-pc-viewer-7Qm2vT9dKx4RzP1sWn8uYb3";

pub(crate) struct House {
    pub(crate) gateway: TestGateway,
    pub(crate) admin: Actor,
    pub(crate) mock: MockServer,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::with(PRIVATE).await
    }

    pub(crate) async fn with(yaml: &str) -> Self {
        let mock = MockServer::start().await;
        let keys = format!(
            "identity:\n  keys:\n    - {{id: member, key: {TEAM_KEY}, team: payments, access_groups: [staff]}}\n    \
             - {{id: viewer, key: {VIEWER_KEY}, role: viewer, all_servers: true}}\n"
        );
        let gateway = TestGateway::start(&format!("{yaml}{keys}")).await;
        gateway.keep_secret("the mock's client secret", mock.client_secret());
        let admin = gateway.admin().await;
        Self {
            gateway,
            admin,
            mock,
        }
    }

    /// An entry for the mock, as the file would have it.
    pub(crate) fn entry(&self, name: &str) -> Value {
        let base = self.mock.url();
        json!({
            "server_name": name,
            "url": format!("{base}/mcp"),
            "mcp_access_groups": ["staff"],
            "auth_type": "oauth2",
            "credentials": {
                "client_id": CLIENT_ID,
                "client_secret": self.mock.client_secret(),
            },
            "token_url": format!("{base}/oauth/token"),
        })
    }

    pub(crate) async fn define(&self, name: &str) -> Reply {
        let ask = Ask::post("/v1/mcp/server", &self.entry(name));
        let reply = self.admin.ask(ask).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply
    }

    pub(crate) fn member(&self) -> Actor {
        self.gateway.bearer(TEAM_KEY)
    }

    pub(crate) fn viewer(&self) -> Actor {
        self.gateway.bearer(VIEWER_KEY)
    }
}

pub(crate) fn put(path: &str, body: &Value) -> Ask {
    Ask::new("PUT", path)
        .header("content-type", "application/json")
        .body(body.to_string())
}

pub(crate) fn delete(path: &str) -> Ask {
    Ask::new("DELETE", path)
}

pub(crate) fn echo_at(server: &str) -> Ask {
    let call = json!({"name": "echo", "arguments": {"message": "hello"}, "server_id": server});
    Ask::post("/mcp-rest/tools/call", &call)
}
