//! `portcullis check`: every error of a configuration at once.

use std::path::PathBuf;

use clap::Args;

use super::exit::{CommandError, Exit};
use super::output::Output;
use super::{Global, progress};
use crate::wire;

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The file [default: the one that serve would use]
    pub file: Option<PathBuf>,
    /// Also ask the servers and their token endpoints whether they answer and take our credentials
    #[arg(long)]
    pub online: bool,
    /// Print the resolved configuration, redacted, and why each inference was made
    #[arg(long)]
    pub explain: bool,
}

pub(super) async fn run(
    global: &Global,
    args: CheckArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let file = args.file.or_else(|| global.config.clone());
    let work = Box::pin(wire::check(file.as_deref(), args.online, args.explain));
    let report = progress::during("checking", work).await?;
    out.json(&report.json)?;
    out.line(report.text.trim_end())?;
    Ok(if report.errors == 0 {
        Exit::Done
    } else {
        Exit::Misconfigured
    })
}
