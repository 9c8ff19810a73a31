//! `portcullis servers`: what a running gateway has behind it, and what its administrators define.

mod define;
mod review;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::progress;
use super::target::TargetArgs;

pub use define::{DefineArgs, ImportArgs, RemoveArgs, UpdateServerArgs};
pub use review::{RejectArgs, ReviewArgs, SubmissionsArgs, SubmissionsVerb};

const COLUMNS: [Column; 5] = [
    ("server", "/server_name"),
    ("url", "/url"),
    ("transport", "/transport"),
    ("auth", "/auth_type"),
    ("status", "/status"),
];

/// Options of `servers`.
#[derive(Clone, Debug, Args)]
pub struct ServersArgs {
    /// What to do; `list` when absent.
    #[command(subcommand)]
    pub verb: Option<ServersVerb>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What can be done with servers.
#[derive(Clone, Debug, Subcommand)]
pub enum ServersVerb {
    /// List them
    List {
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show one
    Show {
        /// Its name
        name: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Define one beside the file's; it is served when this ends
    Define(Box<DefineArgs>),
    /// Change keys of one that was defined so
    Update(Box<UpdateServerArgs>),
    /// Take one away that was defined so, with what people connected there
    Remove(RemoveArgs),
    /// Define the servers of a desktop client's file, 16 at most
    Import(ImportArgs),
    /// Look at and decide about servers that members of teams submitted
    Submissions(SubmissionsArgs),
}

pub(super) async fn run(args: ServersArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let above = args.target;
    match args.verb {
        None => list(above, out).await,
        Some(ServersVerb::List { target }) => list(target.or(above), out).await,
        Some(ServersVerb::Show { name, target }) => {
            let client = target.or(above).connect()?;
            let path = format!("/v1/mcp/server/{}", segment(&name));
            let shown = progress::during("asking the gateway", client.get(&path, &[])).await?;
            tell(&shown, out)?;
            Ok(Exit::Done)
        }
        Some(ServersVerb::Define(args)) => define::define(*args, above, out).await,
        Some(ServersVerb::Update(args)) => define::update(*args, above, out).await,
        Some(ServersVerb::Remove(args)) => define::remove(args, above, out).await,
        Some(ServersVerb::Import(args)) => define::import(args, above, out).await,
        Some(ServersVerb::Submissions(args)) => review::run(args, above, out).await,
    }
}

async fn list(target: TargetArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let client = target.connect()?;
    let answer = progress::during("asking the gateway", client.servers()).await?;
    out.json(&answer)?;
    out.table(&COLUMNS, rows(&answer), "no servers that this key may see")?;
    Ok(Exit::Done)
}

fn rows(answer: &Value) -> &[Value] {
    answer.as_array().map_or(&[], Vec::as_slice)
}

/// One server, and why it is not served if it is not.
fn tell(shown: &Value, out: &mut Output) -> Result<(), CommandError> {
    out.json(shown)?;
    out.table(&COLUMNS, std::slice::from_ref(shown), "")?;
    for (at, word) in [("/problems", "problem"), ("/warnings", "warning")] {
        let texts = shown.pointer(at).and_then(Value::as_array);
        for text in texts.into_iter().flatten().filter_map(Value::as_str) {
            out.line(&format!("{word}: {text}"))?;
        }
    }
    let status = shown.pointer("/approval_status").and_then(Value::as_str);
    if let Some(status @ ("pending_review" | "rejected")) = status {
        out.line(&format!("not served: {}", status.replace('_', " ")))?;
    }
    if let Some(version) = shown.pointer("/version").and_then(Value::as_str) {
        out.line(&format!("version {version}"))?;
    }
    Ok(())
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    // A space is `+` in forms alone.
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    encoded.replace('+', "%20")
}
