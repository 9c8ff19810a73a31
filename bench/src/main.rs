#![doc = include_str!("../README.md")]
#![expect(
    clippy::print_stdout,
    reason = "its product is a table on the terminal"
)]

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

mod chaos;
mod crowd;
mod floor;
mod growth;
mod http;
mod keys;
mod load;
mod loader;
mod mock;
mod process_facts;
mod report;
mod run;
mod services;
mod streams;
mod work;

/// Measures the gateway against direct calls and a floor.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// An MCP server of both eras that wants a token from its own token endpoint.
    MockUpstream {
        #[arg(long)]
        port: u16,
        /// How many tools it lists.
        #[arg(long, default_value_t = 1)]
        tools: usize,
    },
    /// The least that a gateway can do.
    Floor {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        upstream: u16,
    },
    /// Closed loop: each connection sends its next request when the last one is answered.
    Load(load::Settings),
    /// Starts everything, measures, prints.
    Run(run::Settings),
    /// The same calls with few and with many servers, tools and keys.
    Growth(growth::Settings),
    /// Thousands of streams that say nothing.
    Streams(crowd::Settings),
    /// Three gateways while a replica, Redis and the database fail.
    Chaos(chaos::Settings),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().role {
        Role::MockUpstream { port, tools } => mock::serve(port, tools).await,
        Role::Floor { port, upstream } => floor::serve(port, upstream).await,
        Role::Load(settings) => print_load(&settings).await,
        Role::Run(settings) => run::run(&settings).await,
        Role::Growth(settings) => growth::run(&settings).await,
        Role::Streams(settings) => crowd::run(&settings).await,
        Role::Chaos(settings) => chaos::run(&settings).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody to tell when even this fails; the exit code remains.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn print_load(settings: &load::Settings) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&load::run(settings).await?)?);
    Ok(())
}
