//! `limits`, and what the servers say of theirs.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_policy::{InvalidLimits, Limits, ServerLimits, ToolCosts, ToolLimits, nano_usd};
use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::findings::Place;
use crate::keys::limits::{SCOPE, TOOL};
use crate::model::{CallerLimits, DefaultLimits, StoreFault};

/// What limits may name.
pub(crate) struct Named<'a> {
    /// Servers, by ids and aliases.
    pub(crate) servers: BTreeSet<&'a str>,
    /// Keys of the file.
    pub(crate) keys: BTreeSet<&'a str>,
}

/// The whole section.
pub(crate) fn read(fields: &Fields<'_, '_>, named: &Named<'_>) -> CallerLimits {
    let on_store_fault = match fields.choice("on_store_fault") {
        Some("local_share") => {
            fields.findings.relaxed(
                fields.place("on_store_fault"),
                "`limits.on_store_fault: local_share`: while the store cannot count, each replica counts by itself",
            );
            StoreFault::LocalShare
        }
        _ => StoreFault::Deny,
    };
    let defaults = fields.section("defaults");
    let default = |name: &str| {
        let section = defaults
            .as_ref()
            .and_then(|defaults| defaults.section(name));
        section.map_or_else(Limits::default, |section| scope(&section, named))
    };
    let of = |name: &str| {
        let entries = fields.named(name).into_iter();
        entries
            .map(|(id, place, node)| {
                if name == "keys" && !named.keys.contains(id) {
                    fields.findings.error(
                        place.clone(),
                        format!("no key of `identity.keys` has the id `{id}`"),
                        "write the `id` of a key of this file; limits of stored keys are set with `/key/update`",
                    );
                }
                let inner = Fields::open(fields.findings, &SCOPE, node, place.path);
                (id.to_owned(), scope(&inner, named))
            })
            .collect()
    };
    CallerLimits {
        on_store_fault,
        defaults: DefaultLimits {
            key: default("key"),
            user: default("user"),
            team: default("team"),
            organization: default("organization"),
        },
        keys: of("keys"),
        users: of("users"),
        teams: of("teams"),
        organizations: of("organizations"),
    }
}

fn scope(fields: &Fields<'_, '_>, named: &Named<'_>) -> Limits {
    let mut members = Map::new();
    for name in ["rpm_limit", "max_parallel_requests"] {
        if let Some(number) = fields.whole(name) {
            members.insert(name.to_owned(), number.into());
        }
    }
    for name in ["max_budget", "mcp_rpm_limit"] {
        if let Some(value) = fields.anything(name) {
            members.insert(name.to_owned(), value);
        }
    }
    if let Some(text) = fields.text("budget_duration") {
        members.insert("budget_duration".to_owned(), text.value.into());
    }
    let limits = Limits::read(&members).unwrap_or_else(|invalid| {
        let place = fields.place(member_of(&invalid));
        fields.findings.error(place, invalid.to_string(), ());
        Limits::default()
    });
    for server in limits.per_server.keys() {
        if !named.servers.contains(server.as_str()) {
            fields.findings.error(
                fields.place("mcp_rpm_limit"),
                format!("no server is called `{server}`"),
                "write a key of `mcp_servers`, or its alias",
            );
        }
    }
    limits
}

const fn member_of(invalid: &InvalidLimits) -> &'static str {
    match invalid {
        InvalidLimits::Number(name) | InvalidLimits::Amount(name) => name,
        InvalidLimits::Duration(_) | InvalidLimits::DurationAlone => "budget_duration",
        InvalidLimits::PerServer
        | InvalidLimits::Unavailable { .. }
        | InvalidLimits::Unknown(_) => "mcp_rpm_limit",
    }
}

/// What one server says of itself and its tools.
pub(crate) fn server(fields: &Fields<'_, '_>) -> ServerLimits {
    let whole = |fields: &Fields<'_, '_>, name: &str| {
        let number = fields.whole(name)?;
        u32::try_from(number).ok()
    };
    let tools = fields.named("tool_limits").into_iter();
    let tools = tools.map(|(tool, place, node)| {
        let inner = Fields::open(fields.findings, &TOOL, node, place.path);
        let limits = ToolLimits {
            requests_per_minute: whole(&inner, "rpm"),
            concurrent: whole(&inner, "max_concurrent_requests"),
        };
        (tool.to_owned(), limits)
    });
    ServerLimits {
        requests_per_minute: whole(fields, "rpm"),
        concurrent: whole(fields, "max_concurrent_requests"),
        tools: tools.collect(),
        costs: costs(fields),
    }
}

/// LiteLLM's prices among the free facts. One that cannot be read would be spent by nobody.
fn costs(fields: &Fields<'_, '_>) -> ToolCosts {
    const INFO: &str = "mcp_server_cost_info";
    const DEFAULT: &str = "default_cost_per_query";
    const TOOLS: &str = "tool_name_to_cost_per_query";
    let place = |rest: &str| {
        let place = fields.place("mcp_info");
        Place {
            path: format!("{}.{INFO}{rest}", place.path),
            ..place
        }
    };
    let mut costs = ToolCosts::default();
    let info = fields.anything("mcp_info");
    let Some(written) = info.as_ref().and_then(|info| info.get(INFO)) else {
        return costs;
    };
    let Some(members) = written.as_object() else {
        let help = format!("write `{{{DEFAULT}: 0.01, {TOOLS}: {{tool: 0.02}}}}`");
        fields.findings.error(place(""), "expected a map", help);
        return costs;
    };
    let price = |value: &Value, rest: &str| {
        let price = value.as_f64().and_then(|price| nano_usd(price).ok());
        if price.is_none() {
            let message = "expected a number of US dollars from 0 to 1000000000";
            fields.findings.error(place(rest), message, ());
        }
        price.unwrap_or_default()
    };
    for (name, value) in members {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            (DEFAULT, value) => costs.default_nano_usd = price(value, &format!(".{DEFAULT}")),
            (TOOLS, Value::Object(tools)) => {
                let by_tool = tools.iter().map(|(tool, value)| {
                    let price = price(value, &format!(".{TOOLS}.{tool}"));
                    (tool.clone(), price)
                });
                costs.by_tool = by_tool.collect::<BTreeMap<_, _>>();
            }
            (TOOLS, _) => {
                let rest = format!(".{TOOLS}");
                let message = "expected a map of tools to US dollars";
                fields.findings.error(place(&rest), message, ());
            }
            (other, _) => {
                let rest = format!(".{other}");
                let help = format!("known keys: {DEFAULT}, {TOOLS}");
                fields
                    .findings
                    .error(place(&rest), "no price of this name is known", help);
            }
        }
    }
    costs
}
