//! A granted tool that needs more than the caller carries: listed, refused, and told what would help.

use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};

use crate::support::challenge_of;

const READER: &str = "sk-pc-reader-7Qm2vT9dKx4RzP1sWn8uYb3";
const WRITER: &str = "sk-pc-writer-7Qm2vT9dKx4RzP1sWn8uYb3";

/// The mock's `echo` needs two scopes, `get_customer_info` one of its own; nothing else is mapped.
async fn gateway(mapping: &str) -> (TestGateway, MockServer) {
    let mock = MockServer::start().await;
    let yaml = format!(
        "mcp_servers:\n{}    {mapping}\nidentity:\n  keys:\n    - {{id: reader, key: {READER}, servers: [support], scopes: 'tools:read'}}\n    - {{id: writer, key: {WRITER}, servers: [support], scopes: 'tools:read tools:write'}}\n",
        mock.entry("support")
    );
    (TestGateway::start(&yaml).await, mock)
}

const MAPPED: &str =
    "tool_scopes: {echo: [tools:read, tools:write], get_customer_info: [customer:read]}";

fn modern(tool: &str) -> Ask {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": tool, "arguments": {"message": "hi"}, "_meta": meta});
    Ask::rpc("/mcp/support", "tools/call", &params)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
}

fn legacy(path: &str, tool: &str) -> Ask {
    let params = json!({"name": tool, "arguments": {"message": "hi"}});
    Ask::rpc(path, "tools/call", &params)
}

fn rest(tool: &str) -> Ask {
    let call = json!({"name": tool, "arguments": {"message": "hi"}, "server_id": "support"});
    Ask::post("/mcp-rest/tools/call", &call)
}

fn names(reply: &Reply) -> Vec<String> {
    let tools = reply.json()["result"]["tools"].clone();
    let tools: Vec<Value> = serde_json::from_value(tools).unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

async fn calls(mock: &MockServer) -> u64 {
    mock.stats().await.calls
}

#[tokio::test]
async fn a_call_that_lacks_a_scope_is_told_which_in_every_era_and_over_rest() {
    let (gateway, mock) = gateway(MAPPED).await;
    let (reader, writer) = (gateway.bearer(READER), gateway.bearer(WRITER));
    let control = writer.ask(legacy("/mcp/support", "echo")).await;
    assert!(control.text().contains("hi"), "{control:?}");
    let before = calls(&mock).await;
    for (ask, metadata) in [
        (legacy("/mcp/support", "echo"), "/mcp/support"),
        (legacy("/mcp", "support-echo"), "/mcp"),
        (modern("echo"), "/mcp/support"),
        (rest("echo"), ""),
    ] {
        let reply = reader.ask(ask).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert_eq!(
            challenge_of(&reply),
            format!(
                r#"Bearer error="insufficient_scope", scope="tools:read tools:write", resource_metadata="http://localhost/.well-known/oauth-protected-resource{metadata}""#
            )
        );
        assert!(reply.text().contains("tools:write is missing"), "{reply:?}");
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["rule"], "insufficient_scope", "{event}");
        assert_eq!(event["outcome"], "forbidden");
        assert_eq!(event["server"], "support");
    }
    let told = reader.ask(legacy("/mcp/support", "echo")).await.json();
    assert_eq!(told["error"]["data"]["missing"], json!(["tools:write"]));
    assert_eq!(told["id"], 1);
    assert_eq!(
        reader.ask(rest("echo")).await.json()["error"],
        "insufficient_scope"
    );
    assert_eq!(calls(&mock).await, before, "nothing left the house");
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_tool_that_lacks_a_scope_or_a_mapping_is_listed_all_the_same() {
    let (gateway, _mock) = gateway(MAPPED).await;
    let reader = gateway.bearer(READER);
    let listed = reader
        .ask(Ask::rpc("/mcp/support", "tools/list", &json!({})))
        .await;
    let all = names(&listed);
    assert!(all.iter().any(|name| name == "echo"), "{all:?}");
    assert!(all.len() > 2, "{all:?}");
    let aggregate = reader.ask(Ask::rpc("/mcp", "tools/list", &json!({}))).await;
    assert_eq!(names(&aggregate).len(), all.len());
    let rest = reader.ask(Ask::get("/mcp-rest/tools/list")).await.json();
    assert_eq!(rest["tools"].as_array().unwrap().len(), all.len());
}

#[tokio::test]
async fn a_tool_that_nobody_mapped_is_refused_to_everybody_and_names_no_scope() {
    let (gateway, mock) = gateway("tool_scopes: {get_customer_info: [tools:read]}").await;
    let writer = gateway.bearer(WRITER);
    let before = calls(&mock).await;
    for ask in [modern("echo"), rest("echo")] {
        let reply = writer.ask(ask).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert_eq!(reply.header("www-authenticate"), None);
        assert_eq!(gateway.event_of(&reply).await["rule"], "unmapped_scope");
    }
    // What no client can mend stays in-band for those that read the body only of a 200.
    let reply = writer.ask(legacy("/mcp/support", "echo")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["error"]["code"], -32600);
    assert_eq!(calls(&mock).await, before);
}

#[tokio::test]
async fn what_is_no_tool_needs_what_the_whole_server_needs() {
    let asks = || {
        [
            Ask::rpc("/mcp/support", "prompts/get", &json!({"name": "p"})),
            Ask::rpc(
                "/mcp/support",
                "resources/read",
                &json!({"uri": "file:///x"}),
            ),
            Ask::rpc(
                "/mcp/support",
                "resources/subscribe",
                &json!({"uri": "file:///x"}),
            ),
            Ask::rpc(
                "/mcp/support",
                "completion/complete",
                &json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}}),
            ),
        ]
    };
    let rule = async |gateway: &TestGateway, actor: &Actor, ask| {
        let reply = actor.ask(ask).await;
        gateway.event_of(&reply).await["rule"].clone()
    };
    let (unmapped, _mock) = gateway(MAPPED).await;
    let (mapped, _other) = gateway("tool_scopes: {'support/*': [tools:write]}").await;
    for ask in asks() {
        let writer = unmapped.bearer(WRITER);
        assert_eq!(
            rule(&unmapped, &writer, ask.clone()).await,
            "unmapped_scope"
        );
        let reader = mapped.bearer(READER);
        assert_eq!(
            rule(&mapped, &reader, ask.clone()).await,
            "insufficient_scope"
        );
        let writer = mapped.bearer(WRITER);
        assert_eq!(rule(&mapped, &writer, ask).await, "grant_server");
    }
}

#[tokio::test]
async fn news_of_a_resource_needs_what_reading_it_needs() {
    let (mapped, _mock) = gateway("tool_scopes: {'support/*': [tools:write]}").await;
    let (unmapped, _other) = gateway(MAPPED).await;
    let listen = |path| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let wanted = json!({"resourceSubscriptions": ["file:///x"]});
        let params = json!({"notifications": wanted, "_meta": meta});
        Ask::rpc(path, "subscriptions/listen", &params)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
    };
    let reply = mapped.bearer(READER).ask(listen("/mcp/support")).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(challenge_of(&reply).contains(r#"scope="tools:write""#));
    let reply = unmapped.bearer(WRITER).ask(listen("/mcp/support")).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    // On the aggregate a server that refuses is one that does not take part, and here there is no other.
    for (gateway, key) in [(&mapped, READER), (&unmapped, WRITER)] {
        let reply = gateway.bearer(key).ask(listen("/mcp")).await;
        assert_eq!(reply.status, 502, "{reply:?}");
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["servers"][0]["outcome"], "forbidden", "{event}");
    }
}

#[tokio::test]
async fn a_hidden_tool_and_an_unknown_one_answer_alike_whatever_they_would_need() {
    let (gateway, _mock) = gateway(&format!("disallowed_tools: [echo]\n    {MAPPED}")).await;
    let reader = gateway.bearer(READER);
    let hidden = reader.ask(legacy("/mcp/support", "echo")).await;
    let unknown = reader.ask(legacy("/mcp/support", "nope")).await;
    assert_eq!(hidden.status, unknown.status);
    assert_eq!(hidden.text().replace("echo", "nope"), unknown.text());
}
