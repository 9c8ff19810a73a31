//! `POST /v1/mcp/server/import`: the `mcpServers` that desktop clients keep, as servers. Programs among them are
//! refused, each for itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Target;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use super::server_bodies::new_server;
use super::servers::{on_record, seen_through};
use super::strict::StrictObject;
use crate::openapi::Problem;
use crate::server_book::{BookError, NewServer};
use crate::state::ServerState;

/// Most servers of one import.
const MOST: usize = 16;
/// Longest that their names may be together: what is longer, the audit event would not keep.
const MOST_NAMED: usize = 256;

/// What became of each.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Imported {
    /// The names of those that are served now.
    imported: Vec<String>,
    refused: Vec<RefusedImport>,
}

/// One that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedImport {
    server_name: String,
    /// What is wrong with it.
    detail: String,
}

/// Define the servers of `mcpServers` (or `mcp_servers`), 16 at most; what is wrong with one keeps no other away.
#[utoipa::path(
    post, path = "/v1/mcp/server/import", tag = "servers", request_body = Object,
    responses(
        (status = 200, description = "What became of each.", body = Imported),
        (status = 409, description = "This gateway keeps no servers beside its file.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn import(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/server:import").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let body = match read::<StrictObject>(&state, &mut call, &parts, body).await {
        Ok(body) => body.0,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let servers = match servers(body) {
        Ok(servers) => servers,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let names = match names(&servers) {
        Ok(names) => names,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    call.audit.target(Target::server(&names));
    call.audit.allowed(rule(call.principal.role));
    let Some(book) = state.servers.clone() else {
        let detail = "this gateway keeps no servers beside its file";
        return problem(call, ErrorKind::Conflict, detail).await;
    };
    let by = Arc::clone(&call.principal);
    let work = async move {
        let (mut imported, mut changes) = (Imported::default(), Vec::new());
        for (name, entry) in servers {
            let defined = match wish(&name, entry) {
                Ok(wish) => book.define(wish, &by).await,
                Err(detail) => Err(BookError::Invalid(detail)),
            };
            match defined {
                Ok(changed) => {
                    changes.push(on_record(&changed));
                    imported.imported.push(name);
                }
                Err(error) => imported.refused.push(RefusedImport {
                    server_name: name,
                    detail: error.to_string(),
                }),
            }
        }
        Ok((imported, changes))
    };
    match seen_through(&state, work).await {
        Ok((imported, changes)) => {
            for change in changes {
                call.audit.changed(change);
            }
            done(call, &imported).await
        }
        Err(error) => super::servers::failed(call, &error).await,
    }
}

fn servers(body: Map<String, Value>) -> Result<Vec<(String, Value)>, String> {
    let mut members = body.into_iter();
    let (Some((name, Value::Object(servers))), None) = (members.next(), members.next()) else {
        return Err("say `mcpServers`: a map of names to servers, and nothing else".to_owned());
    };
    if !matches!(name.as_str(), "mcpServers" | "mcp_servers") {
        return Err(format!("`{name}` is not `mcpServers`"));
    }
    if servers.is_empty() || servers.len() > MOST {
        return Err(format!("from 1 to {MOST} servers at a time"));
    }
    Ok(servers.into_iter().collect())
}

/// Which servers are meant, for the record: all of them, and a comma is never part of a name.
fn names(servers: &[(String, Value)]) -> Result<String, String> {
    let names: Vec<&str> = servers.iter().map(|(name, _)| name.as_str()).collect();
    let is_usable = |name: &&str| {
        let mut bytes = name.bytes();
        (1..=64).contains(&name.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    if let Some(odd) = names.iter().find(|name| !is_usable(name)) {
        return Err(format!(
            "{odd:?} is not a usable name: 1 to 64 letters, digits, `_`, `.` or `-`"
        ));
    }
    let joined = names.join(",");
    if joined.len() > MOST_NAMED {
        return Err(format!(
            "the names are longer than {MOST_NAMED} bytes together: import fewer servers at a time"
        ));
    }
    Ok(joined)
}

/// An entry of a desktop client's file: its `type` is our `transport`, its `headers` are sent with every request.
fn wish(name: &str, entry: Value) -> Result<NewServer, String> {
    let Value::Object(mut entry) = entry else {
        return Err("a server is a map".to_owned());
    };
    if let Some(kind) = entry.remove("type") {
        let transport = match kind.as_str() {
            Some("http" | "streamable-http" | "streamableHttp") => "http".into(),
            Some("url") if entry.contains_key("url") => "http".into(),
            _ => kind,
        };
        entry.insert("transport".to_owned(), transport);
    }
    if entry.contains_key("server_name") || entry.contains_key("server_id") {
        return Err("its name is the key that it stands under".to_owned());
    }
    entry.insert("server_name".to_owned(), name.into());
    new_server(entry, false)
}
