//! `portcullis usage`: what was called and spent.

use clap::Args;
use serde_json::Value;

use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::progress;
use super::target::TargetArgs;

/// What is kept apart, and the figures of each.
const COLUMNS: [Column; 7] = [
    ("key", "/key_id"),
    ("user", "/user_id"),
    ("team", "/team_id"),
    ("server", "/server"),
    ("calls", "/calls"),
    ("limited", "/limited"),
    ("spend_usd", "/spend"),
];

/// Options of `usage`.
#[derive(Clone, Debug, Args)]
pub struct UsageArgs {
    /// From this moment on (RFC 3339); 30 days ago when absent
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What is kept apart: key, user, team, server, with commas between
    #[arg(long, value_name = "PARTS")]
    pub by: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(args: UsageArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let client = args.target.connect()?;
    let options = [
        ("since", args.since.as_deref()),
        ("until", args.until.as_deref()),
        ("by", args.by.as_deref()),
    ];
    let query: Vec<(&str, &str)> = options
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let answer = progress::during("asking the gateway", client.get("/v1/usage", &query)).await?;
    out.json(&answer)?;
    let rows = answer.pointer("/usage").and_then(Value::as_array);
    let rows: Vec<Value> = rows.into_iter().flatten().cloned().collect();
    out.table(&COLUMNS, &rows, "nothing was called in this time")?;
    let total = |at: &str| answer.pointer(at).unwrap_or(&Value::Null).to_string();
    out.line(&format!(
        "in all: {} calls, {} refused by limits, {} USD",
        total("/total/calls"),
        total("/total/limited"),
        total("/total/spend")
    ))?;
    Ok(Exit::Done)
}
