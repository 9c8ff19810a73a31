#![doc = include_str!("../README.md")]
#![expect(
    clippy::print_stdout,
    reason = "a task runner talks to the person who runs it"
)]

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use steps::Measured;

mod authorization_suite;
mod book;
mod cases;
mod client_suite;
mod command;
mod conformance;
mod cross_era;
mod postgres;
mod redis;
mod rules;
mod sbom;
mod steps;
mod suite;
mod tidy;

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the gateway and run its demonstration.
    Demo {
        /// Passed on to `portcullis demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every check; in CI nothing is skipped.
    Test,
    /// Check format, clippy and dependency rules.
    Lint,
    /// Write generated files again.
    Gen {
        /// Fail when a generated file differs, and write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Check the layout of the house.
    Tidy,
    /// Measure the gateway against a floor.
    Bench {
        /// A few hundred requests with the development build, for correctness only.
        #[arg(long)]
        smoke: bool,
        /// Compare few and many servers, tools and keys instead.
        #[arg(long)]
        growth: bool,
        /// Hold thousands of idle streams open instead.
        #[arg(long, conflicts_with = "growth")]
        streams: bool,
        /// Three gateways on PostgreSQL and Redis while a replica, Redis and the database fail instead.
        #[arg(long, conflicts_with_all = ["growth", "streams"])]
        chaos: bool,
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the official suite directly and through the gateway.
    Conformance {
        /// Judge a release build of the gateway.
        #[arg(long)]
        release: bool,
        /// Put a proxy that only passes on where the gateway would be: a check of this harness.
        #[arg(long)]
        passthrough: bool,
        /// Only the scenarios of clients whose names contain this, those of authorization servers
        /// (`authorization`), or those across eras (`eras`), with the programs built last.
        #[arg(long, value_name = "PART")]
        only: Option<String>,
    },
    /// What the official suite starts as its client; not for people.
    #[command(hide = true)]
    ClientUnderTest {
        /// Address of the scenario's MCP server.
        server: String,
    },
    /// Run every fuzz target for a bounded number of cases.
    FuzzSmoke,
    /// Write what the released binary is made of (CycloneDX), the same bytes on every machine.
    Sbom {
        /// Where to; `portcullis.cdx.json` in the build folder if not said.
        file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo { arguments } => steps::demo(&arguments),
        Task::Test => steps::test(),
        Task::Lint => steps::lint(),
        Task::Gen { check } => steps::generate(check),
        Task::Tidy => tidy::run(),
        Task::Bench { smoke: true, .. } => steps::bench_smoke(),
        Task::Bench {
            growth,
            streams,
            chaos,
            arguments,
            ..
        } => {
            let what = match (growth, streams, chaos) {
                (true, _, _) => Measured::Growth,
                (_, true, _) => Measured::Streams,
                (_, _, true) => Measured::Chaos,
                _ => Measured::Calls,
            };
            steps::bench(what, &arguments)
        }
        Task::Conformance {
            only: Some(only), ..
        } => conformance::run_only(&only),
        Task::Conformance {
            release,
            passthrough,
            ..
        } => conformance::run(release, passthrough),
        Task::ClientUnderTest { server } => client_suite::client_under_test(&server),
        Task::FuzzSmoke => steps::fuzz_smoke(),
        Task::Sbom { file } => sbom::run(file.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
