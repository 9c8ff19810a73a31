//! Whatever the admin API changes is on record: who, what, which one, from what to what, and which members. Told of
//! every operation of the OpenAPI document that changes something.

use std::collections::BTreeSet;

use portcullis_testkit::authorization_server::FakeAuthorizationServer;
use portcullis_testkit::gateway::{Actor, Ask, MockServer, Process, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{TEAM_KEY, echo_at};

/// Operations that change nothing although they are no `GET`.
const CHANGES_NOTHING: [&str; 4] = [
    "POST /mcp-rest/test/connection",
    "POST /mcp-rest/test/tools/list",
    "POST /v1/config/diff",
    "POST /v1/policy/explain",
];

const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
/// Stands in bodies, and must not stand on record.
const CANARY: &str = "canary-that-is-in-no-event";

struct Trail<'a> {
    gateway: &'a TestGateway,
    told: BTreeSet<String>,
    changes: usize,
}

impl Trail<'_> {
    /// Asks, and finds on record that something of this kind was changed.
    async fn of(
        &mut self,
        actor: &Actor,
        operation: &str,
        path: &str,
        body: &Value,
        kind: &str,
    ) -> (Value, Value) {
        let (method, _) = operation.split_once(' ').unwrap();
        let ask = match method {
            "POST" => Ask::post(path, body),
            "PUT" => Ask::new("PUT", path)
                .header("content-type", "application/json")
                .body(body.to_string()),
            _ => Ask::new(method, path),
        };
        let reply = actor.ask(ask).await;
        assert!((200..300).contains(&reply.status), "{operation}: {reply:?}");
        let event = self.gateway.event_of(&reply).await;
        assert!(event["principal"].is_string(), "{operation}: {event}");
        let changes = event["changes"].as_array().cloned().unwrap_or_default();
        let mut of_kind = changes.into_iter().filter(|change| change["kind"] == kind);
        let change = of_kind.next();
        let change = change.unwrap_or_else(|| panic!("{operation}: no {kind} in {event}"));
        assert!(change["id"].is_string(), "{operation}: {event}");
        let stated = change["from"].is_string() || change["to"].is_string();
        assert!(stated, "{operation}: {event}");
        assert!(!event.to_string().contains(CANARY), "{operation}: {event}");
        self.told.insert(operation.to_owned());
        self.changes += 1;
        (reply.json(), change)
    }
}

fn changing_operations(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let operation = format!("{} {path}", method.to_uppercase());
            let changes = method != "get" && !CHANGES_NOTHING.contains(&operation.as_str());
            if changes {
                found.insert(operation);
            }
        }
    }
    found
}

async fn keys(trail: &mut Trail<'_>, admin: &Actor) {
    let wish = json!({"key_alias": "ci", "rpm_limit": 5, "metadata": {"note": CANARY}});
    let (made, change) = trail
        .of(admin, "POST /key/generate", "/key/generate", &wish, "key")
        .await;
    assert_eq!(change["fields"], json!(["key_alias", "metadata", "role"]));
    let id = made["key_id"].as_str().unwrap();
    assert_eq!((&change["id"], &change["from"]), (&json!(id), &Value::Null));
    let wish = json!({"key_id": id, "max_budget": 1, "key_alias": "cd"});
    let (_, change) = trail
        .of(admin, "POST /key/update", "/key/update", &wish, "limits")
        .await;
    let expected = json!({
        "kind": "limits", "id": format!("key {id}"), "from": "1", "to": "2", "fields": ["max_budget"],
    });
    assert_eq!(change, expected);
    let of_key = format!("/v1/limits/key/{id}");
    let none = json!({"rpm_limit": null});
    let (_, change) = trail
        .of(
            admin,
            "POST /v1/limits/{kind}/{id}",
            &of_key,
            &none,
            "limits",
        )
        .await;
    assert_eq!(change["fields"], json!(["rpm_limit"]));
    let wish = json!({"keys": [id]});
    let (_, change) = trail
        .of(admin, "POST /key/delete", "/key/delete", &wish, "key")
        .await;
    assert_eq!(change["to"], "revoked");
}

async fn levels(trail: &mut Trail<'_>, admin: &Actor) {
    for (path, id, ids, kind) in [
        ("/team", "team_id", "team_ids", "team"),
        (
            "/organization",
            "organization_id",
            "organization_ids",
            "organization",
        ),
        ("/user", "user_id", "user_ids", "user"),
        ("/customer", "user_id", "user_ids", "end_user"),
    ] {
        let of = |verb: &str| (format!("POST {path}/{verb}"), format!("{path}/{verb}"));
        let (operation, at) = of("new");
        let wish = json!({id: "somebody", "max_parallel_requests": 3, "metadata": {"a": CANARY}});
        let (_, change) = trail.of(admin, &operation, &at, &wish, kind).await;
        assert_eq!(
            (&change["to"], &change["from"]),
            (&json!("1"), &Value::Null)
        );
        let (operation, at) = of("update");
        let wish = json!({id: "somebody", "blocked": true});
        let (_, change) = trail.of(admin, &operation, &at, &wish, kind).await;
        let expected = json!({
            "kind": kind, "id": "somebody", "from": "1", "to": "2", "fields": ["blocked"],
        });
        assert_eq!(change, expected);
        if kind == "team" {
            for (verb, wish, fields) in [
                ("unblock", json!({}), json!(["blocked"])),
                (
                    "member_add",
                    json!({"member": {"user_id": "ann", "role": "user"}}),
                    json!(["members_with_roles"]),
                ),
                (
                    "member_delete",
                    json!({"user_id": "ann"}),
                    json!(["members_with_roles"]),
                ),
                ("block", json!({}), json!(["blocked"])),
            ] {
                let mut wish = wish;
                wish["team_id"] = "somebody".into();
                let (operation, at) = of(verb);
                let (_, change) = trail.of(admin, &operation, &at, &wish, kind).await;
                if verb != "member_delete" {
                    assert_eq!(change["fields"], fields, "{verb}");
                }
            }
        }
        let (operation, at) = of("delete");
        let wish = json!({ids: ["somebody"]});
        let (_, change) = trail.of(admin, &operation, &at, &wish, kind).await;
        assert_eq!(change["to"], Value::Null);
    }
}

async fn toolsets(trail: &mut Trail<'_>, admin: &Actor) {
    let wish = json!({
        "toolset_name": "desk", "tools": [{"server_id": "support", "tool_name": "echo"}],
    });
    let path = "/v1/mcp/toolset";
    let (made, _) = trail
        .of(admin, "POST /v1/mcp/toolset", path, &wish, "toolset")
        .await;
    let id = made["toolset_id"].as_str().unwrap();
    let wish = json!({"toolset_id": id, "description": CANARY});
    let (_, change) = trail
        .of(admin, "PUT /v1/mcp/toolset", path, &wish, "toolset")
        .await;
    assert_eq!(change["fields"], json!(["description"]));
    let path = format!("{path}/{id}");
    let nothing = json!({});
    trail
        .of(
            admin,
            "DELETE /v1/mcp/toolset/{id}",
            &path,
            &nothing,
            "toolset",
        )
        .await;
}

async fn servers(trail: &mut Trail<'_>, admin: &Actor, member: &Actor, at: &str) {
    let entry = |name: &str| json!({"server_name": name, "url": at, "auth_type": "bearer_token", "auth_value": CANARY});
    let all = "/v1/mcp/server";
    let (made, change) = trail
        .of(admin, "POST /v1/mcp/server", all, &entry("one"), "server")
        .await;
    assert_eq!(change["fields"], json!(["auth_type", "auth_value", "url"]));
    assert_eq!(change["to"], made["version"]);
    let another = json!({"server_name": "one", "auth_value": format!("{CANARY}-too")});
    let (_, change) = trail
        .of(admin, "PUT /v1/mcp/server", all, &another, "server")
        .await;
    assert_eq!(
        change["fields"],
        json!(["auth_value"]),
        "a secret is told to differ"
    );
    assert_eq!(change["from"], made["version"]);
    let described = json!({"description": "of the payments team"});
    let one = "/v1/mcp/server/one";
    let (_, change) = trail
        .of(admin, "PUT /v1/mcp/server/{id}", one, &described, "server")
        .await;
    assert_eq!(change["fields"], json!(["description"]));
    let nothing = json!({});
    trail
        .of(admin, "DELETE /v1/mcp/server/{id}", one, &nothing, "server")
        .await;
    let desktop = json!({"mcpServers": {"two": {"url": at}}});
    let path = "/v1/mcp/server/import";
    let (_, change) = trail
        .of(
            admin,
            "POST /v1/mcp/server/import",
            path,
            &desktop,
            "server",
        )
        .await;
    assert_eq!(change["id"], "two");
    let path = "/v1/mcp/server/register";
    let submitted = json!({"server_name": "three", "url": at});
    trail
        .of(
            member,
            "POST /v1/mcp/server/register",
            path,
            &submitted,
            "server",
        )
        .await;
    for verb in ["approve", "reject"] {
        let operation = format!("PUT /v1/mcp/server/{{id}}/{verb}");
        let path = format!("/v1/mcp/server/three/{verb}");
        let (_, change) = trail.of(admin, &operation, &path, &nothing, "server").await;
        assert_eq!(change["fields"], json!(["approval_status"]));
    }
}

async fn decisions(trail: &mut Trail<'_>, admin: &Actor, member: &Actor) {
    for (verb, state) in [("approve", "granted"), ("deny", "denied")] {
        let asked = json!({
            "name": "echo", "arguments": {"message": verb}, "server_id": "support",
        });
        let waits = member.ask(Ask::post("/mcp-rest/tools/call", &asked)).await;
        assert_eq!(waits.status, 202, "{waits:?}");
        let listed = admin.ask(Ask::get("/v1/approvals?status=pending")).await;
        let id = listed.json()["approvals"][0]["id"].clone();
        let operation = format!("POST /v1/approvals/{{id}}/{verb}");
        let path = format!("/v1/approvals/{}/{verb}", id.as_str().unwrap());
        let reason = json!({"reason": CANARY});
        let (_, change) = trail
            .of(admin, &operation, &path, &reason, "approval")
            .await;
        assert_eq!(
            (&change["from"], &change["to"]),
            (&json!("pending"), &json!(state))
        );
    }
    let wish = json!({"user_id": "carol"});
    let path = "/v1/revocations";
    let (made, _) = trail
        .of(admin, "POST /v1/revocations", path, &wish, "revocation")
        .await;
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    let nothing = json!({});
    let operation = "DELETE /v1/revocations/{id}";
    let (_, change) = trail
        .of(admin, operation, &path, &nothing, "revocation")
        .await;
    assert_eq!(change["to"], "lifted");
    let client = json!({"client_id": "https://client.example/about?x=1"});
    let path = "/v1/oauth/clients/end";
    let (_, change) = trail
        .of(admin, "POST /v1/oauth/clients/end", path, &client, "client")
        .await;
    assert_eq!(change["id"], "https://client.example/about");
}

async fn own_credentials(
    trail: &mut Trail<'_>,
    authorization: &FakeAuthorizationServer,
    upstream: &FakeUpstream,
) {
    let alice = trail.gateway.key("alice", &["files"]).await;
    let grant = json!({
        "access_token": CANARY, "refresh_token": authorization.grants("ours", &upstream.url()),
        "expires_in": 3600,
    });
    let path = "/v1/mcp/server/files/oauth-user-credential";
    for (method, body) in [("POST", grant), ("DELETE", json!({}))] {
        let operation = format!("{method} /v1/mcp/server/{{id}}/oauth-user-credential");
        let (_, change) = trail
            .of(&alice, &operation, path, &body, "connection")
            .await;
        assert_eq!(change["id"], "files");
    }
}

async fn pins(trail: &mut Trail<'_>, admin: &Actor) {
    let path = "/v1/pins/support/echo";
    let listed = admin.ask(Ask::get("/mcp-rest/tools/list?server_id=support"));
    assert_eq!(listed.await.status, 200);
    let mut pinned = Value::Null;
    portcullis_testkit::eventually("the tool is pinned", async || {
        let reply = admin.ask(Ask::get(path)).await;
        if reply.status == 200 {
            pinned = reply.json();
        }
        reply.status == 200
    })
    .await;
    let (operation, at) = (
        "POST /v1/pins/{server}/{tool}/approve",
        format!("{path}/approve"),
    );
    let wish = json!({"hash": pinned["hash"]});
    let (_, change) = trail.of(admin, operation, &at, &wish, "pin").await;
    let expected = json!({
        "kind": "pin", "id": "support/echo", "from": pinned["hash"], "to": pinned["hash"],
    });
    assert_eq!(change, expected);
    let operation = "DELETE /v1/pins/{server}/{tool}";
    let (_, change) = trail.of(admin, operation, path, &json!({}), "pin").await;
    assert_eq!(change["to"], "forgotten");
}

/// Of a gateway with a file: which keys of it differ.
async fn reload(mock: &MockServer) -> &'static str {
    let folder = tempfile::tempdir().unwrap();
    let file = |more: &str| {
        let text = format!(
            "general_settings:\n  master_key: \"{MASTER}\"\nmcp_servers:\n{}{more}",
            mock.entry("support")
        );
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
    };
    file("");
    let args = ["--config", "c.yaml", "--port", "0"];
    let gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
    file("    disallowed_tools: [echo]\n");
    let reload = Ask::post("/v1/config/reload", &json!({}));
    let reloaded = gateway.ask_as(MASTER, reload).await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    let id = reloaded.header("x-request-id").unwrap();
    let path = format!("/v1/audit?request_id={id}");
    let mut events = Vec::new();
    portcullis_testkit::eventually("the event is on record", async || {
        let page = gateway.ask_as(MASTER, Ask::get(&path)).await.json();
        events = page["events"].as_array().cloned().unwrap_or_default();
        !events.is_empty()
    })
    .await;
    let change = &events[0]["changes"][0];
    assert_eq!(change["kind"], "configuration", "{events:?}");
    assert_eq!(change["to"], reloaded.json()["generation"].to_string());
    "POST /v1/config/reload"
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_changes_something_says_on_record_what() {
    let mock = MockServer::start().await;
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.knows("ours", Some("the-client-secret"), "client_secret_post");
    let origin = authorization.origin();
    let yaml = format!(
        "server: {{api_private_addresses: true}}\nidentity:\n  keys:\n    - {{id: member, key: {TEAM_KEY}, \
         team: payments, servers: [support]}}\nmcp_servers:\n{}    require_approval: always\n  \
         files: {{url: \"{}\", auth_type: oauth2, oauth2_flow: authorization_code, client_id: ours, \
         client_secret: the-client-secret, authorization_url: \"{origin}/authorize\", \
         token_url: \"{origin}/token\"}}\n",
        mock.entry("support"),
        upstream.url(),
    );
    let gateway = TestGateway::start(&yaml).await;
    let (admin, member) = (gateway.admin().await, gateway.bearer(TEAM_KEY));
    let document = admin.ask(Ask::get("/openapi.json")).await.json();
    let mut trail = Trail {
        gateway: &gateway,
        told: BTreeSet::new(),
        changes: 0,
    };
    assert_eq!(member.ask(echo_at("support")).await.status, 202);
    keys(&mut trail, &admin).await;
    decisions(&mut trail, &admin, &member).await;
    let at = format!("{}/mcp", mock.url());
    servers(&mut trail, &admin, &member, &at).await;
    own_credentials(&mut trail, &authorization, &upstream).await;
    toolsets(&mut trail, &admin).await;
    levels(&mut trail, &admin).await;
    pins(&mut trail, &admin).await;
    let events = gateway.events().await;
    let changing = events.iter().filter(|event| event["changes"].is_array());
    assert_eq!(
        changing.count(),
        trail.changes,
        "who only looked changed nothing"
    );
    trail.told.insert(reload(&mock).await.to_owned());
    assert_eq!(trail.told, changing_operations(&document));
}
