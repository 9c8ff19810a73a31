//! The servers in view, as an MCP registry lists them.

use portcullis_testkit::gateway::{Ask, MockServer, TestGateway};
use serde_json::{Value, json};

async fn house(settings: &str) -> (TestGateway, MockServer) {
    let mock = MockServer::start().await;
    let yaml = format!(
        "{settings}server: {{public_url: 'https://gw.example.com'}}\nmcp_servers:\n{}    description: Helps people\n{}    \
         available_on_public_internet: false\n",
        mock.entry("support"),
        mock.entry("billing"),
    );
    let gateway = TestGateway::start(&yaml).await;
    gateway.keep_secret("the mock's client secret", mock.client_secret());
    (gateway, mock)
}

fn at() -> Ask {
    Ask::get("/v1/mcp/registry.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_lists_what_the_caller_may_see_and_nobody_without_a_credential_sees_it() {
    let (gateway, _mock) = house("general_settings: {enable_mcp_registry: true}\n").await;
    let caller = gateway.key("caller", &["support"]).await;
    let listed = caller.ask(at()).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let listed = listed.json();
    let servers = listed["servers"].as_array().unwrap();
    let names: Vec<&Value> = servers.iter().map(|one| &one["server"]["name"]).collect();
    assert_eq!(names, ["portcullis", "support"]);
    let support = json!({
        "name": "support", "title": "support", "description": "Helps people", "version": "1.0.0",
        "remotes": [{"type": "streamable-http", "url": "https://gw.example.com/support/mcp"}],
    });
    assert_eq!(servers[1]["server"], support);
    let all = &servers[0]["server"]["remotes"][0]["url"];
    assert_eq!(all, "https://gw.example.com/mcp");
    let nothing = gateway.key("nothing", &[]).await;
    let listed = nothing.ask(at()).await.json();
    assert_eq!(listed["servers"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.anonymous().ask(at()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_registry_unless_the_operator_says_so() {
    let (gateway, _mock) = house("").await;
    let refused = gateway.admin().await.ask(at()).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    assert!(
        refused.text().contains("MCP registry is not enabled"),
        "{refused:?}"
    );
}
