//! What one server may be asked, and what its tools cost.

use std::collections::BTreeMap;

/// What all callers together may ask of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// Requests a minute (`rpm`).
    pub requests_per_minute: Option<u32>,
    /// Requests at the same time (`max_concurrent_requests`).
    pub concurrent: Option<u32>,
    /// Of single tools (`tool_limits`), by the server's own names for them.
    pub tools: BTreeMap<String, ToolLimits>,
    /// What calls cost (`mcp_info.mcp_server_cost_info`).
    pub costs: ToolCosts,
}

/// What all callers together may ask of one tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolLimits {
    /// Calls a minute (`rpm`).
    pub requests_per_minute: Option<u32>,
    /// Calls at the same time (`max_concurrent_requests`).
    pub concurrent: Option<u32>,
}

/// Prices in billionths of a US dollar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCosts {
    /// Of a call of a tool that is not named (`default_cost_per_query`).
    pub default_nano_usd: u64,
    /// Of a call of this tool (`tool_name_to_cost_per_query`), by the server's own names.
    pub by_tool: BTreeMap<String, u64>,
}

impl ToolCosts {
    /// What a call of this tool costs.
    pub fn of(&self, tool: &str) -> u64 {
        let price = self.by_tool.get(tool);
        price.copied().unwrap_or(self.default_nano_usd)
    }
}
