//! Callers, and the program that stands behind `transport: stdio`.

use std::path::{Path, PathBuf};

use portcullis_testkit::gateway::{Actor, Ask, Reply, TestGateway};
use serde_json::{Value, json};

/// The program: a server of either era that does what its arguments say.
pub(crate) fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transports/server.py")
}

/// One stdio server of the file: arguments of the program, and further keys as YAML lines.
pub(crate) fn stdio(name: &str, args: &[&str], more: &[&str]) -> String {
    let program = program().display().to_string();
    let args: Vec<&str> = [program.as_str()]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let mut text = format!(
        "  {name}:\n    transport: stdio\n    command: python3\n    args: {}\n",
        json!(args)
    );
    for line in more {
        text.extend(["    ", line, "\n"]);
    }
    text
}

/// A gateway that may start programs.
pub(crate) async fn gateway(servers: &[String]) -> TestGateway {
    gateway_with("", servers).await
}

/// The same, with further general settings as YAML lines.
pub(crate) async fn gateway_with(settings: &str, servers: &[String]) -> TestGateway {
    let yaml = format!(
        "general_settings:\n  allow_stdio: true\n{settings}mcp_servers:\n{}",
        servers.concat()
    );
    TestGateway::start(&yaml).await
}

/// Calls a tool by REST.
pub(crate) async fn rest(
    caller: &Actor,
    server: &str,
    tool: &str,
    arguments: impl Into<Value>,
) -> Reply {
    let arguments: Value = arguments.into();
    let body = json!({"server_id": server, "name": tool, "arguments": arguments});
    caller.ask(Ask::post("/mcp-rest/tools/call", &body)).await
}

/// Calls a tool by REST, and reads the text of its result.
pub(crate) async fn told(caller: &Actor, server: &str, tool: &str) -> String {
    let reply = rest(caller, server, tool, json!({})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    text(&reply)
}

/// The text of a tool's result.
pub(crate) fn text(reply: &Reply) -> String {
    let body = reply.json();
    let result = body.get("result").unwrap_or(&body);
    result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .to_owned()
}

/// A request in a session.
pub(crate) fn in_session(path: &str, session: &str, method: &str, params: &Value) -> Ask {
    Ask::rpc(path, method, params).header("mcp-session-id", session)
}
