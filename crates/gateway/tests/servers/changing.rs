//! A server from its definition to its end.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::{House, delete, echo_at, put};

#[tokio::test(flavor = "multi_thread")]
async fn a_defined_server_is_served_when_the_answer_comes_and_gone_when_it_is_taken_away() {
    let house = House::start().await;
    let made = house.define("tools").await;
    let row = made.json();
    assert_eq!(row["server_id"], "tools");
    assert_eq!(row["source"], "api");
    assert_eq!(row["approval_status"], "active");
    assert_eq!(row["definition"]["client_secret"], json!({"is_set": true}));
    assert_eq!(row["problems"], Value::Null);
    let called = house.member().ask(echo_at("tools")).await;
    assert_eq!(called.status, 200, "{called:?}");
    assert!(called.text().contains("hello"), "{called:?}");

    let listed: Value = house.admin.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(listed[0]["server_id"], "tools");
    let seen: Value = house.member().ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(seen[0]["server_id"], "tools");
    assert!(seen[0].get("definition").is_none(), "{seen}");
    assert!(seen[0]["url"].is_null(), "{seen}");

    let session = house.member().session("/mcp/tools").await;
    let gone = house.admin.ask(delete("/v1/mcp/server/tools")).await;
    assert_eq!(gone.status, 202, "{gone:?}");
    let after = house.member().ask(echo_at("tools")).await;
    assert_eq!(after.status, 404, "{after:?}");
    let ask = Ask::rpc("/mcp/tools", "tools/list", &json!({})).header("mcp-session-id", &session);
    assert_eq!(house.member().ask(ask).await.status, 404);
    let again = house.admin.ask(delete("/v1/mcp/server/tools")).await;
    assert_eq!(again.status, 404, "{again:?}");
    // The name is free.
    house.define("tools").await;
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_named_stays_and_what_is_sent_as_it_was_shown_stays_as_it_was() {
    let house = House::start().await;
    let made = house.define("tools").await;
    let mut shown = made.json()["definition"].clone();
    shown["server_id"] = "tools".into();
    shown["allowed_tools"] = json!(["echo"]);
    // The whole of what was shown comes back, marks and all.
    let changed = house.admin.ask(put("/v1/mcp/server", &shown)).await;
    assert_eq!(changed.status, 202, "{changed:?}");
    assert_eq!(changed.json()["allowed_tools"], json!(["echo"]));
    let called = house.member().ask(echo_at("tools")).await;
    assert_eq!(called.status, 200, "the secret is still there: {called:?}");
    let only = put(
        "/v1/mcp/server/tools",
        &json!({"disallowed_tools": ["echo"], "allowed_tools": null}),
    );
    let changed = house.admin.ask(only).await;
    assert_eq!(changed.status, 202, "{changed:?}");
    assert!(changed.json()["allowed_tools"].is_null());
    let denied = house.member().ask(echo_at("tools")).await;
    assert_ne!(denied.status, 200, "{denied:?}");
    let mark = put(
        "/v1/mcp/server/tools",
        &json!({"auth_value": {"is_set": true}}),
    );
    let refused = house.admin.ask(mark).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text().contains("auth_value"), "{refused:?}");
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_saw_the_same_state_the_second_is_told() {
    let house = House::start().await;
    let made = house.define("tools").await;
    let tag = made.header("etag").unwrap().to_owned();
    let change = |text: &str| {
        put("/v1/mcp/server/tools", &json!({"description": text})).header("if-match", &tag)
    };
    let first = house.admin.ask(change("first")).await;
    assert_eq!(first.status, 202, "{first:?}");
    let second = house.admin.ask(change("second")).await;
    assert_eq!(second.status, 412, "{second:?}");
    let remove = delete("/v1/mcp/server/tools").header("if-match", &tag);
    assert_eq!(house.admin.ask(remove).await.status, 412);
    let shown = house.admin.ask(Ask::get("/v1/mcp/server/tools")).await;
    assert_eq!(shown.json()["description"], "first");
    assert_eq!(shown.header("etag"), first.header("etag"));
    for odd in ["7", "\"x\"", "\"0123\", \"4567\"", "W/\"0123456789abcdef\""] {
        let ask = delete("/v1/mcp/server/tools").header("if-match", odd);
        assert_eq!(house.admin.ask(ask).await.status, 400, "{odd}");
    }
    // LiteLLM's clients say nothing about what they saw.
    let litellm = put(
        "/v1/mcp/server",
        &json!({"server_id": "tools", "description": "third"}),
    );
    assert_eq!(house.admin.ask(litellm).await.status, 202);
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_has_one_server_and_the_file_has_it_first() {
    let house = House::start().await;
    house.define("tools").await;
    for name in ["tools", "Tools", "key", "a b", "../x", ""] {
        let ask = Ask::post("/v1/mcp/server", &house.entry(name));
        let refused = house.admin.ask(ask).await;
        assert_eq!(refused.status, 400, "{name}: {refused:?}");
    }
    let mock = &house.mock;
    let yaml = format!(
        "{}mcp_servers:\n{}",
        super::support::PRIVATE,
        mock.entry("written")
    );
    let other = House::with(&yaml).await;
    for name in ["written", "WRITTEN"] {
        let ask = Ask::post("/v1/mcp/server", &other.entry(name));
        let refused = other.admin.ask(ask).await;
        assert_eq!(refused.status, 400, "{name}: {refused:?}");
    }
    for change in [
        put("/v1/mcp/server/written", &json!({"allow_all_keys": true})),
        delete("/v1/mcp/server/written"),
    ] {
        let refused = other.admin.ask(change).await;
        assert_eq!(
            refused.status, 404,
            "the file is the operator's: {refused:?}"
        );
    }
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_a_desktop_client_are_taken_each_for_itself() {
    let house = House::start().await;
    let url = format!("{}/mcp", house.mock.url());
    let body = json!({"mcpServers": {
        "remote": {"type": "http", "url": url, "headers": {"X-Team": "a"}},
        "program": {"command": "npx", "args": ["-y", "x"]},
        "odd": {"url": url, "colour": "red"},
    }});
    let reply = house
        .admin
        .ask(Ask::post("/v1/mcp/server/import", &body))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = reply.json();
    assert_eq!(told["imported"], json!(["remote"]));
    let refused = told["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 2, "{told}");
    let of = |name: &str| {
        let one = refused
            .iter()
            .find(|one| one["server_name"] == name)
            .unwrap();
        one["detail"].as_str().unwrap().to_owned()
    };
    assert!(of("program").contains("programs"), "{told}");
    assert!(of("odd").contains("colour"), "{told}");
    let shown = house
        .admin
        .ask(Ask::get("/v1/mcp/server/remote"))
        .await
        .json();
    assert_eq!(
        shown["definition"]["headers"],
        json!({"X-Team": {"is_set": true}})
    );
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_on_record_with_who_and_what() {
    let house = House::start().await;
    let made = house.define("tools").await;
    let event = house.gateway.event_of(&made).await;
    assert_eq!(event["method"], "v1/mcp/server:add");
    assert_eq!(event["target"], json!({"kind": "server", "name": "tools"}));
    assert_eq!(event["decision"], "allow");
    let refused = house.viewer().ask(delete("/v1/mcp/server/tools")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let event = house.gateway.event_of(&refused).await;
    assert_eq!(event["decision"], "deny", "{event}");
    let secret = house.mock.client_secret().to_owned();
    let stored = house
        .gateway
        .embedded()
        .stores()
        .servers
        .all()
        .await
        .unwrap();
    assert_eq!(stored.len(), 1);
    let sealed = &stored[0].sealed;
    let holds = |text: &str| {
        sealed
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(
        !holds(&secret) && !holds("client_secret"),
        "nothing of it is readable at rest"
    );
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_puts_every_name_on_record_or_is_none() {
    let house = House::start().await;
    let url = format!("{}/mcp", house.mock.url());
    let import = async |names: &[String]| {
        let servers = names.iter().map(|name| (name.clone(), json!({"url": url})));
        let servers: serde_json::Map<String, Value> = servers.collect();
        let ask = Ask::post("/v1/mcp/server/import", &json!({"mcpServers": servers}));
        house.admin.ask(ask).await
    };
    let long: Vec<String> = (0..16).map(|at| format!("{at:0>30}")).collect();
    let hidden = ["a,b", "a\u{202e}", "", "a b"].map(|name| vec![name.to_owned()]);
    for names in std::iter::once(long).chain(hidden) {
        let refused = import(&names).await;
        assert_eq!(refused.status, 400, "{names:?}: {refused:?}");
    }
    let listed: Value = house.admin.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(listed, json!([]));
    let names = ["one", "other"].map(str::to_owned);
    let taken = import(&names).await;
    assert_eq!(taken.json()["imported"], json!(names), "{taken:?}");
    let event = house.gateway.event_of(&taken).await;
    assert_eq!(event["target"]["name"], "one,other", "{event}");
    house.gateway.stands().await;
}

/// What somebody approved goes to the server that they saw, whatever is called so later.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_not_good_for_another_server_of_the_same_name() {
    let house = House::start().await;
    let other = portcullis_testkit::gateway::MockServer::start().await;
    let mut entry = house.entry("tools");
    entry["require_approval"] = "always".into();
    let made = house.admin.ask(Ask::post("/v1/mcp/server", &entry)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let member = house.member();
    let waits = async || {
        let waiting = member.ask(echo_at("tools")).await;
        assert_eq!(waiting.status, 202, "{waiting:?}");
        waiting.json()["approval_id"].as_str().unwrap().to_owned()
    };
    let approve = async |id: &str| {
        let path = format!("/v1/approvals/{id}/approve");
        let approved = house.admin.ask(Ask::post(&path, &json!({}))).await;
        assert_eq!(approved.status, 200, "{approved:?}");
    };
    let first = waits().await;
    approve(&first).await;
    let moved = json!({
        "url": format!("{}/mcp", other.url()), "token_url": format!("{}/oauth/token", other.url()),
        "client_secret": other.client_secret(),
    });
    let moved = house.admin.ask(put("/v1/mcp/server/tools", &moved)).await;
    assert_eq!(moved.status, 202, "{moved:?}");
    let second = waits().await;
    assert_ne!(first, second);
    assert_eq!(other.stats().await.calls, 0);
    approve(&second).await;
    assert_eq!(member.ask(echo_at("tools")).await.status, 200);
    assert_eq!(other.stats().await.calls, 1);
    house.gateway.stands().await;
}
