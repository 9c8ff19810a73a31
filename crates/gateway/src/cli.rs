//! The command line: one file per verb.

pub mod client;
pub mod exit;
pub mod output;
pub mod progress;

mod approvals;
mod audit;
mod check;
mod completions;
pub mod demo;
mod doctor;
mod explain;
pub mod init;
mod keys;
mod levels;
mod limits;
mod migrate;
mod mock;
mod pins;
mod proxy;
mod revoke;
mod rotate;
mod schema;
mod serve;
mod servers;
mod stdio;
pub(crate) mod target;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::telemetry::{LogControl, LogFormat};
use exit::{CommandError, Exit};
use output::{Format, Output};

pub use approvals::{ApprovalsArgs, ApprovalsVerb, DecideArgs};
pub use audit::{AuditArgs, AuditVerb};
pub use check::CheckArgs;
pub use completions::CompletionsArgs;
pub use demo::DemoArgs;
pub use doctor::DoctorArgs;
pub use explain::ExplainArgs;
pub use init::InitArgs;
pub use keys::{CreateArgs, KeysArgs, KeysVerb};
pub use levels::{
    ChangeArgs, LevelOptions, LevelsArgs, LevelsVerb, OrganizationOptions, TeamOptions, UpdateArgs,
    UserOptions,
};
pub use limits::LimitOptions;
pub use mock::MockArgs;
pub use pins::{ApprovePinArgs, PinsArgs, PinsVerb};
pub use proxy::ProxyArgs;
pub use revoke::{RevokeArgs, RevokeVerb, WhatArgs};
pub use rotate::{RotateArgs, RotateVerb};
pub use serve::ServeArgs;
pub use servers::{
    DefineArgs, ImportArgs, RejectArgs, RemoveArgs, ReviewArgs, ServersArgs, ServersVerb,
    SubmissionsArgs, SubmissionsVerb, UpdateServerArgs,
};
pub use stdio::StdioArgs;
pub use target::TargetArgs;
pub use tools::{CallArgs, ToolsArgs, ToolsVerb};
pub use usage::UsageArgs;

/// One credential in front of every MCP server.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, after_help = exit::HELP)]
pub struct Cli {
    /// What every verb understands.
    #[command(flatten)]
    pub global: Global,
    /// `portcullis --config FILE --port N` serves without a verb.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// What to do; `serve` when absent.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The configuration file [default: portcullis.yaml if it exists]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "PORTCULLIS_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// How results are printed
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub output: Format,
    /// What is logged to standard error, for example `debug` or `portcullis_server=debug,warn`
    #[arg(long, global = true, value_name = "FILTER", env = "PORTCULLIS_LOG")]
    pub log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the gateway (the default)
    Serve(ServeArgs),
    /// Check a configuration file: every error at once
    Check(CheckArgs),
    /// Find where the way to a server breaks, or what is left to do before going live
    Doctor(DoctorArgs),
    /// Write a first configuration, a key ring and an admin key
    Init(InitArgs),
    /// Run a gateway in front of a mock server and show what it does
    Demo(DemoArgs),
    /// Stand in front of one MCP server that knows API keys, and admit tokens in their place
    Proxy(Box<ProxyArgs>),
    /// Serve a client that talks over standard input and output, in front of a running gateway
    Stdio(StdioArgs),
    /// Run an OAuth2-protected MCP server to try things against
    Mock(MockArgs),
    /// Make, list, inspect and revoke API keys
    Keys(KeysArgs),
    /// Refuse a key, a token, a session or a subject from now on; list and lift such entries
    Revoke(Box<RevokeArgs>),
    /// Show the MCP servers of a running gateway, and define some beside its file
    Servers(ServersArgs),
    /// List, define, change and delete teams
    Teams(LevelsArgs<TeamOptions>),
    /// List, define, change and delete people and services that keys act for
    Users(LevelsArgs<UserOptions>),
    /// List, define, change and delete organizations
    Organizations(LevelsArgs<OrganizationOptions>),
    /// List and call tools through a running gateway
    Tools(ToolsArgs),
    /// Look at and decide about calls that wait for somebody's approval
    Approvals(ApprovalsArgs),
    /// Look at and approve what servers' tools became since they were first seen
    Pins(PinsArgs),
    /// Tell why, or why not, a caller may call a tool
    Explain(ExplainArgs),
    /// Show what was called and spent
    Usage(UsageArgs),
    /// Read and verify the audit trail
    Audit(AuditArgs),
    /// Bring the database up to date, before a new version starts on PostgreSQL
    Migrate,
    /// Put new secrets in the place of old ones
    Rotate(RotateArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
}

/// Runs what was asked for. Answers go to standard output, everything else to standard error.
///
/// `logs` is the running log, over which a gateway's file decides what the command line left open.
pub async fn run(cli: Cli, logs: LogControl) -> Result<Exit, CommandError> {
    let Cli {
        global,
        serve,
        verb,
    } = cli;
    let mut out = Output::stdout(global.output);
    let Some(verb) = verb else {
        return serve::run(&global, serve, logs).await;
    };
    if !serve.is_empty() {
        let what = "options of serve stand before another verb; write them after it";
        return Err(CommandError::Usage(what.to_owned()));
    }
    match verb {
        Verb::Serve(args) => serve::run(&global, args, logs).await,
        Verb::Check(args) => check::run(&global, args, &mut out).await,
        Verb::Doctor(args) => Box::pin(doctor::run(&global, args, &mut out)).await,
        Verb::Init(args) => init::run(&global, args, &mut out).await,
        Verb::Demo(args) => Box::pin(demo::run(&args, &mut out)).await,
        Verb::Proxy(args) => Box::pin(proxy::run(*args)).await,
        Verb::Stdio(args) => Box::pin(stdio::run(args)).await,
        Verb::Mock(args) => mock::run(args, &mut out).await,
        Verb::Keys(args) => keys::run(&global, args, &mut out).await,
        Verb::Revoke(args) => Box::pin(revoke::run(&global, *args, &mut out)).await,
        Verb::Servers(args) => Box::pin(servers::run(args, &mut out)).await,
        Verb::Teams(args) => Box::pin(levels::run(&levels::TEAMS, args, &mut out)).await,
        Verb::Users(args) => Box::pin(levels::run(&levels::USERS, args, &mut out)).await,
        Verb::Organizations(args) => {
            Box::pin(levels::run(&levels::ORGANIZATIONS, args, &mut out)).await
        }
        Verb::Tools(args) => tools::run(args, &mut out).await,
        Verb::Usage(args) => usage::run(args, &mut out).await,
        Verb::Audit(args) => Box::pin(audit::run(&global, args, &mut out)).await,
        Verb::Approvals(args) => approvals::run(args, &mut out).await,
        Verb::Pins(args) => pins::run(args, &mut out).await,
        Verb::Explain(args) => Box::pin(explain::run(&global, args, &mut out)).await,
        Verb::Migrate => migrate::run(&global, &mut out).await,
        Verb::Rotate(args) => rotate::run(&global, &args, &mut out).await,
        Verb::Completions(args) => completions::run(&args, &mut out),
        Verb::Schema => schema::run(&mut out),
    }
}
