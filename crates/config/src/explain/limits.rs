//! How much callers may do.

use portcullis_policy::{Limits, ServerLimits, usd};
use serde_json::Value;

use super::page::{Page, quoted};
use crate::model::{CallerLimits, StoreFault};

pub(super) fn limits(page: &mut Page<'_>, limits: &CallerLimits) {
    if *limits == CallerLimits::default() {
        return;
    }
    page.heading(0, "limits");
    let fault = match limits.on_store_fault {
        StoreFault::Deny => "deny",
        StoreFault::LocalShare => "local_share",
    };
    page.value(2, "on_store_fault", fault);
    let defaults = [
        ("key", &limits.defaults.key),
        ("user", &limits.defaults.user),
        ("team", &limits.defaults.team),
        ("organization", &limits.defaults.organization),
    ];
    if defaults.iter().any(|(_, limits)| !limits.is_empty()) {
        page.heading(2, "defaults");
        for (name, limits) in defaults {
            scope(page, name, limits);
        }
    }
    for (name, named) in [
        ("keys", &limits.keys),
        ("users", &limits.users),
        ("teams", &limits.teams),
        ("organizations", &limits.organizations),
    ] {
        if !named.is_empty() {
            page.heading(2, name);
            for (id, limits) in named {
                scope(page, &quoted(id), limits);
            }
        }
    }
}

fn scope(page: &mut Page<'_>, name: &str, limits: &Limits) {
    if !limits.is_empty() {
        page.value(4, name, Value::Object(limits.write()));
    }
}

pub(super) fn of_server(page: &mut Page<'_>, limits: &ServerLimits) {
    let number = |page: &mut Page<'_>, indent, name, number: Option<u32>| {
        if let Some(number) = number {
            page.value(indent, name, number);
        }
    };
    number(page, 4, "rpm", limits.requests_per_minute);
    number(page, 4, "max_concurrent_requests", limits.concurrent);
    if !limits.tools.is_empty() {
        page.heading(4, "tool_limits");
        for (tool, limits) in &limits.tools {
            page.heading(6, &quoted(tool));
            number(page, 8, "rpm", limits.requests_per_minute);
            number(page, 8, "max_concurrent_requests", limits.concurrent);
        }
    }
    let costs = &limits.costs;
    if costs.default_nano_usd > 0 || !costs.by_tool.is_empty() {
        page.heading(4, "mcp_info.mcp_server_cost_info");
        page.value(6, "default_cost_per_query", usd(costs.default_nano_usd));
        if !costs.by_tool.is_empty() {
            page.heading(6, "tool_name_to_cost_per_query");
            for (tool, cost) in &costs.by_tool {
                page.value(8, &quoted(tool), usd(*cost));
            }
        }
    }
}
