//! `portcullis servers`: what a running gateway has behind it.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::progress;
use super::target::TargetArgs;

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
}

pub(super) async fn run(args: ServersArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let target = match args.verb {
        Some(ServersVerb::List { target }) => target.or(args.target),
        None => args.target,
    };
    let client = target.connect()?;
    let answer = progress::during("asking the gateway", client.servers()).await?;
    out.json(&answer)?;
    out.table(&COLUMNS, rows(&answer), "no servers that this key may see")?;
    Ok(Exit::Done)
}

fn rows(answer: &Value) -> &[Value] {
    answer.as_array().map_or(&[], Vec::as_slice)
}
