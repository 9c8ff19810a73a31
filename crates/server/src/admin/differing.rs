//! The names of what differs between two states of a thing, as its rows show them. Values are nobody's to record.

use serde::Serialize;
use serde_json::{Map, Value};

/// What tells one state from another, and who made it so: told by the record itself.
const OF_THE_STATE: &[&str] = &[
    "created_at",
    "created_by",
    "key_id",
    "token",
    "updated_at",
    "updated_by",
    "version",
];

/// The members of which a row says something else than before; of a thing that was not there, those that say
/// anything.
pub(super) fn differing(before: Option<&impl Serialize>, after: &impl Serialize) -> Vec<String> {
    let before = before.map(members).unwrap_or_default();
    let after = members(after);
    let names = before.keys().chain(after.keys());
    let mut names: Vec<&String> = names
        .filter(|name| !OF_THE_STATE.contains(&name.as_str()))
        .filter(|name| !same(before.get(*name), after.get(*name)))
        .collect();
    names.sort();
    names.dedup();
    names.into_iter().cloned().collect()
}

fn members(row: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn same(before: Option<&Value>, after: Option<&Value>) -> bool {
    before == after || (before.is_none_or(is_blank) && after.is_none_or(is_blank))
}

/// Whether a member says nothing.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_blank),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_something_else_is_named_and_nothing_of_what_it_says() {
        let nothing: Option<&Value> = None;
        let before = json!({
            "team_alias": "ops", "blocked": false, "metadata": {}, "version": 1, "gone": "canary",
        });
        let after = json!({
            "team_alias": "ops", "blocked": true, "metadata": {"a": "canary"}, "version": 2,
            "object_permission": {"mcp_servers": [], "mcp_toolsets": []},
        });
        assert_eq!(
            differing(Some(&before), &after),
            ["blocked", "gone", "metadata"]
        );
        assert_eq!(differing(Some(&after), &after), Vec::<String>::new());
        assert_eq!(differing(nothing, &before), ["gone", "team_alias"]);
    }
}
