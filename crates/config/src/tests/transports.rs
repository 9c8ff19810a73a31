//! How servers are reached.

use super::*;
use crate::model::{EnvValue, StdioProcesses, Transport};

const ON: &str = "general_settings: {allow_stdio: true}\n";

fn server(keys: &str) -> String {
    format!("mcp_servers: {{a: {{url: 'https://a.example/mcp', {keys}}}}}")
}

fn stdio(keys: &str) -> String {
    format!("{ON}mcp_servers: {{a: {{transport: stdio, {keys}}}}}")
}

/// CFG-01: nothing in a server's own keys lets a program be started.
#[test]
fn programs_are_started_only_where_the_operator_says_so() {
    let server = "mcp_servers: {a: {transport: stdio, command: npx, args: [x]}}";
    refused(
        server,
        "programs are not started unless the operator says so",
    );
    refused(
        &format!("general_settings: {{allow_stdio: false}}\n{server}"),
        "allow_stdio: true",
    );
    loaded(&format!("{ON}{server}"));
    for spelled in ["STDIO", "' stdio'"] {
        refused(
            &format!("{ON}mcp_servers: {{a: {{transport: {spelled}, command: npx}}}}"),
            "transport",
        );
    }
}

/// CFG-02
#[test]
fn only_listed_commands_are_started_as_they_are_listed() {
    for command in [
        "sh", "env", "/bin/sh", "./npx", "bin/npx", "/tmp/npx", "npx -y", "../npx",
    ] {
        refused(&stdio(&format!("command: '{command}'")), "command");
    }
    for command in ["npx", "uvx", "python", "python3", "node", "docker", "deno"] {
        loaded(&stdio(&format!("command: {command}")));
    }
    let listed = "general_settings: {allow_stdio: true, stdio_commands: [mine, /opt/theirs]}\n";
    for command in ["mine", "/opt/theirs"] {
        loaded(&format!(
            "{listed}mcp_servers: {{a: {{transport: stdio, command: {command}}}}}"
        ));
    }
    refused(
        &format!("{listed}mcp_servers: {{a: {{transport: stdio, command: /usr/bin/mine}}}}"),
        "not among the commands",
    );
}

#[test]
fn a_program_has_arguments_an_environment_and_a_place() {
    let loaded = loaded(&stdio(
        "command: npx, args: ['-y', 'x; touch y', '$(id)'], cwd: /srv, stdio_processes: shared, env: {A: b}",
    ));
    let Transport::Stdio(command) = &loaded.config.mcp_servers[0].transport else {
        panic!("not a program");
    };
    assert_eq!(command.args, ["-y", "x; touch y", "$(id)"]);
    assert_eq!(command.cwd.as_deref(), Some(std::path::Path::new("/srv")));
    assert_eq!(command.processes, StdioProcesses::Shared);
    assert_eq!(command.env[0].name, "A");
    refused(&stdio("command: npx, cwd: srv"), "not an absolute path");
    refused(&stdio("args: [x]"), "`command` is missing");
}

#[test]
fn what_no_caller_may_hear_is_told_by_its_name_or_by_where_it_comes_from() {
    let text = stdio("command: npx, env: {A: b, API_TOKEN: c, B: '${OTHER}', HOME: '${OTHER}'}");
    let world = World::with_env(&[("OTHER", "elsewhere")]);
    let loaded = world.load(&text).unwrap();
    let Transport::Stdio(command) = &loaded.config.mcp_servers[0].transport else {
        panic!("not a program");
    };
    let secret: Vec<bool> = command.env.iter().map(|variable| variable.secret).collect();
    assert_eq!(secret, [false, true, true, false]);
}

#[test]
fn a_callers_header_goes_to_the_callers_own_process() {
    let loaded = loaded(&stdio("command: npx, env: {TOKEN: '${X-Their-Token}'}"));
    let server = &loaded.config.mcp_servers[0];
    let Transport::Stdio(command) = &server.transport else {
        panic!("not a program");
    };
    assert_eq!(
        command.env[0].value,
        EnvValue::Header("x-their-token".to_owned())
    );
    assert_eq!(server.forwarding.extra_headers, ["x-their-token"]);
    refused(
        &stdio("command: npx, stdio_processes: shared, env: {TOKEN: '${X-Their-Token}'}"),
        "act as whoever came first",
    );
    for ours in ["X-LiteLLM-Api-Key", "Mcp-Session-Id", "X-Forwarded-For"] {
        refused(
            &stdio(&format!("command: npx, env: {{TOKEN: '${{{ours}}}'}}")),
            "is never handed on",
        );
    }
}

#[test]
fn what_belongs_to_http_is_refused_on_stdio_and_the_other_way_round() {
    for keys in [
        "url: 'https://a.example/mcp'",
        "static_headers: {A: b}",
        "extra_headers: [x-a]",
        "auth_type: bearer_token",
        "auth_value: '${TOKEN:-x}'",
        "auth_type: aws_sigv4",
        "auth_type: oauth2_token_exchange",
        "auth_type: true_passthrough",
    ] {
        refused(
            &stdio(&format!("command: npx, {keys}")),
            "has no place on stdio",
        );
    }
    for keys in ["command: npx", "args: [x]", "env: {A: b}", "cwd: /srv"] {
        refused(&server(keys), "is of servers that are processes");
    }
}

#[test]
fn http_sse_carries_every_revision_with_sessions() {
    for revision in [
        "auto",
        "2024-11-05",
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
    ] {
        let loaded = loaded(&server(&format!(
            "transport: sse, protocol_version: {revision}"
        )));
        let transport = &loaded.config.mcp_servers[0].transport;
        assert!(matches!(transport, Transport::Sse(_)), "{transport:?}");
    }
    refused(
        &server("transport: sse, protocol_version: 2026-07-28"),
        "does not carry 2026-07-28",
    );
    loaded(&server("protocol_version: 2024-11-05"));
}
