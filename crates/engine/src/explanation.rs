//! Why, or why not, a caller may call a tool: what `POST /v1/policy/explain` and `portcullis explain`
//! answer, by the very decision that calls go through. Nothing is called.

use std::net::IpAddr;

use portcullis_core::{ErrorKind, Principal, Side, Timestamp};
use portcullis_policy::{
    Caller, Circumstances, Denied, DeniedRule, Described, Explanation, Operation, ServerPolicy,
    explain,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::gateway::Gateway;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The id of a caller's key, or its alias.
    #[serde(rename = "as")]
    pub key: String,
    /// A tool, as its server spells it.
    pub tool: String,
    /// On this server only; left out: on each.
    #[serde(default)]
    pub server: Option<String>,
    /// The arguments of the call, as they would be written.
    #[serde(default)]
    pub arguments: Option<Box<RawValue>>,
    /// From where; left out: from where nobody can tell, which is outside.
    #[serde(default)]
    pub address: Option<IpAddr>,
}

impl Gateway {
    /// The answer under the rules in force; `None`: no server is the one that was asked about.
    pub fn explain(&self, principal: &Principal, side: Side, question: &Question) -> Option<Value> {
        let caller = Caller { principal, side };
        let snapshot = self.snapshot();
        let servers = snapshot.servers().iter().map(|entry| {
            let described = crate::snapshot::described_in(&entry.catalog, &question.tool);
            (&entry.policy, described)
        });
        explain_on(caller, question, self.clock.now(), servers)
    }
}

/// The answer for these servers, each with what is known of the tool by what it lists; `None`: none of
/// them is the one that was asked about.
pub fn explain_on<'s>(
    caller: Caller<'_>,
    question: &Question,
    now: Timestamp,
    servers: impl Iterator<Item = (&'s ServerPolicy, Described)>,
) -> Option<Value> {
    let circumstances = Circumstances {
        address: question.address,
        now,
    };
    let wanted = question.server.as_deref();
    let operation = |described| Operation::CallTool {
        tool: &question.tool,
        arguments: question.arguments.as_deref().map(RawValue::get),
        described,
    };
    let told: Vec<Value> = servers
        .filter(|(server, _)| wanted.is_none_or(|wanted| wanted == server.id.as_str()))
        .map(|(server, described)| {
            let explanation = explain(caller, server, operation(described), circumstances);
            one(server, &explanation)
        })
        .collect();
    if told.is_empty() && wanted.is_some() {
        return None;
    }
    Some(json!({
        "as": caller.principal.id.as_str(),
        "tool": question.tool,
        "side": match caller.side {
            Side::Inside => "inside",
            Side::Outside => "outside",
        },
        "time": circumstances.now.to_string(),
        "servers": told,
    }))
}

fn one(server: &ServerPolicy, explanation: &Explanation) -> Value {
    let steps: Vec<Value> = explanation
        .steps
        .iter()
        .map(|step| match &step.result {
            Ok(by) => json!({"check": step.check.as_str(), "passed": true, "by": by}),
            Err(denied) => {
                let why = why(server, denied);
                json!({"check": step.check.as_str(), "passed": false, "by": denied.label(), "why": why})
            }
        })
        .collect();
    let (decision, rule, why) = match &explanation.decision {
        Ok(rule) => ("allow", rule.clone(), String::new()),
        Err(denied) => {
            let decision = match denied.rule {
                DeniedRule::ApprovalRequired => "require_approval",
                _ => "deny",
            };
            (decision, denied.label().into_owned(), why(server, denied))
        }
    };
    let looks_absent = explanation
        .decision
        .as_ref()
        .is_err_and(|denied| denied.kind() == ErrorKind::NotFound);
    json!({
        "server": server.id.as_str(),
        "decision": decision,
        "rule": rule,
        "why": why,
        "looks_absent": looks_absent,
        "steps": steps,
    })
}

/// In words, for people who may read everything: callers are told less.
fn why(server: &ServerPolicy, denied: &Denied) -> String {
    use portcullis_policy::DeniedRule as Rule;
    let arguments = denied.arguments.join(", ");
    let named = denied.named.as_deref().unwrap_or_default();
    match denied.rule {
        Rule::NotGranted if !named.is_empty() => {
            format!("what `{named}` lists leaves the server out")
        }
        Rule::BlockedTools => format!("`blocked_tools` of `{named}` names the tool"),
        Rule::ToolPermissions => format!(
            "`mcp_tool_permissions` or the toolsets of `{named}` do not name the tool on this server"
        ),
        Rule::ToolsOnly => format!("the toolsets of `{named}` grant tools and nothing else"),
        Rule::NotGranted if server.inside_only => {
            "no grant covers the server, or the caller is outside and the server is for the inside"
                .to_owned()
        }
        Rule::NotGranted => {
            "no grant of the key covers the server, and none of its team where it has no list of its own"
                .to_owned()
        }
        Rule::DisallowedTools => "`disallowed_tools` names the tool".to_owned(),
        Rule::AllowedTools => "`allowed_tools` does not name the tool".to_owned(),
        Rule::ApprovalRequired => {
            format!("nothing forbids it, and somebody has to approve it: {named}")
        }
        Rule::UnmappedScope => "`tool_scopes` does not say what the tool needs".to_owned(),
        Rule::InsufficientScope => {
            let missing = denied
                .scopes
                .as_ref()
                .map(|scopes| scopes.missing.to_string());
            format!("these scopes are missing: {}", missing.unwrap_or_default())
        }
        Rule::AllowedParams => format!("`allowed_params` does not name: {arguments}"),
        Rule::UnreadableArguments => {
            "the arguments are no object in which no member stands twice, or too large".to_owned()
        }
        Rule::ArgumentSchemas => {
            let keyword = denied.keyword.as_deref().unwrap_or_default();
            format!("`{keyword}` of `argument_schemas` is not kept to: {arguments}")
        }
        Rule::PolicyRule => format!("the condition of the rule `{named}` holds"),
        Rule::PolicyRuleFailed => format!("the rule `{named}` cannot be evaluated about this"),
        Rule::NoRuleAllows => "rules that allow concern this, and none of them holds".to_owned(),
        Rule::NoUpstreamKey => "no key of the server was set apart for the caller".to_owned(),
        Rule::AmbiguousUpstreamKey => "several keys of the server could be the caller's".to_owned(),
    }
}
