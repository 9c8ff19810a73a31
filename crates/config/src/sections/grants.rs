//! `servers`, `access_groups`, `all_servers`: which servers somebody may use.

use std::collections::BTreeSet;

use portcullis_core::{ServerGrants, ServerId};

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::Listen;
use crate::sections::mcp_server::NamedServer;
use crate::suggest::nearest;

/// What keys are checked against.
pub(crate) struct Surroundings<'a> {
    pub(crate) servers: &'a [NamedServer],
    /// A key without grants sees every server.
    pub(crate) ungranted_sees_all: bool,
    /// A listener that others than this machine can connect to.
    pub(crate) exposed: Option<&'a Listen>,
}

/// What is written, each name checked; `None` when nothing is said of servers at all.
pub(crate) fn written(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> Option<ServerGrants> {
    let all = fields.flag("all_servers");
    let mut servers = BTreeSet::new();
    for At { value, place } in fields.texts("servers").unwrap_or_default() {
        if value == "*" {
            fields
                .findings
                .error(place, "`*` is not a server", "write `all_servers: true`");
        } else {
            servers.extend(around.find(fields, &value, place));
        }
    }
    let mut access_groups = BTreeSet::new();
    for At { value, place } in fields.texts("access_groups").unwrap_or_default() {
        let used = around.servers.iter().any(|server| {
            server
                .server
                .as_ref()
                .is_none_or(|server| server.access_groups.contains(&value))
        });
        if !used {
            fields
                .findings
                .warning(place, format!("no server is in the access group `{value}`"));
        }
        access_groups.insert(value);
    }
    let silent = all.is_none() && !fields.has("servers") && !fields.has("access_groups");
    (!silent).then(|| ServerGrants {
        all: all.unwrap_or(false),
        servers,
        access_groups,
        ..ServerGrants::default()
    })
}

impl Surroundings<'_> {
    /// The server of this name or alias; what is neither is an error.
    pub(crate) fn find(
        &self,
        fields: &Fields<'_, '_>,
        value: &str,
        place: Place,
    ) -> Option<ServerId> {
        let found = self
            .servers
            .iter()
            .find_map(|server| server.answers_to(value));
        if found.is_none() {
            let names = self.servers.iter().map(|server| server.name.as_str());
            let help = nearest(value, names).map_or_else(
                || "write the name of an entry of `mcp_servers`".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            fields
                .findings
                .error(place, format!("there is no server `{value}`"), help);
        }
        found
    }

    /// Whether some server is for every key.
    pub(crate) fn has_servers_for_all_keys(&self) -> bool {
        let mut servers = self.servers.iter().filter_map(|one| one.server.as_ref());
        servers.any(|server| server.allow_all_keys)
    }
}

impl NamedServer {
    fn answers_to(&self, name: &str) -> Option<ServerId> {
        let alias = self
            .server
            .as_ref()
            .and_then(|server| server.alias.as_deref());
        (self.name == name || (alias == Some(name) && !name.is_empty()))
            .then(|| ServerId::from(self.name.as_str()))
    }
}
