//! One server.

use portcullis_policy::ApprovalRules;

use super::forwarding;
use super::limits;
use super::page::{Page, quoted, seconds, shown, url};
use super::upstream_auth::auth;
use crate::model::{
    EnvValue, McpServer, Revision, SpecPath, StaticHeader, StdioProcesses, Transport,
};

/// How it is reached. Arguments may hold what is not for everybody's eyes.
fn transport(page: &mut Page<'_>, transport: &Transport) {
    page.value(4, "transport", transport.name());
    let command = match transport {
        Transport::Http(address) | Transport::Sse(address) => {
            return page.value(4, "url", quoted(url(address)));
        }
        Transport::OpenApi(api) => {
            let document = match &api.document {
                SpecPath::File(path) => path.display().to_string(),
                SpecPath::Address(address) => url(address),
            };
            page.value(4, "spec_path", quoted(document));
            let base = api.url.as_ref().map(|base| quoted(url(base)));
            return page.optional(4, "url", base.as_ref());
        }
        Transport::Stdio(command) => command,
    };
    page.value(4, "command", quoted(&command.command));
    page.value(4, "args", format!("({} of them)", command.args.len()));
    if !command.env.is_empty() {
        page.heading(4, "env");
        for variable in &command.env {
            match &variable.value {
                EnvValue::Fixed(value) => page.value(6, &variable.name, shown(value)),
                EnvValue::Header(name) => {
                    page.value(6, &variable.name, format!("the caller's `{name}`"));
                }
            }
        }
    }
    let processes = match command.processes {
        StdioProcesses::PerPrincipal => "per_principal",
        StdioProcesses::Shared => "shared",
    };
    page.value(4, "stdio_processes", processes);
}

pub(super) fn mcp_server(page: &mut Page<'_>, server: &McpServer) {
    let paths = [
        format!("mcp_servers.{}", server.id),
        format!("servers.{}", server.id),
    ];
    for path in &paths {
        page.why(2, path);
    }
    page.heading(2, server.id.as_str());
    transport(page, &server.transport);
    page.optional(4, "alias", server.alias.as_ref());
    page.optional(4, "description", server.description.as_ref());
    page.optional(4, "instructions", server.instructions.as_ref());
    let revision = match server.protocol_version {
        Revision::Auto => "auto",
        Revision::Exactly(date) => date,
    };
    page.value(4, "protocol_version", revision);
    for path in &paths {
        page.why(4, &format!("{path}.auth_type"));
    }
    page.value(4, "auth_type", server.auth.auth_type());
    auth(page, &server.auth);
    if server.signed {
        page.value(4, "jwt_signer", true);
    }
    if !server.static_headers.is_empty() {
        page.heading(4, "static_headers");
        for StaticHeader { name, value } in &server.static_headers {
            page.value(6, name, shown(value));
        }
    }
    forwarding::forwarding(page, server);
    page.list(4, "access_groups", &server.access_groups);
    page.value(4, "allow_all_keys", server.allow_all_keys);
    if server.inside_only {
        page.value(4, "available_on_public_internet", false);
    }
    if let Some(tools) = &server.allowed_tools {
        page.restriction(4, "allowed_tools", tools);
    }
    page.list(4, "disallowed_tools", &server.disallowed_tools);
    if !server.allowed_params.is_empty() {
        page.heading(4, "allowed_params");
        for (tool, params) in &server.allowed_params {
            page.restriction(6, tool, params);
        }
    }
    if !server.argument_schemas.is_empty() {
        page.heading(4, "argument_schemas");
        for (tool, schema) in &server.argument_schemas {
            page.value(6, tool, schema.as_str());
        }
    }
    approval(page, &server.approval);
    if let Some(on_drift) = server.on_drift {
        page.value(4, "on_drift", on_drift.as_str());
    }
    if let Some(scopes) = &server.scopes {
        page.heading(4, "tool_scopes");
        for (tool, needed) in &scopes.tools {
            page.restriction(6, tool, needed.iter());
        }
        if let Some(needed) = &scopes.others {
            page.restriction(6, &format!("{}/*", server.id), needed.iter());
        }
    }
    limits::of_server(page, &server.limits);
    page.value(4, "allow_sampling", server.allow_sampling);
    page.value(4, "allow_elicitation", server.allow_elicitation);
    page.value(4, "timeout", seconds(server.timeout));
    page.value(4, "total_timeout", seconds(server.total_timeout));
    page.value(4, "allow_insecure_http", server.allow_insecure_http);
}

/// Which tools need an approval.
fn approval(page: &mut Page<'_>, rules: &ApprovalRules) {
    if *rules == ApprovalRules::default() {
        return;
    }
    if rules.always.is_empty() && rules.never.is_empty() {
        page.value(4, "require_approval", rules.otherwise.as_str());
        return;
    }
    page.heading(4, "require_approval");
    page.list(6, "always", &rules.always);
    page.list(6, "never", &rules.never);
    page.value(6, "all others", rules.otherwise.as_str());
}
