//! What of its callers' requests a server is handed.

use std::collections::BTreeSet;

/// What goes along with a caller's request. Nothing, unless written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// `extra_headers`, lower case; cookies are not among them.
    pub extra_headers: Vec<String>,
    /// `auth.cookie_passthrough`, or `Cookie` among `extra_headers`.
    pub cookies: Option<Cookies>,
    /// `x-mcp-{alias}-{header}` and `x-mcp-auth`.
    pub caller_headers: CallerHeaders,
}

/// Which cookies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// `cookie_names`, exact.
    pub names: BTreeSet<String>,
    /// `cookie_prefix`
    pub prefix: Option<String>,
    /// All but our own.
    pub all: bool,
}

/// What a server takes of headers that callers address to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallerHeaders {
    /// Nothing.
    #[default]
    Refused,
    /// Any.
    Any,
    /// These, filled in.
    Templates(Vec<HeaderTemplate>),
}

/// `x-mcp-{{alias}}-HEADER: "before {{token}} after"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderTemplate {
    /// The header, lower case.
    pub header: String,
    /// Text before the token.
    pub before: String,
    /// Text after it.
    pub after: String,
}

/// `delegate_auth_to_upstream`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// Callers are admitted by us.
    #[default]
    None,
    /// The server admits them, from wherever they may see it.
    SameSide,
    /// The server admits them, also from where nobody else sees it.
    Everywhere,
}
