//! `portcullis completions SHELL`.

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::exit::{CommandError, Exit};
use super::output::Output;

/// Options of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcullis", &mut script);
    let script = String::from_utf8(script).context("the completion script is not text")?;
    out.raw(script.trim_end())?;
    Ok(Exit::Done)
}
