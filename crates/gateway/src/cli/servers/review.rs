//! Servers that members of teams submitted: list, approve, reject.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{segment, tell};
use crate::cli::exit::{CommandError, Exit};
use crate::cli::output::{Column, Output};
use crate::cli::progress;
use crate::cli::target::TargetArgs;

const COLUMNS: [Column; 6] = [
    ("server", "/server_name"),
    ("url", "/url"),
    ("auth", "/auth_type"),
    ("status", "/approval_status"),
    ("team", "/provenance/submitted_by_team"),
    ("submitted", "/provenance/submitted_at"),
];

/// Options of `servers submissions`.
#[derive(Clone, Debug, Args)]
pub struct SubmissionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: SubmissionsVerb,
}

/// What can be done with submissions.
#[derive(Clone, Debug, Subcommand)]
pub enum SubmissionsVerb {
    /// List those that wait for review
    List {
        /// Also those that were decided
        #[arg(long)]
        all: bool,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Serve one
    Approve(ReviewArgs),
    /// Turn one down: nobody sees it any more
    Reject(RejectArgs),
}

/// Which one.
#[derive(Clone, Debug, Args)]
pub struct ReviewArgs {
    /// Its name
    pub name: String,
    /// Only if it is still the version that was reviewed, as `servers show` tells it
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Which one, and why not.
#[derive(Clone, Debug, Args)]
pub struct RejectArgs {
    /// Which one.
    #[command(flatten)]
    pub review: ReviewArgs,
    /// Why, for whoever submitted it
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
}

pub(super) async fn run(
    args: SubmissionsArgs,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match args.verb {
        SubmissionsVerb::List { all, target } => {
            let client = target.or(above).connect()?;
            let listing = client.get("/v1/mcp/server/submissions", &[]);
            let answer = progress::during("asking the gateway", listing).await?;
            out.json(&answer)?;
            let items = answer.pointer("/items").and_then(Value::as_array);
            let waits = |row: &&Value| {
                let status = row.pointer("/approval_status");
                all || status.and_then(Value::as_str) == Some("pending_review")
            };
            let rows: Vec<Value> = items.into_iter().flatten().filter(waits).cloned().collect();
            out.table(&COLUMNS, &rows, "no server waits for review")?;
            Ok(Exit::Done)
        }
        SubmissionsVerb::Approve(review) => decide(review, "approve", None, above, out).await,
        SubmissionsVerb::Reject(args) => {
            let body = json!({"review_notes": args.notes});
            decide(args.review, "reject", Some(body), above, out).await
        }
    }
}

async fn decide(
    review: ReviewArgs,
    verb: &str,
    body: Option<Value>,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let client = review.target.or(above).connect()?;
    let path = format!("/v1/mcp/server/{}/{verb}", segment(&review.name));
    let seen = review.if_version.map(|version| format!("\"{version}\""));
    let fields = seen.as_deref().map(|seen| ("if-match", seen));
    let deciding = client.change(Method::PUT, &path, fields.as_slice(), body.as_ref());
    let shown = progress::during("asking the gateway", deciding).await?;
    tell(&shown, out)?;
    Ok(Exit::Done)
}
