//! `portcullis stdio`: a running gateway for clients that start a program and talk to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use portcullis_core::ApiKey;

use super::exit::{CommandError, Exit};
use super::target::TargetArgs;
use crate::bridge::{self, Console, Door};
use crate::lifecycle::Lifecycle;
use crate::wire;

/// How long the client may take to read what is written already.
const LAST_WORDS: Duration = Duration::from_secs(2);

const AFTER_HELP: &str = "Messages come on standard input and go to standard output, one on a line; what \
people should know goes to standard error. It ends when standard input does, after what was asked is \
answered, or upon SIGTERM.";

/// Options of `stdio`.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct StdioArgs {
    /// Only this server, with its own names [default: every server that the key may see]
    #[arg(long, value_name = "SERVER")]
    pub server: Option<String>,
    /// The environment variable that holds the key, or an access token
    #[arg(long, value_name = "NAME", conflicts_with = "key_file")]
    pub key_env: Option<String>,
    /// The file that holds the key, or an access token
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(args: StdioArgs) -> Result<Exit, CommandError> {
    let credential = match (&args.key_env, &args.key_file) {
        (Some(name), _) => Some(from_environment(name)?),
        (None, Some(file)) => Some(from_file(file)?),
        (None, None) => args.target.key.clone(),
    };
    let door = Door::new(
        wire::http_client()?,
        args.target.base()?,
        args.server.as_deref(),
        credential.as_ref(),
        args.target.allow_insecure_http,
    )?;
    let (lifecycle, _) = Lifecycle::start().context("cannot handle signals")?;
    let console = Console::open();
    let stop = lifecycle.stop.soft.clone();
    let carried = bridge::run(door, console.lines, console.output, stop).await;
    // Nobody may be left who reads.
    let _ = tokio::time::timeout(LAST_WORDS, console.written).await;
    carried.map(|()| Exit::Done)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment"
)]
fn from_environment(name: &str) -> Result<ApiKey, CommandError> {
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(ApiKey::new(key.trim())),
        _ => {
            let what = format!("the environment variable {name} of --key-env is empty or not set");
            Err(CommandError::Usage(what))
        }
    }
}

fn from_file(file: &Path) -> Result<ApiKey, CommandError> {
    let unreadable = |what: &str| {
        CommandError::Usage(format!("the file {} of --key-file {what}", file.display()))
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| unreadable(&format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(unreadable("is empty")),
        key => Ok(ApiKey::new(key)),
    }
}
