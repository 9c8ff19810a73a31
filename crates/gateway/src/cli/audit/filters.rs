//! Which events are asked for.

use clap::Args;

/// What an event must be like; all that is given must match, exactly.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Not before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Who asked: `user:alice`, `key:…`
    #[arg(long, value_name = "WHO")]
    principal: Option<String>,
    /// The public id of a key
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// The door: mcp, rest, admin, page, oauth
    #[arg(long, value_name = "DOOR")]
    surface: Option<String>,
    /// The JSON-RPC method or the route
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// The tool, as its server spells it
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// What policy said: allow, deny, none
    #[arg(long, value_name = "WHAT")]
    decision: Option<String>,
    /// The rule that said so
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// How it ended: ok, forbidden, timeout, …
    #[arg(long, value_name = "HOW")]
    outcome: Option<String>,
    /// One request
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl Filters {
    /// As parameters of the query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("since", &self.since),
            ("until", &self.until),
            ("principal", &self.principal),
            ("key_id", &self.key_id),
            ("surface", &self.surface),
            ("method", &self.method),
            ("server", &self.server),
            ("tool", &self.tool),
            ("decision", &self.decision),
            ("rule", &self.rule),
            ("outcome", &self.outcome),
            ("request_id", &self.request_id),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}
