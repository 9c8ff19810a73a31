//! `portcullis approvals`: calls that wait for somebody's approval.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::exit::{CommandError, Exit};
use super::output::{Column, Output, printable};
use super::progress;
use super::target::TargetArgs;

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("status", "/status"),
    ("server", "/server"),
    ("tool", "/tool"),
    ("asked by", "/name"),
    ("until", "/expires_at"),
];

/// Options of `approvals`.
#[derive(Clone, Debug, Args)]
pub struct ApprovalsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ApprovalsVerb,
}

/// What can be done with approvals.
#[derive(Clone, Debug, Subcommand)]
pub enum ApprovalsVerb {
    /// List what waits for a decision
    List {
        /// Also what was decided, was used, or is over
        #[arg(long)]
        all: bool,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show one, with the arguments of its call
    Show {
        /// Its id, as `approvals list` shows it
        id: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Let the call be made, once
    Approve(DecideArgs),
    /// Refuse the call
    Deny(DecideArgs),
}

/// Options of a decision.
#[derive(Clone, Debug, Args)]
pub struct DecideArgs {
    /// Its id, as `approvals list` shows it
    pub id: String,
    /// Why, for the caller to read
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(args: ApprovalsArgs, out: &mut Output) -> Result<Exit, CommandError> {
    match args.verb {
        ApprovalsVerb::List { all, target } => {
            let client = target.connect()?;
            let listing = client.approvals(all);
            let listed = progress::during("asking the gateway", listing).await?;
            out.json(&listed)?;
            let rows = listed.pointer("/approvals").and_then(Value::as_array);
            let rows = rows.map_or(&[][..], Vec::as_slice);
            out.table(&COLUMNS, rows, "nothing waits for an approval")?;
        }
        ApprovalsVerb::Show { id, target } => {
            let client = target.connect()?;
            let shown = progress::during("asking the gateway", client.approval(&id)).await?;
            out.json(&shown)?;
            out.table(&COLUMNS, std::slice::from_ref(&shown), "")?;
            let text = |at| shown.pointer(at).and_then(Value::as_str).map(printable);
            if let Some(arguments) = text("/arguments") {
                out.line(&format!("arguments: {arguments}"))?;
            }
            if let Some(reason) = text("/decision/reason") {
                out.line(&format!("reason: {reason}"))?;
            }
        }
        ApprovalsVerb::Approve(decision) => return decide(decision, "approve", out).await,
        ApprovalsVerb::Deny(decision) => return decide(decision, "deny", out).await,
    }
    Ok(Exit::Done)
}

async fn decide(args: DecideArgs, verb: &str, out: &mut Output) -> Result<Exit, CommandError> {
    let client = args.target.connect()?;
    let body = json!({"reason": args.reason});
    let deciding = client.decide_approval(&args.id, verb, &body);
    let decided = progress::during("asking the gateway", deciding).await?;
    out.json(&decided)?;
    let until = decided.pointer("/expires_at").and_then(Value::as_str);
    let until = until.map(printable).unwrap_or_default();
    out.line(&match verb {
        "approve" => format!("approved: the call can be made once, until {until}"),
        _ => format!("denied: asking again before {until} does not help"),
    })?;
    Ok(Exit::Done)
}
