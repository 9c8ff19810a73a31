//! The story that the demo tells, and whether it came out as it should.

use http::{Method, StatusCode};
use portcullis_core::ApiKey;
use serde_json::{Value, json};

use super::mcp::McpSession;
use crate::cli::client::GatewayClient;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::output::{Column, Output};
use crate::cli::{audit, tools};
use crate::mock::Stats;

/// Who takes part.
#[derive(Debug)]
pub struct Parts {
    /// The gateway, asked by its admin.
    pub admin: GatewayClient,
    /// The gateway, asked by an ordinary caller.
    pub caller: GatewayClient,
    /// The mock server, asked directly for what it saw.
    pub mock: GatewayClient,
}

/// One question that a support assistant would have to answer.
struct Scenario {
    name: &'static str,
    user: &'static str,
    tool: &'static str,
    arguments: fn() -> Value,
    /// A text that a right answer holds.
    expect: &'static str,
}

const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "Customer Account Calculation",
        user: "Customer CUST67890 recently made purchases of $150, $300, $13 and $89. Calculate \
               their total account value and check if they qualify for premium status (>$500).",
        tool: "calculate_account_value",
        arguments: || json!({ "customer_id": "CUST67890", "purchases": [150, 300, 13, 89] }),
        expect: "552",
    },
    Scenario {
        name: "User Information Lookup",
        user: "Look up information for customer 'JOHNDOE123' and tell me about their account \
               status.",
        tool: "get_customer_info",
        arguments: || json!({ "customer_id": "JOHNDOE123" }),
        expect: "John Doe",
    },
];

const TOOL_COLUMNS: [Column; 2] = [("tool", "/name"), ("description", "/description")];

/// What went as it should and what did not.
struct Verdicts {
    steps: Vec<Value>,
    failed: bool,
}

impl Verdicts {
    fn say(&mut self, out: &mut Output, good: bool, what: &str) -> Result<(), CommandError> {
        self.failed |= !good;
        self.steps.push(json!({ "step": what, "ok": good }));
        out.line(&format!("  {} {what}", if good { "ok  " } else { "FAIL" }))
    }
}

/// Tells it. `Failed` when any step did not go as it should.
pub async fn run(parts: &Parts, out: &mut Output) -> Result<Exit, CommandError> {
    let mut verdicts = Verdicts {
        steps: Vec::new(),
        failed: false,
    };
    list(parts, out, &mut verdicts).await?;
    scenarios(parts, out, &mut verdicts).await?;
    refusals(parts, out, &mut verdicts).await?;
    token(parts, out, &mut verdicts).await?;
    trail(parts, out, &mut verdicts).await?;
    out.json(&json!({ "ok": !verdicts.failed, "steps": verdicts.steps }))?;
    Ok(if verdicts.failed {
        Exit::Failed
    } else {
        Exit::Done
    })
}

async fn list(parts: &Parts, out: &mut Output, v: &mut Verdicts) -> Result<(), CommandError> {
    out.heading("The tools that this key may see")?;
    let answer = parts.caller.tools(None).await?;
    let tools = answer.pointer("/tools").and_then(Value::as_array);
    let tools = tools.map_or(&[][..], Vec::as_slice);
    out.table(&TOOL_COLUMNS, tools, "none")?;
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool.pointer("/name")?.as_str())
        .collect();
    let all = SCENARIOS
        .iter()
        .all(|scenario| find(&names, scenario.tool).is_some());
    v.say(out, all, &format!("{} tools listed over REST", names.len()))
}

/// A tool by its own name, whether it is listed with a server's prefix or without.
fn find<'n>(names: &[&'n str], tool: &str) -> Option<&'n str> {
    names.iter().copied().find(|name| {
        *name == tool
            || name
                .strip_suffix(tool)
                .is_some_and(|prefix| prefix.ends_with('-'))
    })
}

async fn scenarios(parts: &Parts, out: &mut Output, v: &mut Verdicts) -> Result<(), CommandError> {
    let session = McpSession::open(&parts.caller).await?;
    let names = session.tool_names().await?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for scenario in &SCENARIOS {
        out.heading(scenario.name)?;
        out.line(&format!("  \"{}\"", scenario.user))?;
        let arguments = (scenario.arguments)();
        out.line(&format!("  {} {arguments}", scenario.tool))?;
        let name = find(&names, scenario.tool).unwrap_or(scenario.tool);

        let by_mcp = session.call(name, &arguments).await?;
        let result = by_mcp.body.pointer("/result").cloned().unwrap_or_default();
        let text = tools::text(&result);
        out.line(&format!("  {text}"))?;
        let good = by_mcp.status == StatusCode::OK && text.contains(scenario.expect);
        v.say(out, good, &format!("{name} over /mcp"))?;

        let by_rest = parts.caller.call_tool(None, name, &arguments).await;
        let same = by_rest.is_ok_and(|result| tools::text(&result) == text);
        v.say(out, same, &format!("{name} over REST, the same answer"))?;
    }
    session.close().await
}

async fn refusals(parts: &Parts, out: &mut Output, v: &mut Verdicts) -> Result<(), CommandError> {
    out.heading("What is refused")?;
    let unknown = parts
        .caller
        .call_tool(None, "support-drop_all_tables", &json!({}))
        .await;
    v.say(out, unknown.is_err(), "a tool that does not exist")?;

    let stranger = parts.caller.with_key(ApiKey::new("sk-not-a-key"));
    let answer = stranger
        .send(Method::GET, "/mcp-rest/tools/list", &[], &[], None)
        .await?;
    let refused = answer.status == StatusCode::UNAUTHORIZED;
    v.say(out, refused, "a key that nobody has")
}

async fn token(parts: &Parts, out: &mut Output, v: &mut Verdicts) -> Result<(), CommandError> {
    out.heading("What the server behind the gateway saw")?;
    let stats = parts.mock.get("/mock/stats", &[]).await?;
    let stats: Stats = serde_json::from_value(stats).map_err(anyhow::Error::new)?;
    let once = stats.token_requests == 1;
    v.say(
        out,
        once,
        &format!(
            "access token requested {} time(s) for {} calls",
            stats.token_requests, stats.calls
        ),
    )?;
    let reached = stats.calls == 4;
    v.say(out, reached, "no refused call arrived there")?;
    let valid = stats.unauthorized == 0 && stats.forbidden == 0;
    v.say(out, valid, "every request carried the right token")
}

async fn trail(parts: &Parts, out: &mut Output, v: &mut Verdicts) -> Result<(), CommandError> {
    out.heading("What the audit trail says")?;
    let events = audit::latest(&parts.admin, 100).await?;
    out.table(&audit::COLUMNS, &events, "nothing")?;
    // Two lists, four calls, two refusals at the least.
    let whole = events.len() >= 8;
    v.say(out, whole, &format!("{} events recorded", events.len()))
}
