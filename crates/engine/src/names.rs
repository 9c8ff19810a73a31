//! Which headers of callers the servers of a configuration are handed, and whose `x-mcp-…` it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portcullis_credentials::CallerHeaders;

use crate::snapshot::ServerEntry;

const PREFIX: &str = "x-mcp-";
/// For the one server of the request, without a name. Deprecated by LiteLLM.
pub(crate) const REQUEST_WIDE: &str = "x-mcp-auth";
/// What else begins like a server's header and is none.
const RESERVED: [&str; 2] = ["x-mcp-servers", "x-mcp-access-groups"];
const RESERVED_PREFIX: &str = "x-mcp-debug-";

#[derive(Debug, Default)]
pub(crate) struct HandedOn {
    /// Exact names, lower case.
    headers: HashSet<String>,
    /// Whether any server takes what is addressed to it.
    addressed: bool,
    /// Ids and aliases as a header can spell them; `None` where two servers' are spelled alike.
    names: HashMap<String, Option<usize>>,
}

impl HandedOn {
    pub(crate) fn of(servers: &[Arc<ServerEntry>]) -> Self {
        let mut found = Self::default();
        for (position, server) in servers.iter().enumerate() {
            let settings = &server.auth.forwarding;
            let asked = settings.asks_for(&server.auth.auth).map(str::to_owned);
            found.headers.extend(asked);
            found.addressed |= settings.caller_headers != CallerHeaders::Refused;
            for name in [server.id.as_str(), server.label()] {
                found.name(name, position);
            }
        }
        found
    }

    fn name(&mut self, name: &str, position: usize) {
        let owner = self.names.entry(spelled(name)).or_insert(Some(position));
        if *owner != Some(position) {
            *owner = None;
        }
    }

    pub(crate) fn asks_for(&self, header: &str) -> bool {
        self.headers.contains(header)
            || (self.addressed && (header == REQUEST_WIDE || is_addressed(header)))
    }

    /// The server whose name is the longest that a header begins with, and the rest of the header.
    /// A name that could be two servers' is nobody's, and no shorter one's either.
    pub(crate) fn addressed<'h>(&self, header: &'h str) -> Option<(usize, &'h str)> {
        if !is_addressed(header) {
            return None;
        }
        let rest = header.strip_prefix(PREFIX)?;
        rest.rmatch_indices('-').find_map(|(at, _)| {
            let name = rest.get(at + 1..).filter(|name| !name.is_empty())?;
            let owner = self.names.get(&spelled(rest.get(..at)?))?;
            Some(owner.map(|position| (position, name)))
        })?
    }
}

fn is_addressed(header: &str) -> bool {
    header.starts_with(PREFIX)
        && header != REQUEST_WIDE
        && !RESERVED.contains(&header)
        && !header.starts_with(RESERVED_PREFIX)
}

/// Header names know no case, and what stands between them and us takes `_` for `-`.
fn spelled(name: &str) -> String {
    name.chars()
        .map(|character| match character.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '-',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> HandedOn {
        let mut found = HandedOn::default();
        for (position, name) in names.iter().enumerate() {
            found.name(name, position);
        }
        found
    }

    /// HDR-03.
    #[test]
    fn the_longest_name_has_the_header() {
        let names = named(&["my", "my-server", "git_hub", "Acme Corp", "auth"]);
        for (header, expected) in [
            ("x-mcp-my-authorization", Some((0, "authorization"))),
            ("x-mcp-my-server-authorization", Some((1, "authorization"))),
            ("x-mcp-my-server", Some((0, "server"))),
            ("x-mcp-my-server-x-api-key", Some((1, "x-api-key"))),
            ("x-mcp-my_server-x-api-key", Some((1, "x-api-key"))),
            ("x-mcp-git_hub-authorization", Some((2, "authorization"))),
            ("x-mcp-git-hub-authorization", Some((2, "authorization"))),
            ("x-mcp-acme-corp-authorization", Some((3, "authorization"))),
            ("x-mcp-auth-authorization", Some((4, "authorization"))),
            ("x-mcp-auth", None),
            ("x-mcp-my", None),
            ("x-mcp-my-", None),
            ("x-mcp-other-authorization", None),
            ("x-mcp-myserver-authorization", None),
            ("x-mcp--authorization", None),
            ("authorization", None),
        ] {
            assert_eq!(names.addressed(header), expected, "{header}");
        }
    }

    #[test]
    fn a_name_that_could_be_two_servers_is_nobodys() {
        let names = named(&["a", "a-b", "a_b", "servers", "debug"]);
        for header in [
            "x-mcp-a-b-authorization",
            "x-mcp-a_b-authorization",
            "x-mcp-servers",
            "x-mcp-access-groups",
            "x-mcp-debug-authorization",
        ] {
            assert_eq!(names.addressed(header), None, "{header}");
        }
        assert_eq!(names.addressed("x-mcp-a-c-d"), Some((0, "c-d")));
    }
}
