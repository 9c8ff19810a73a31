//! What a decent server of each era does.

use super::recorded::Recorded;
use super::reply::Reply;
use super::{Era, Shared, State};

/// A plain tool.
pub(super) fn tool(name: &str) -> String {
    format!(
        r#"{{"name":{},"description":"a tool","inputSchema":{{"type":"object"}}}}"#,
        serde_json::Value::from(name)
    )
}

pub(super) fn answer(shared: &Shared, request: &Recorded) -> Reply {
    let mut state = shared.state();
    if request.kind == "TOKEN" {
        return token(&mut state);
    }
    let is_modern = request
        .raw(&["params", "_meta"])
        .is_some_and(|meta| meta.contains("io.modelcontextprotocol/protocolVersion"));
    match shared.era {
        Era::Modern => modern(&state, request, is_modern),
        Era::Both if is_modern => modern(&state, request, true),
        Era::Legacy | Era::Both => legacy(&mut state, request),
    }
}

fn token(state: &mut State) -> Reply {
    state.tokens_made += 1;
    let number = state.tokens_made;
    Reply::json(
        200,
        format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":3600}}"#),
    )
}

fn legacy(state: &mut State, request: &Recorded) -> Reply {
    if request.kind == "initialize" {
        return initialize(state, request);
    }
    match request.header("mcp-session-id") {
        None => {
            let error = r#"{"code":-32000,"message":"Bad Request: no session"}"#;
            let body = format!(r#"{{"jsonrpc":"2.0","error":{error},"id":null}}"#);
            return Reply::json(400, body);
        }
        Some(session) if !state.sessions.contains(session) => {
            return Reply::error(
                request,
                404,
                r#"{"code":-32001,"message":"Session not found"}"#,
            );
        }
        Some(session) if request.kind == "DELETE" => {
            state.sessions.remove(session);
            return Reply::status(200);
        }
        Some(_) => {}
    }
    if request.kind == "GET" {
        return Reply::status(405);
    }
    if !request.is_request() {
        return Reply::status(202);
    }
    match result(state, request) {
        Some(result) => Reply::result(request, &format!("{{{result}}}")),
        None => unknown_method(request, 200),
    }
}

fn initialize(state: &mut State, request: &Recorded) -> Reply {
    state.sessions_made += 1;
    let session = format!("upstream-session-{}", state.sessions_made);
    state.sessions.insert(session.clone());
    let version = request
        .text(&["params", "protocolVersion"])
        .unwrap_or_default();
    let result = format!(
        r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}}},"serverInfo":{{"name":"fake","version":"1"}},"instructions":"be kind"}}"#
    );
    Reply::result(request, &result).header("mcp-session-id", &session)
}

fn modern(state: &State, request: &Recorded, has_meta: bool) -> Reply {
    if request.http_method != "POST" {
        return Reply::status(405);
    }
    if !request.is_request() {
        return Reply::status(202);
    }
    if !has_meta {
        let error = r#"{"code":-32602,"message":"_meta is missing"}"#;
        return Reply::error(request, 400, error);
    }
    let common = r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake","version":"1"}}"#;
    if request.kind == "server/discover" {
        let result = format!(
            r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"ttlMs":1000,"cacheScope":"public",{common}}}"#
        );
        return Reply::result(request, &result);
    }
    let cached = match request.kind.as_str() {
        "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read" => r#","ttlMs":60000,"cacheScope":"public""#,
        _ => "",
    };
    match result(state, request) {
        Some(result) => Reply::result(request, &format!("{{{result}{cached},{common}}}")),
        None => unknown_method(request, 404),
    }
}

fn unknown_method(request: &Recorded, status: u16) -> Reply {
    let error = r#"{"code":-32601,"message":"Method not found"}"#;
    Reply::error(request, status, error)
}

/// The members of a result.
pub(super) fn result(state: &State, request: &Recorded) -> Option<String> {
    let param = |name: &str| request.raw(&["params", name]);
    Some(match request.kind.as_str() {
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            r#""_meta":{}"#.to_owned()
        }
        "tools/list" => page(state, request, "tools", &state.tools),
        "prompts/list" => page(state, request, "prompts", &state.prompts),
        "resources/list" => page(state, request, "resources", &state.resources),
        "resources/templates/list" => page(state, request, "resourceTemplates", &state.templates),
        "tools/call" => format!(
            r#""content":[{{"type":"text","text":"done"}}],"structuredContent":{{"tool":{},"arguments":{}}}"#,
            param("name")?,
            param("arguments").unwrap_or_else(|| "null".to_owned())
        ),
        "prompts/get" => format!(r#""description":{},"messages":[]"#, param("name")?),
        "resources/read" => format!(
            r#""contents":[{{"uri":{},"text":"content"}}]"#,
            param("uri")?
        ),
        "completion/complete" => r#""completion":{"values":["one"]}"#.to_owned(),
        _ => return None,
    })
}

fn page(state: &State, request: &Recorded, member: &str, items: &[String]) -> String {
    let start: usize = request
        .text(&["params", "cursor"])
        .and_then(|cursor| cursor.strip_prefix("at-")?.parse().ok())
        .unwrap_or(0);
    let size = state.page_size.unwrap_or(usize::MAX);
    let shown: Vec<&str> = items
        .iter()
        .skip(start)
        .take(size)
        .map(String::as_str)
        .collect();
    let end = start.saturating_add(size);
    let next = if end < items.len() {
        format!(r#","nextCursor":"at-{end}""#)
    } else {
        String::new()
    };
    format!(r#""{member}":[{}]{next}"#, shown.join(","))
}
