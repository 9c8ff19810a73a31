//! Who may call what by which door, asked of the running gateway and written down for people who do not
//! read code: `docs/reference/authorization.md`.

use std::fmt::Write;
use std::path::Path;

use portcullis_testkit::gateway::{Ask, MockServer, TestGateway};
use serde_json::json;

const PAGE: &str = "../../docs/reference/authorization.md";

/// Set, the page is written instead of compared.
const WRITE: &str = "PORTCULLIS_WRITE_GOLDEN";

/// The callers, and what the file says about each.
const CALLERS: [(&str, &str, &str); 8] = [
    ("nobody", "", "presents nothing"),
    ("bare", "servers: []", "a key without any grant"),
    (
        "named",
        "servers: [lists, scopes, rules, inside]",
        "a key that is granted each server by its name",
    ),
    (
        "grouped",
        "access_groups: [staff]",
        "a key that is granted the access group `staff`",
    ),
    (
        "scoped",
        "servers: [scopes], scopes: 'tools:read'",
        "a key with one server and the scope `tools:read`",
    ),
    (
        "everything",
        "all_servers: true",
        "a key that is granted all servers",
    ),
    (
        "member",
        "team: helpers",
        "a key without a list, in the team `helpers`, which lists `lists` and `rules`, of `lists` only `echo`, and blocks `get_customer_info` on `rules`",
    ),
    (
        "capped",
        "all_servers: true, team: helpers",
        "a key that is granted all servers, in the same team",
    ),
];

const TEAMS: &str = r"teams:
  helpers:
    servers: [lists, rules]
    mcp_tool_permissions: {lists: [echo]}
    blocked_tools: [rules/get_customer_info]
";

/// The servers, and what the file says about each.
const SERVERS: [(&str, &str, &str); 5] = [
    ("open", "allow_all_keys: true", "for every key"),
    (
        "lists",
        "access_groups: [staff]\n    disallowed_tools: [get_customer_info]\n    allowed_params: {echo: [message]}\n    argument_schemas: {echo: {properties: {message: {type: string, maxLength: 10}}}}",
        "in the group `staff`, never `get_customer_info`, `echo` only with a `message` of up to 10 characters",
    ),
    (
        "scopes",
        "tool_scopes: {echo: [tools:read]}",
        "`echo` needs the scope `tools:read`, everything else is not mapped",
    ),
    (
        "rules",
        "access_groups: [staff]",
        "in the group `staff`; a rule allows `echo` to the key `named` alone, and a rule denies `get_customer_info`",
    ),
    (
        "inside",
        "available_on_public_internet: false",
        "for callers from inside; all callers here are outside",
    ),
];

const RULES: &str = r#"policy:
  rules:
    - {name: echo-for-named, effect: allow, servers: [rules], tools: [echo], when: principal.key_id == "named"}
    - {name: no-customers, effect: deny, servers: [rules], tools: [get_customer_info], when: "true"}
"#;

/// What is called, with which arguments.
const CALLS: [(&str, &str, &str); 4] = [
    ("echo", r#"{"message":"hi"}"#, "`echo`"),
    (
        "echo",
        r#"{"message":"hi","loud":true}"#,
        "`echo` with `loud`",
    ),
    ("echo", r#"{"message":"more than ten"}"#, "`echo`, long"),
    (
        "get_customer_info",
        r#"{"customer_id":"C001"}"#,
        "`get_customer_info`",
    ),
];

const DOORS: [&str; 4] = ["`/mcp/{name}`", "`/mcp`", "2026-07-28", "REST"];

fn secret(caller: &str) -> String {
    format!("sk-pc-{caller}-7Qm2vT9dKx4RzP1sWn8uYb3")
}

fn ask(door: usize, server: &str, tool: &str, arguments: &str) -> Ask {
    let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap();
    let mut call = json!({"name": tool, "arguments": arguments});
    match door {
        0 => Ask::rpc(&format!("/mcp/{server}"), "tools/call", &call),
        1 => {
            call["name"] = format!("{server}-{tool}").into();
            Ask::rpc("/mcp", "tools/call", &call)
        }
        2 => {
            call["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            Ask::rpc(&format!("/mcp/{server}"), "tools/call", &call)
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", tool)
        }
        _ => {
            call["server_id"] = server.into();
            Ask::post("/mcp-rest/tools/call", &call)
        }
    }
}

async fn house() -> (TestGateway, MockServer) {
    let mock = MockServer::start().await;
    let mut yaml = "mcp_servers:\n".to_owned();
    for (name, keys, _) in SERVERS {
        writeln!(yaml, "{}    {keys}", mock.entry(name)).unwrap();
    }
    yaml.push_str("identity:\n  keys:\n");
    for (name, grants, _) in CALLERS.iter().filter(|(_, grants, _)| !grants.is_empty()) {
        writeln!(
            yaml,
            "    - {{id: {name}, key: {}, {grants}}}",
            secret(name)
        )
        .unwrap();
    }
    yaml.push_str(RULES);
    yaml.push_str(TEAMS);
    (TestGateway::start(&yaml).await, mock)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_who_may_call_what_says_what_happens() {
    let (gateway, mock) = house().await;
    let mut page = "# Who may call what\n\nAsked of a running gateway by a test, which fails when this page is not what happens. A call is\n\
        *allowed*, *forbidden* (the caller is told so), *hidden* (it reads like a call of something that does not\n\
        exist) or *turned away* at the door; beside it stands the rule that decided, as in the audit event's `rule`.\n\n\
        | caller | |\n|---|---|\n"
        .to_owned();
    for (name, _, told) in CALLERS {
        writeln!(page, "| {name} | {told} |").unwrap();
    }
    page.push_str("\n| server | |\n|---|---|\n");
    for (name, _, told) in SERVERS {
        writeln!(page, "| {name} | {told} |").unwrap();
    }
    writeln!(
        page,
        "\nThe doors are a server's own endpoint and the aggregate for clients with sessions, a server's own endpoint\n\
         for clients of 2026-07-28, and `/mcp-rest/tools/call`."
    )
    .unwrap();
    for (caller, _, _) in CALLERS {
        let actor = match caller {
            "nobody" => gateway.anonymous(),
            _ => gateway.bearer(&secret(caller)),
        };
        writeln!(
            page,
            "\n## {caller}\n\n| server | call | {} |",
            DOORS.join(" | ")
        )
        .unwrap();
        writeln!(page, "|---|---|{}", "---|".repeat(DOORS.len())).unwrap();
        for (server, _, _) in SERVERS {
            for (tool, arguments, told) in CALLS {
                write!(page, "| {server} | {told} |").unwrap();
                for door in 0..DOORS.len() {
                    let before = mock.stats().await.calls;
                    let reply = actor.ask(ask(door, server, tool, arguments)).await;
                    let event = gateway.event_of(&reply).await;
                    let outcome = event["outcome"].as_str().unwrap();
                    let reached = mock.stats().await.calls - before;
                    let word = match outcome {
                        "ok" | "tool_error" => "allowed",
                        "forbidden" => "forbidden",
                        "not_found" => "hidden",
                        "unauthenticated" => "turned away",
                        other => panic!("{caller} {server} {tool} {door}: {other}: {reply:?}"),
                    };
                    assert_eq!(
                        reached > 0,
                        word == "allowed",
                        "{caller} {server} {tool}: {reply:?}"
                    );
                    let rule = event["rule"].as_str().map(|rule| format!(" ({rule})"));
                    write!(page, " {word}{} |", rule.unwrap_or_default()).unwrap();
                }
                page.push('\n');
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever runs the test says whether the page is written"
    )]
    let writes = std::env::var_os(WRITE).is_some();
    if writes {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == written,
        "docs/reference/authorization.md is not what happens: look at what changed, and if that is meant, \
         run this test with {WRITE}=1 and commit the page\n{page}"
    );
}
