//! `tool_scopes` and `allowed_scopes`: what a server asks of its callers beyond a grant.

use crate::fields::{At, Fields};
use crate::model::ToolScopes;

/// `None`: the server asks for no scope.
pub(crate) fn read(fields: &Fields<'_, '_>, name: &str, alias: Option<&str>) -> Option<ToolScopes> {
    let bounded = fields.has("allowed_scopes");
    let allowed = fields.scopes("allowed_scopes");
    let entries = fields.scopes_map("tool_scopes");
    if !bounded && !fields.has("tool_scopes") {
        return None;
    }
    let everything: Vec<String> = [Some(name), alias]
        .into_iter()
        .flatten()
        .map(|name| format!("{name}/*"))
        .collect();
    let mut scopes = ToolScopes::default();
    for (tool, At { value, place }) in entries {
        let beyond = allowed.missing(&value);
        if bounded && !beyond.is_empty() {
            fields.findings.error(
                place,
                format!("`{beyond}` is not among `allowed_scopes`"),
                "add it there, or ask for a scope that is",
            );
        } else if everything.contains(&tool) {
            if scopes.others.replace(value).is_some() {
                fields.findings.error(
                    place,
                    "what is not listed is mapped twice, by name and by alias",
                    "keep one of the entries",
                );
            }
        } else if tool.contains('*') {
            fields.findings.error(
                place,
                "not a tool of this server",
                format!("tools are written exactly; everything that is not listed is `{name}/*`"),
            );
        } else {
            scopes.tools.insert(tool, value);
        }
    }
    if scopes.tools.is_empty() && scopes.others.is_none() {
        let key = if bounded {
            "allowed_scopes"
        } else {
            "tool_scopes"
        };
        fields.findings.warning(
            fields.place(key),
            format!("no tool is mapped to scopes, so every call is refused; write `tool_scopes: {{{name}/*: [...]}}`"),
        );
    }
    Some(scopes)
}
