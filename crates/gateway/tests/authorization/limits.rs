//! What needs no key is asked for as often as the operator lets one network.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Ask, MockServer, Reply, TestGateway, TestProvider};
use serde_json::json;

use super::stage::{CALLBACK, START, form_ask, query};

/// One at once, and one more every ten seconds.
const LIMITS: &str = "server:\n  limits: {register_per_minute: 6, token_per_minute: 6, \
    authorize_per_minute: 6, introspect_per_minute: 6, sign_in_per_minute: 6}\n\
    general_settings: {use_x_forwarded_for: true, mcp_trusted_proxy_ranges: [127.0.0.1/32]}\n";

struct Gate {
    gateway: TestGateway,
    clock: Arc<ManualClock>,
    _mock: MockServer,
    _provider: TestProvider,
}

impl Gate {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at_millis(START));
        let mock = MockServer::start().await;
        let provider = TestProvider::start(clock.clone()).await;
        let yaml = format!(
            "{LIMITS}identity:\n{}mcp_servers:\n{}",
            provider.login(""),
            mock.entry("support")
        );
        let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
        gateway.keep_secret("the mock's client secret", mock.client_secret());
        Self {
            gateway,
            clock,
            _mock: mock,
            _provider: provider,
        }
    }

    async fn ask(&self, ask: Ask, from: &str) -> Reply {
        let ask = ask
            .host(Some("localhost"))
            .header("x-forwarded-for", from)
            .header("x-forwarded-host", "localhost");
        self.gateway.anonymous().ask(ask).await
    }

    async fn told_to_wait(&self, reply: &Reply) -> u64 {
        assert_eq!(reply.status, 429, "{reply:?}");
        let event = self.gateway.event_of(reply).await;
        assert_eq!(event["rule"], "too_many_requests", "{event}");
        assert_eq!(event["outcome"], "rate_limited", "{event}");
        reply.header("retry-after").unwrap().parse().unwrap()
    }
}

fn doors() -> Vec<[Ask; 2]> {
    let client = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let register = |path: &str| Ask::post(path, &client);
    let token = |path: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "none")];
        form_ask(path, &form)
    };
    let authorize = |path: &str| Ask::get(&format!("{path}?{}", query("nobody", &[])));
    let key = || form_ask("/login", &[("key", "none")]).header("origin", "http://localhost");
    let login = || Ask::get("/login/provider");
    vec![
        [register("/register"), register("/support/register")],
        [token("/token"), token("/support/token")],
        [
            token("/revoke"),
            token("/v1/mcp/server/oauth/support/token"),
        ],
        [authorize("/authorize"), authorize("/support/authorize")],
        [
            authorize("/v1/mcp/server/oauth/support/authorize"),
            authorize("/authorize"),
        ],
        [token("/introspect"), token("/introspect")],
        [login(), key()],
        [key(), login()],
    ]
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_again() {
    let gate = Gate::new().await;
    for [first, second] in doors() {
        let path = second.line();
        let reply = gate.ask(first, "192.0.2.1").await;
        assert_ne!(reply.status, 429, "{reply:?}");
        let refused = gate.ask(second.clone(), "192.0.2.1").await;
        let wait = gate.told_to_wait(&refused).await;
        assert!((1..=10).contains(&wait), "{path}: {wait}");
        gate.clock.advance(Duration::from_secs(wait));
        let reply = gate.ask(second, "192.0.2.1").await;
        assert_ne!(reply.status, 429, "{path}: {reply:?}");
        gate.clock.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_crowd_keeps_neither_other_networks_nor_other_doors_shut() {
    let gate = Gate::new().await;
    let register = || {
        let client = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
        Ask::post("/register", &client)
    };
    assert_eq!(gate.ask(register(), "2001:db8::1").await.status, 201);
    let page = gate.ask(
        register().header("origin", "https://app.test"),
        "2001:db8::2",
    );
    let refused = page.await;
    gate.told_to_wait(&refused).await;
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    // A client that runs in a browser reads it too.
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(gate.ask(register(), "2001:db8:0:1::1").await.status, 201);
    let token = form_ask("/token", &[("grant_type", "refresh_token")]);
    assert_ne!(gate.ask(token, "2001:db8::1").await.status, 429);
    // Whoever has a key is not a stranger.
    let key = gate.gateway.key("alice", &["support"]).await;
    let call = Ask::initialize("/mcp").header("x-forwarded-for", "2001:db8::1");
    assert_eq!(key.ask(call).await.status, 200);
    gate.gateway.stands().await;
}
