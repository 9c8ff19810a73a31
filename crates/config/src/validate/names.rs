//! Server names live in our URL space and in tool names: none may be ours, none may be another's.

use std::collections::BTreeMap;

use crate::findings::{Findings, Place};

/// First segments of our own paths.
const OURS: &[&str] = &[
    ".well-known",
    "api",
    "approvals",
    "audit",
    "authorize",
    "callback",
    "chat",
    "completions",
    "config",
    "connect",
    "customer",
    "docs",
    "embeddings",
    "favicon.ico",
    "health",
    "healthz",
    "introspect",
    "key",
    "livez",
    "login",
    "logout",
    "mcp",
    "mcp-rest",
    "messages",
    "metrics",
    "models",
    "oauth",
    "openapi.json",
    "organization",
    "public",
    "readyz",
    "redoc",
    "register",
    "responses",
    "revoke",
    "robots.txt",
    "sse",
    "sso",
    "team",
    "token",
    "toolset",
    "ui",
    "user",
    "v1",
];

/// Case and the choice between `-` and `_` do not make a name another.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Names seen so far, and whose they are.
#[derive(Clone, Default)]
pub(crate) struct Names {
    taken: BTreeMap<String, (String, usize)>,
    /// Whose tools keep their own names on the aggregate endpoint.
    bare: Option<String>,
}

impl Names {
    /// Claims `name` for the server `owner`; complains when it may not have it.
    pub(crate) fn claim(
        &mut self,
        findings: &Findings<'_>,
        place: &Place,
        name: &str,
        owner: &str,
    ) -> bool {
        let spelled = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
            && !matches!(name, "." | "..");
        if !spelled {
            findings.error(
                place.clone(),
                "not a usable name",
                "1 to 64 letters, digits, `_`, `.` or `-`",
            );
            return false;
        }
        let normal = normal(name);
        if OURS.contains(&normal.as_str()) {
            findings.error(
                place.clone(),
                format!("`{name}` is one of the gateway's own paths"),
                format!("choose another name, for example `{name}-server`"),
            );
            return false;
        }
        if let Some((other, line)) = self.taken.get(&normal) {
            if other == owner {
                return true;
            }
            findings.error(
                place.clone(),
                format!("`{name}` names two servers"),
                format!("`{other}` on line {line} has this name already; case and `-`/`_` make no difference"),
            );
            return false;
        }
        self.taken
            .insert(normal, (owner.to_owned(), place.span.line));
        true
    }

    /// Claims the empty alias, which one server may have.
    pub(crate) fn claim_bareness(&mut self, findings: &Findings<'_>, place: &Place, owner: &str) {
        if let Some(other) = &self.bare {
            findings.error(
                place.clone(),
                "two servers have an empty alias",
                format!("`{other}` has it already, and its tools are called what it calls them; give this one an alias"),
            );
            return;
        }
        self.bare = Some(owner.to_owned());
    }
}
