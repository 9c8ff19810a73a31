//! Toolsets: tools of several servers under one name, to address and to grant.

use portcullis_testkit::gateway::{Actor, Ask, MockServer, TestGateway};
use serde_json::{Value, json};

const SET: &str = "sk-pc-set-7Qm2vT9dKx4RzP1sWn8uYb3";

/// Servers `first` and `second`, and a key of the file that is granted the toolset `desk`: `echo` of the
/// first.
async fn house() -> (TestGateway, MockServer) {
    let mock = MockServer::start().await;
    let yaml = format!(
        "mcp_servers:\n{}{}toolsets:\n  desk: {{tools: {{first: [echo]}}}}\nidentity:\n  keys:\n    - {{id: set, key: {SET}, toolsets: [desk]}}\n",
        mock.entry("first"),
        mock.entry("second")
    );
    (TestGateway::start(&yaml).await, mock)
}

fn call(path: &str, name: &str) -> Ask {
    let call = json!({"name": name, "arguments": {"message": "hi", "customer_id": "C001"}});
    Ask::rpc(path, "tools/call", &call)
}

async fn names(actor: &Actor, ask: Ask) -> Vec<String> {
    let reply = actor.ask(ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let listed = reply.json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    let tools = tools.iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

fn list(path: &str) -> Ask {
    Ask::rpc(path, "tools/list", &json!({}))
}

/// Whether a tool was called: what is hidden is answered in-band or with 404.
async fn works(actor: &Actor, ask: Ask) -> bool {
    let reply = actor.ask(ask).await;
    reply.status == 200 && reply.json()["result"]["content"].is_array()
}

#[tokio::test]
async fn a_key_with_a_toolset_has_its_tools_and_nothing_else() {
    let (gateway, _mock) = house().await;
    let actor = gateway.bearer(SET);
    for path in ["/mcp", "/desk/mcp", "/mcp/desk", "/toolset/desk/mcp"] {
        assert_eq!(names(&actor, list(path)).await, ["first-echo"], "{path}");
        assert!(works(&actor, call(path, "first-echo")).await, "{path}");
        assert!(
            !works(&actor, call(path, "first-get_customer_info")).await,
            "{path}"
        );
        assert!(!works(&actor, call(path, "second-echo")).await, "{path}");
    }
    assert_eq!(names(&actor, list("/mcp/first")).await, ["echo"]);
    assert!(!works(&actor, call("/mcp/first", "get_customer_info")).await);
    assert_eq!(actor.ask(list("/mcp/second")).await.status, 404);
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_toolset_that_is_addressed_narrows_what_a_key_sees() {
    let (gateway, _mock) = house().await;
    let actor = gateway.key("both", &["first", "second"]).await;
    for path in ["/desk/mcp", "/mcp/desk", "/toolset/desk/mcp"] {
        assert_eq!(names(&actor, list(path)).await, ["first-echo"], "{path}");
        assert!(works(&actor, call(path, "first-echo")).await, "{path}");
        assert!(
            !works(&actor, call(path, "first-get_customer_info")).await,
            "{path}"
        );
        assert!(!works(&actor, call(path, "second-echo")).await, "{path}");
    }
    let selected = list("/mcp").header("x-mcp-servers", "desk,second");
    let seen = names(&actor, selected).await;
    assert!(seen.contains(&"first-echo".to_owned()), "{seen:?}");
    assert!(
        seen.contains(&"second-get_customer_info".to_owned()),
        "{seen:?}"
    );
    assert!(
        !seen.contains(&"first-get_customer_info".to_owned()),
        "{seen:?}"
    );
    // One that leads the caller nowhere does not exist.
    let outsider = gateway.key("second", &["second"]).await;
    for path in ["/toolset/desk/mcp", "/toolset/nothing/mcp", "/desk/mcp"] {
        assert_eq!(outsider.ask(list(path)).await.status, 404, "{path}");
    }
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_toolset_lives_from_its_making_to_its_deletion() {
    let (gateway, _mock) = house().await;
    let admin = gateway.admin().await;
    let wish = json!({
        "toolset_name": "night", "description": "for the night",
        "tools": [{"server_id": "first", "tool_name": "echo"}, {"server_id": "second", "tool_name": "echo"}],
    });
    let made = admin.ask(Ask::post("/v1/mcp/toolset", &wish)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made: Value = made.json();
    let id = made["toolset_id"].as_str().unwrap();
    assert_eq!(
        admin.ask(Ask::post("/v1/mcp/toolset", &wish)).await.status,
        409
    );
    let of_file = json!({"toolset_name": "desk", "tools": []});
    assert_eq!(
        admin
            .ask(Ask::post("/v1/mcp/toolset", &of_file))
            .await
            .status,
        409
    );
    let nowhere =
        json!({"toolset_name": "x", "tools": [{"server_id": "thrid", "tool_name": "echo"}]});
    assert_eq!(
        admin
            .ask(Ask::post("/v1/mcp/toolset", &nowhere))
            .await
            .status,
        400
    );

    let caller = gateway.key("caller", &["second"]).await;
    assert_eq!(names(&caller, list("/night/mcp")).await, ["second-echo"]);
    let shown: Value = caller.ask(Ask::get("/v1/mcp/toolset")).await.json();
    assert_eq!(
        shown,
        json!([{
            "toolset_id": "night", "toolset_name": "night",
            "tools": [{"server_id": "second", "tool_name": "echo"}],
        }])
    );
    assert_eq!(
        caller.ask(Ask::post("/v1/mcp/toolset", &wish)).await.status,
        403
    );
    let gone = Ask::new("DELETE", &format!("/v1/mcp/toolset/{id}"));
    assert_eq!(caller.ask(gone.clone()).await.status, 403);
    assert_eq!(admin.ask(gone.clone()).await.status, 202);
    assert_eq!(admin.ask(gone).await.status, 404);
    assert_eq!(caller.ask(list("/night/mcp")).await.status, 404);
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_toolset_is_listed_without_the_tools_that_were_taken_from_the_caller() {
    let (gateway, _mock) = house().await;
    let admin = gateway.admin().await;
    let two = json!({"toolset_name": "two", "tools": [
        {"server_id": "first", "tool_name": "echo"},
        {"server_id": "first", "tool_name": "get_customer_info"},
    ]});
    let made = admin.ask(Ask::post("/v1/mcp/toolset", &two)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let key = json!({"object_permission": {
        "mcp_servers": ["first"], "blocked_tools": ["first/get_customer_info"],
    }});
    let key = admin.ask(Ask::post("/key/generate", &key)).await.json();
    let actor = gateway.bearer(key["key"].as_str().unwrap());
    let listed = actor.ask(Ask::get("/v1/mcp/toolset")).await.text();
    assert!(
        listed.contains("two") && listed.contains("echo"),
        "{listed}"
    );
    assert!(!listed.contains("get_customer_info"), "{listed}");
}
