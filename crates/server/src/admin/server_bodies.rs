//! Bodies of `/v1/mcp/server`, in LiteLLM's shapes: its names become the keys of an entry of `mcp_servers`, which
//! is judged by the reader of the file.

use portcullis_core::ServerId;
use serde_json::{Map, Value};

use crate::server_book::NewServer;

/// Members that LiteLLM's forms send along and that say nothing about a server: what we say of it ourselves.
const OURS_TO_SAY: &[&str] = &[
    "approval_status",
    "created_at",
    "created_by",
    "definition",
    "era",
    "health_check_error",
    "last_health_check",
    "problems",
    "provenance",
    "review_notes",
    "reviewed_at",
    "reviewed_by",
    "sessions",
    "source",
    "status",
    "submitted_at",
    "submitted_by",
    "teams",
    "tools",
    "updated_at",
    "updated_by",
    "version",
    "warnings",
];

/// LiteLLM's other names.
const RENAMED: &[(&str, &str)] = &[
    ("mcp_access_groups", "access_groups"),
    ("token_exchange_url", "token_exchange_endpoint"),
];

/// The server that a body asks for; `Err` says what is wrong with it.
pub(super) fn new_server(
    mut body: Map<String, Value>,
    submitted: bool,
) -> Result<NewServer, String> {
    let id = name(&mut body)?.ok_or("say `server_name`: what grants and addresses will call it")?;
    Ok(NewServer {
        id,
        // Of a new server a blank is nothing: there is nothing to take away.
        entry: entry(body)?
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        submitted,
    })
}

/// Which server a body changes, and its keys; `null` takes one away.
pub(super) fn changes(
    mut body: Map<String, Value>,
) -> Result<(ServerId, Map<String, Value>), String> {
    let id = name(&mut body)?.ok_or("say `server_id`")?;
    Ok((id, entry(body)?))
}

/// A server that is only tried: it needs no name.
pub(super) fn nameless(mut body: Map<String, Value>) -> Result<Map<String, Value>, String> {
    name(&mut body)?;
    let entry = entry(body)?.into_iter();
    Ok(entry.filter(|(_, value)| !value.is_null()).collect())
}

/// `server_id` and `server_name` are one here: the name is what grants and addresses say.
fn name(body: &mut Map<String, Value>) -> Result<Option<ServerId>, String> {
    let mut names = Vec::new();
    for member in ["server_id", "server_name"] {
        match body.remove(member) {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) => names.push(name),
            Some(_) => return Err(format!("`{member}` is a text")),
        }
    }
    match (names.pop(), names.pop()) {
        (Some(one), Some(other)) if one != other => {
            Err("`server_id` and `server_name` are the same thing here: say one of them".to_owned())
        }
        (one, _) => Ok(one.map(ServerId::from)),
    }
}

fn entry(body: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut entry = Map::new();
    let mut put = |name: String, value: Value| {
        let known = RENAMED.iter().find(|(theirs, _)| *theirs == name);
        let name = known.map_or(name, |(_, ours)| (*ours).to_owned());
        match entry.insert(name.clone(), value) {
            None => Ok(()),
            Some(_) => Err(format!("`{name}` is said twice")),
        }
    };
    for (name, value) in body {
        match (name.as_str(), value) {
            (name, _) if OURS_TO_SAY.contains(&name) => {}
            ("credentials", Value::Object(credentials)) => {
                for (name, value) in credentials {
                    put(name, value)?;
                }
            }
            // What LiteLLM's forms send for servers that are no programs.
            ("credentials" | "command", Value::Null) => {}
            ("command", Value::String(text)) if text.is_empty() => {}
            ("args", Value::Array(items)) if items.is_empty() => {}
            ("env", Value::Object(items)) if items.is_empty() => {}
            (_, value) => put(name, value)?,
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<NewServer, String> {
        let Value::Object(body) = body else {
            panic!("{body}")
        };
        new_server(body, false)
    }

    #[test]
    fn litellms_names_become_the_keys_of_the_file() {
        let new = read(json!({
            "server_name": "github", "alias": "gh", "url": "https://mcp.example/mcp", "transport": "http",
            "mcp_access_groups": ["dev"], "credentials": {"client_id": "a", "client_secret": "b"},
            "command": "", "args": [], "env": {}, "status": "active", "description": null,
        }))
        .unwrap();
        assert_eq!(new.id.as_str(), "github");
        let expected = json!({
            "alias": "gh", "url": "https://mcp.example/mcp", "transport": "http", "access_groups": ["dev"],
            "client_id": "a", "client_secret": "b",
        });
        assert_eq!(Value::Object(new.entry), expected);
    }

    #[test]
    fn what_is_said_twice_or_with_two_names_is_refused() {
        for bad in [
            json!({"url": "https://a.example"}),
            json!({"server_name": "a", "server_id": "b"}),
            json!({"server_name": 7}),
            json!({"server_name": "a", "client_id": "x", "credentials": {"client_id": "y"}}),
            json!({"server_name": "a", "access_groups": ["x"], "mcp_access_groups": ["y"]}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_is_no_blank_and_reaches_the_judge() {
        let new = read(json!({"server_name": "a", "command": "npx", "args": ["x"]})).unwrap();
        assert_eq!(new.entry.len(), 2, "{:?}", new.entry);
    }
}
