//! Servers that are tried out before they are defined.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_tried_out_and_nothing_of_it_is_kept() {
    let house = House::start().await;
    let body = house.entry("tools");
    let tried = house
        .admin
        .ask(Ask::post("/mcp-rest/test/connection", &body))
        .await;
    assert_eq!(tried.status, 200, "{tried:?}");
    assert_eq!(tried.json(), json!({"status": "ok"}));
    let event = house.gateway.event_of(&tried).await;
    let url = body["url"].as_str().unwrap();
    assert_eq!(event["target"]["name"], url, "where we were sent: {event}");
    let tools = house
        .admin
        .ask(Ask::post("/mcp-rest/test/tools/list", &body))
        .await
        .json();
    let tools = tools["tools"].as_array().unwrap().clone();
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{tools:?}");
    let listed: Value = house.admin.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(listed, json!([]));
    house.gateway.stands().await;
}

/// SSRF-10.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_behind_an_address_is_not_found_out_by_trying() {
    let house = House::start().await;
    let mut told = Vec::new();
    // Nobody listens; somebody who is no MCP server; cloud metadata, which nobody reaches.
    for url in [
        "http://127.0.0.1:1/mcp".to_owned(),
        format!("{}/nothing-here", house.mock.url()),
        "http://169.254.169.254/latest/".to_owned(),
    ] {
        let body = json!({"url": url, "timeout": 5});
        let reply = house
            .admin
            .ask(Ask::post("/mcp-rest/test/connection", &body))
            .await;
        told.push((reply.status, reply.text()));
    }
    let same = |one: &(u16, String)| one == &told[0];
    assert!(told[..2].iter().all(same), "{told:?}");
    assert!(matches!(told[2].0, 200 | 400), "{told:?}");
    let refused = house
        .member()
        .ask(Ask::post("/mcp-rest/test/connection", &json!({})))
        .await;
    assert_eq!(refused.status, 403);
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_its_own_address_and_how_its_servers_fare() {
    let house = House::start().await;
    house.define("tools").await;
    let member = house.member();
    let ip: Value = member
        .ask(Ask::get("/v1/mcp/network/client-ip"))
        .await
        .json();
    assert_eq!(ip, json!({"ip": "127.0.0.1"}));
    let health = || Ask::get("/v1/mcp/server/health");
    let before: Value = member.ask(health()).await.json();
    assert_eq!(before, json!([{"server_id": "tools", "status": "unknown"}]));
    member.ask(super::support::echo_at("tools")).await;
    let after: Value = member.ask(health()).await.json();
    assert_eq!(after, json!([{"server_id": "tools", "status": "healthy"}]));
    let none: Value = member
        .ask(Ask::get("/v1/mcp/server/health?server_ids=other"))
        .await
        .json();
    assert_eq!(none, json!([]));
    house.gateway.stands().await;
}
