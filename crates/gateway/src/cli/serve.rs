//! `portcullis serve`: run the gateway.

use anyhow::Context;
use clap::Args;

use super::Global;
use super::exit::{CommandError, Exit};
use crate::lifecycle::Lifecycle;
use crate::telemetry::LogControl;
use crate::wire::{self, ServeOptions};

/// Options of `serve`, and of no verb at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// The host to listen on, instead of the file's
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The port to listen on, instead of the file's
    #[arg(long, short, value_name = "PORT")]
    pub port: Option<u16>,
    /// LiteLLM's options that have no meaning here.
    #[command(flatten)]
    pub litellm: LitellmArgs,
}

impl ServeArgs {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Options that a `litellm` command line may hold and that change nothing here. None of them
/// restricts access: those are refused rather than ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct LitellmArgs {
    #[arg(long = "detailed_debug", alias = "detailed-debug", hide = true)]
    detailed_debug: bool,
    #[arg(long, hide = true)]
    debug: bool,
    #[arg(
        long = "num_workers",
        alias = "num-workers",
        hide = true,
        value_name = "N"
    )]
    num_workers: Option<u32>,
    #[arg(long = "run_gunicorn", hide = true)]
    run_gunicorn: bool,
    #[arg(long = "run_hypercorn", hide = true)]
    run_hypercorn: bool,
    #[arg(long = "run_granian", hide = true)]
    run_granian: bool,
    #[arg(long, hide = true, value_name = "BOOL")]
    telemetry: Option<String>,
    #[arg(long = "use_prisma_db_push", hide = true)]
    use_prisma_db_push: bool,
    #[arg(long = "use_queue", hide = true)]
    use_queue: bool,
    #[arg(long = "max_requests_before_restart", hide = true, value_name = "N")]
    max_requests_before_restart: Option<u64>,
    #[arg(long = "keepalive_timeout", hide = true, value_name = "SECONDS")]
    keepalive_timeout: Option<u64>,
}

impl LitellmArgs {
    /// For each option that was given: its name and what to do instead.
    pub fn notices(&self) -> Vec<(&'static str, &'static str)> {
        [
            (self.detailed_debug, "--detailed_debug", "use --log debug"),
            (self.debug, "--debug", "use --log debug"),
            (
                self.num_workers.is_some(),
                "--num_workers",
                "one process uses every core",
            ),
            (
                self.run_gunicorn,
                "--run_gunicorn",
                "the server is built in",
            ),
            (
                self.run_hypercorn,
                "--run_hypercorn",
                "the server is built in",
            ),
            (self.run_granian, "--run_granian", "the server is built in"),
            (
                self.telemetry.is_some(),
                "--telemetry",
                "nothing is ever sent home",
            ),
            (
                self.use_prisma_db_push,
                "--use_prisma_db_push",
                "the store migrates itself",
            ),
            (self.use_queue, "--use_queue", "there is no queue"),
            (
                self.max_requests_before_restart.is_some(),
                "--max_requests_before_restart",
                "there is no need to restart",
            ),
            (
                self.keepalive_timeout.is_some(),
                "--keepalive_timeout",
                "set server.header_timeout in the file",
            ),
        ]
        .into_iter()
        .filter_map(|(given, name, instead)| given.then_some((name, instead)))
        .collect()
    }
}

pub(super) async fn run(
    global: &Global,
    args: ServeArgs,
    logs: LogControl,
) -> Result<Exit, CommandError> {
    for (option, instead) in args.litellm.notices() {
        tracing::warn!(option, instead, "a LiteLLM option has no effect here");
    }
    let (lifecycle, reloads) = Lifecycle::start().context("cannot handle signals")?;
    let options = ServeOptions {
        config: global.config.as_deref(),
        host: args.host.as_deref(),
        port: args.port,
        logs: Some(&logs),
    };
    let exit = wire::serve(options, &lifecycle, reloads).await?;
    lifecycle.finish().await;
    Ok(exit)
}
