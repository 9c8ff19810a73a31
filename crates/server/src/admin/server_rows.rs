//! Servers as they are shown: LiteLLM's row, and what we say besides.

use portcullis_core::Role;
use portcullis_engine::ServerEntry;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::debug::address;
use crate::server_book::{Approval, DefinedServer, Provenance};

/// A server, in LiteLLM's shape.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerRow {
    server_id: String,
    /// The same: a server's name is its id.
    server_name: String,
    /// What its tools are prefixed with on the aggregate.
    alias: String,
    description: Option<String>,
    /// For viewers and administrators, without userinfo and query.
    url: Option<String>,
    /// `http`, `sse`, `stdio` or `openapi`; `null`: it is not served.
    transport: Option<&'static str>,
    auth_type: String,
    mcp_access_groups: Vec<String>,
    /// `null`: all of them.
    allowed_tools: Option<Vec<String>>,
    /// `2026-07-28` or `legacy`; `null`: not known yet.
    era: Option<&'static str>,
    /// `healthy`, `unhealthy` or `unknown`: whether it listed its tools when last asked.
    status: &'static str,
    tools: Option<usize>,
    sessions: usize,
    /// `file` or `api`: where it was defined. Shown to viewers and administrators, like everything below.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_status: Option<Approval>,
    /// The state that `If-Match` may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Its entry as it would stand in `mcp_servers`, with `{"is_set": true}` in the place of each secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    definition: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
    /// Why it is not served although it is active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    /// What has no effect, for instance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl ServerRow {
    /// A server that is served, as a caller of this role may know it.
    pub(super) fn of(entry: &ServerEntry, role: Role) -> Self {
        let reads_all = role >= Role::Viewer;
        let endpoint = &entry.upstream.server().endpoint;
        let tools = entry.policy.allowed_tools.as_ref();
        let era = entry.upstream.reported_modern();
        Self {
            server_id: entry.id.to_string(),
            server_name: entry.id.to_string(),
            alias: entry.alias.to_string(),
            description: entry.info.description.clone(),
            url: endpoint.uri().filter(|_| reads_all).map(address),
            transport: Some(endpoint.transport()),
            auth_type: entry.info.auth_type.clone(),
            mcp_access_groups: entry.policy.access_groups.iter().cloned().collect(),
            allowed_tools: tools.map(|tools| tools.iter().cloned().collect()),
            era: era.map(|modern| if modern { "2026-07-28" } else { "legacy" }),
            status: status(entry.answers()),
            tools: entry.tool_count(),
            sessions: entry.upstream.session_count(),
            source: reads_all.then_some("file"),
            approval_status: reads_all.then_some(Approval::Active),
            version: None,
            definition: None,
            provenance: None,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A server that was defined here, for those who may read everything; `entry`, if it is served.
    pub(super) fn defined(defined: &DefinedServer, entry: Option<&ServerEntry>) -> Self {
        let text = |name: &str| defined.entry.get(name)?.as_str().map(str::to_owned);
        let texts = |name: &str| {
            let list = defined.entry.get(name)?.as_array()?.iter();
            Some(list.filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let known = match entry {
            Some(entry) => Self::of(entry, Role::Viewer),
            None => Self {
                server_id: defined.id.to_string(),
                server_name: defined.id.to_string(),
                alias: text("alias").unwrap_or_else(|| defined.id.to_string()),
                description: text("description"),
                url: text("url"),
                transport: None,
                auth_type: text("auth_type").unwrap_or_else(|| "none".to_owned()),
                mcp_access_groups: texts("access_groups").unwrap_or_default(),
                allowed_tools: texts("allowed_tools"),
                era: None,
                status: status(None),
                tools: None,
                sessions: 0,
                source: None,
                approval_status: None,
                version: None,
                definition: None,
                provenance: None,
                problems: Vec::new(),
                warnings: Vec::new(),
            },
        };
        Self {
            source: Some("api"),
            approval_status: Some(defined.approval),
            version: Some(version_text(defined.version)),
            definition: Some(defined.entry.clone()),
            provenance: Some(defined.provenance.clone()),
            problems: defined.problems.clone(),
            warnings: defined.warnings.clone(),
            ..known
        }
    }
}

/// A state as it is shown, and as `If-Match` names it.
pub(super) fn version_text(version: u64) -> String {
    format!("{version:016x}")
}

/// LiteLLM's words for whether the server listed its tools when last asked.
pub(super) const fn status(answers: Option<bool>) -> &'static str {
    match answers {
        Some(true) => "healthy",
        Some(false) => "unhealthy",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_of_a_server_that_was_not_asked_yet() {
        assert_eq!(status(None), "unknown");
    }
}
