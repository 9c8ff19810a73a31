//! `limits`, and what servers say of theirs.

use portcullis_policy::{Limits, ToolCosts};
use serde_json::{Map, Value, json};

use super::{loaded, refused};
use crate::model::StoreFault;

const SERVER: &str = "mcp_servers: {files: {url: https://a.b/m, alias: f}}\n";

fn limits(value: Value) -> Limits {
    let members: Map<String, Value> = serde_json::from_value(value).unwrap();
    Limits::read(&members).unwrap()
}

#[test]
fn limits_are_read_for_everybody_and_for_single_ones() {
    let loaded = loaded(&format!(
        "{SERVER}identity: {{keys: [{{id: ci, key: sk-ci-0Yx83bQ71kkPwLm2, servers: [files]}}]}}
limits:
  on_store_fault: local_share
  defaults:
    key: {{rpm_limit: 60}}
    organization: {{max_budget: 100}}
  keys:
    ci: {{max_parallel_requests: 2, mcp_rpm_limit: {{f: 5}}}}
  users:
    alice@example.com: {{max_budget: 0.5, budget_duration: 1mo}}
  teams:
    ops: {{rpm_limit: 0}}
"
    ));
    let read = &loaded.config.limits;
    assert_eq!(read.on_store_fault, StoreFault::LocalShare);
    assert_eq!(read.defaults.key, limits(json!({"rpm_limit": 60})));
    assert_eq!(
        read.defaults.organization,
        limits(json!({"max_budget": 100}))
    );
    assert_eq!(read.defaults.user, Limits::default());
    let ci = limits(json!({"max_parallel_requests": 2, "mcp_rpm_limit": {"f": 5}}));
    assert_eq!(read.keys["ci"], ci);
    let alice = limits(json!({"max_budget": 0.5, "budget_duration": "1mo"}));
    assert_eq!(read.users["alice@example.com"], alice);
    assert_eq!(read.teams["ops"], limits(json!({"rpm_limit": 0})));
    let shown = crate::explain(&loaded.config, &loaded.notices);
    for line in ["on_store_fault: local_share", "\"ops\": {\"rpm_limit\":0}"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let relaxed = loaded.config.insecure_choices.concat();
    assert!(relaxed.contains("local_share"), "{relaxed}");
}

#[test]
fn a_server_says_what_all_callers_together_may_and_what_calls_cost() {
    let loaded = loaded(
        "mcp_servers:
  files:
    url: https://a.b/m
    rpm: 100
    max_concurrent_requests: 0
    tool_limits: {read: {rpm: 10}, write: {max_concurrent_requests: 1}}
    mcp_info:
      logo_url: https://a.b/l.png
      mcp_server_cost_info: {default_cost_per_query: 0.01, tool_name_to_cost_per_query: {read: 0}}
",
    );
    let limits = &loaded.config.mcp_servers[0].limits;
    assert_eq!(limits.requests_per_minute, Some(100));
    assert_eq!(limits.concurrent, Some(0));
    assert_eq!(limits.tools["read"].requests_per_minute, Some(10));
    assert_eq!(limits.tools["write"].concurrent, Some(1));
    let costs = ToolCosts {
        default_nano_usd: 10_000_000,
        by_tool: [("read".to_owned(), 0)].into(),
    };
    assert_eq!(limits.costs, costs);
    let of_servers = |path: &str| path.starts_with("mcp_servers");
    let noticed = loaded
        .notices
        .iter()
        .find(|notice| of_servers(&notice.path));
    assert!(noticed.is_none(), "{noticed:?}");
    let shown = crate::explain(&loaded.config, &loaded.notices);
    for line in [
        "rpm: 100",
        "max_concurrent_requests: 1",
        "default_cost_per_query: 0.01",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn what_would_limit_nothing_is_refused() {
    let scope = |written: &str| format!("{SERVER}limits: {{users: {{alice: {{{written}}}}}}}");
    for (written, said) in [
        ("rpm_limit: -1", "expected a whole number from 0"),
        ("rpm_limit: ", "it would restrict nothing"),
        ("rpm_limits: 5", "did you mean `rpm_limit`?"),
        ("tpm_limit: 5", "unknown key `tpm_limit`"),
        (
            "max_budget: lots",
            "max_budget must be a number of US dollars",
        ),
        (
            "max_budget: -1",
            "max_budget must be a number of US dollars",
        ),
        ("max_budget: 1, budget_duration: monthly", "such as 30d"),
        ("budget_duration: 30d", "say max_budget too"),
        ("mcp_rpm_limit: 5", "mcp_rpm_limit must be an object"),
        ("mcp_rpm_limit: {github: 5}", "no server is called `github`"),
    ] {
        refused(&scope(written), said);
    }
    refused(
        &format!("{SERVER}limits: {{keys: {{ci: {{rpm_limit: 5}}}}}}"),
        "no key of `identity.keys` has the id `ci`",
    );
    let server = |written: &str| format!("mcp_servers: {{a: {{url: https://a.b/m, {written}}}}}");
    for (written, said) in [
        ("rpm: fast", "expected a whole number from 0"),
        ("tool_limits: {x: {rpn: 5}}", "did you mean `rpm`?"),
        ("mcp_info: {mcp_server_cost_info: 5}", "expected a map"),
        (
            "mcp_info: {mcp_server_cost_info: {default_cost_per_query: -1}}",
            "expected a number of US dollars",
        ),
        (
            "mcp_info: {mcp_server_cost_info: {tool_name_to_cost_per_query: {x: free}}}",
            "expected a number of US dollars",
        ),
        (
            "mcp_info: {mcp_server_cost_info: {price: 1}}",
            "no price of this name is known",
        ),
    ] {
        refused(&server(written), said);
    }
}
