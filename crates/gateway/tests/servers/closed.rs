//! What a definition cannot ask for: the gateway's environment, its files, its programs, its network.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::House;

async fn refused(house: &House, body: Value, word: &str) {
    let reply = house.admin.ask(Ask::post("/v1/mcp/server", &body)).await;
    assert_eq!(reply.status, 400, "{body}: {reply:?}");
    assert!(reply.text().contains(word), "{body}: {reply:?}");
    let kept = house
        .gateway
        .embedded()
        .stores()
        .servers
        .all()
        .await
        .unwrap();
    assert!(kept.is_empty(), "{body}");
}

/// CFG-01.
#[tokio::test(flavor = "multi_thread")]
async fn no_program_is_started_by_what_the_api_says_whatever_the_file_allows() {
    let yaml = "general_settings: {allow_stdio: true}\n";
    let house = House::with(yaml).await;
    for transport in ["stdio", "STDIO", " stdio", "Stdio "] {
        let body = json!({"server_name": "a", "transport": transport, "command": "npx"});
        refused(&house, body, "programs").await;
        let body = json!({"server_name": "a", "transport": transport, "url": "https://mcp.example.com/mcp"});
        refused(&house, body, "programs").await;
    }
    for member in ["command", "cwd"] {
        let body =
            json!({"server_name": "a", "url": "https://mcp.example.com/mcp", member: "/bin/sh"});
        refused(&house, body, "programs").await;
    }
    let body =
        json!({"server_name": "a", "url": "https://mcp.example.com/mcp", "args": ["-c", "x"]});
    refused(&house, body, "programs").await;
    for path in ["/mcp-rest/test/connection", "/mcp-rest/test/tools/list"] {
        let body = json!({"transport": "stdio", "command": "npx"});
        let reply = house.admin.ask(Ask::post(path, &body)).await;
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    house.gateway.stands().await;
}

/// CFG-05, CFG-12.
#[tokio::test(flavor = "multi_thread")]
async fn neither_the_environment_nor_a_file_nor_a_secret_store_is_read_for_a_definition() {
    let house = House::with("").await;
    let url = "https://mcp.example.com/mcp";
    for value in [
        "${HOME}",
        "${HOME:-x}",
        "os.environ/HOME",
        "file:/etc/hostname",
        "a${PATH}b",
    ] {
        let body = json!({"server_name": "a", "url": url, "auth_type": "bearer_token", "auth_value": value});
        refused(&house, body, "not read").await;
        let body = json!({"server_name": "a", "url": url, "static_headers": {"X-A": value}});
        refused(&house, body, "not read").await;
    }
    for value in ["vault:kv/a#b", "aws-sm:a#b"] {
        let body = json!({"server_name": "a", "url": url, "auth_type": "bearer_token", "auth_value": value});
        refused(&house, body, "api_secret_stores").await;
    }
    for spec in ["/etc/passwd", "file:///etc/passwd", "../openapi.yaml"] {
        let body = json!({"server_name": "a", "spec_path": spec});
        refused(&house, body, "").await;
    }
    let body = json!({
        "server_name": "a", "url": url, "auth_type": "aws_sigv4",
        "aws_web_identity_token_file": "/etc/hostname", "aws_role_name": "arn:aws:iam::1:role/x",
    });
    refused(&house, body, "file").await;
    house.gateway.stands().await;
}

/// SSRF-01, SSRF-05, SSRF-08.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_inside_is_refused_unless_the_operator_opened_it() {
    let house = House::with("").await;
    for url in [
        "http://127.0.0.1:1/mcp",
        "https://127.0.0.1/mcp",
        "https://2130706433/mcp",
        "https://[::ffff:169.254.169.254]/mcp",
        "https://10.0.0.1/mcp",
        "https://localhost./mcp",
        "http://mcp.example.com/mcp",
        "ftp://mcp.example.com/mcp",
    ] {
        refused(&house, json!({"server_name": "a", "url": url}), "").await;
        let url_of_tokens = json!({
            "server_name": "a", "url": "https://mcp.example.com/mcp", "auth_type": "oauth2",
            "client_id": "a", "client_secret": "b", "token_url": url,
        });
        refused(&house, url_of_tokens, "").await;
        refused(&house, json!({"server_name": "a", "spec_path": url}), "").await;
        // By its metadata the token endpoint is found.
        let issuer = json!({
            "server_name": "a", "url": "https://mcp.example.com/mcp", "auth_type": "oauth2_id_jag",
            "issuer": "https://as.example.com", "audience": url, "client_id": "a", "client_secret": "b",
            "id_jag_resource_client_id": "a", "id_jag_resource_client_secret": "b",
        });
        refused(&house, issuer, "").await;
    }
    house.gateway.stands().await;
}

/// CFG-06.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_read_as_strictly_as_the_file() {
    let house = House::start().await;
    let url = "https://mcp.example.com/mcp";
    for (body, word) in [
        (
            json!({"server_name": "a", "url": url, "delegate_auth_to_upsteam": true}),
            "did you mean",
        ),
        (
            json!({"server_name": "a", "url": url, "allow_all_keys": "false"}),
            "`true` or `false`",
        ),
        (
            json!({"server_name": "a", "url": url, "allow_all_keys": 1}),
            "`true` or `false`",
        ),
        (
            json!({"server_name": "a", "url": url, "timeout": "soon"}),
            "timeout",
        ),
        (
            json!({"server_name": "a", "url": url, "allowed_tools": {"echo": true}}),
            "allowed_tools",
        ),
        (
            json!({"server_name": "a", "url": url, "auth_type": "kerberos"}),
            "auth_type",
        ),
        (json!({"server_name": "a"}), "url"),
        (json!({"url": url}), "server_name"),
    ] {
        refused(&house, body, word).await;
    }
    let doubled = Ask::post("/v1/mcp/server", &Value::Null).body(format!(
        r#"{{"server_name":"a","url":"{url}","allow_all_keys":false,"allow_all_keys":true}}"#
    ));
    let reply = house.admin.ask(doubled).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    for body in ["[]", "null", "\"x\"", "{", ""] {
        let reply = house
            .admin
            .ask(Ask::post("/v1/mcp/server", &Value::Null).body(body))
            .await;
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
    }
    house.gateway.stands().await;
}

/// CFG-12: a row that was written behind our back is served to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_as_it_was_sealed_is_not_served_and_can_be_taken_away() {
    let house = House::start().await;
    house.define("tools").await;
    let servers = &house.gateway.embedded().stores().servers;
    let mut row = servers.get(&"tools".into()).await.unwrap().unwrap();
    let seen = row.version;
    row.version += 1;
    // The same text for another state, and for another name.
    assert!(servers.replace(&row, seen).await.unwrap());
    let mut moved = row.clone();
    moved.id = "moved".into();
    servers.define(&moved, 10).await.unwrap();
    let shown = house.admin.ask(Ask::get("/v1/mcp/server/tools")).await;
    assert_eq!(shown.status, 503, "{shown:?}");
    let listed: Value = house.admin.ask(Ask::get("/v1/mcp/server")).await.json();
    let names: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["source"])
        .collect();
    assert!(!names.contains(&&json!("api")), "{listed}");
    for name in ["tools", "moved"] {
        let path = format!("/v1/mcp/server/{name}");
        let gone = house.admin.ask(super::support::delete(&path)).await;
        assert_eq!(gone.status, 202, "{gone:?}");
    }
    house.gateway.stands().await;
}

/// Whoever may change a server has its secrets sent to nobody new.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_moved_leaves_its_secrets_behind() {
    let house = House::start().await;
    house.define("tools").await;
    let elsewhere = "https://evil.example";
    for changes in [
        json!({"url": format!("{elsewhere}/mcp")}),
        json!({"token_url": format!("{elsewhere}/token"), "client_secret": {"is_set": true}}),
    ] {
        let asked = super::support::put("/v1/mcp/server/tools", &changes);
        let refused = house.admin.ask(asked).await;
        assert_eq!(refused.status, 400, "{changes}: {refused:?}");
        let told = refused.text();
        assert!(told.contains("send `client_secret` again"), "{told}");
    }
    let called = house.member().ask(super::support::echo_at("tools")).await;
    assert_eq!(called.status, 200, "it is where it was: {called:?}");
    let moved = json!({"url": format!("{elsewhere}/mcp"), "client_secret": "another"});
    let asked = super::support::put("/v1/mcp/server/tools", &moved);
    assert_eq!(house.admin.ask(asked).await.status, 202);
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_every_replica_would_read_all_the_time_is_not_large() {
    let house = House::start().await;
    let long = "x".repeat(64 * 1024);
    let body =
        json!({"server_name": "a", "url": "https://mcp.example.com/mcp", "description": long});
    refused(&house, body, "bytes").await;
    house.gateway.stands().await;
}
