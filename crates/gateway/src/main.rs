//! The `portcullis` binary: reads the command line, starts a runtime, ends with an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use portcullis_gateway::cli::exit::CommandError;
use portcullis_gateway::cli::output::{colours_welcome, printable};
use portcullis_gateway::cli::{self, Cli, Verb};
use portcullis_gateway::telemetry::{self, DEFAULT_FILTER, LogSettings};

/// A call makes many small allocations and frees them at once; this allocator is measurably better
/// at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version come this way too, with code 0.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            say(&error);
            error.exit_code()
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, CommandError> {
    // Libraries that ask for a process-wide provider get the one that we use everywhere; a second
    // installation cannot happen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let logs = telemetry::install(&LogSettings {
        format: cli.global.log_format,
        filter: cli.global.log.clone(),
        default_filter: default_filter(cli.verb.as_ref()),
        colours: colours_welcome(),
    })
    .map_err(|error| CommandError::Usage(format!("{error:#}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("portcullis")
        // Nothing here blocks for long; the default of 512 would only cost memory under attack.
        .max_blocking_threads(16)
        .build()
        .map_err(anyhow::Error::new)?;
    let exit = runtime.block_on(Box::pin(cli::run(cli, logs.control())));
    // Whatever is still blocked must not keep the process: everything that matters was awaited.
    runtime.shutdown_background();
    drop(logs);
    exit.map(ExitCode::from)
}

/// A verb that ends by itself talks by its result; only servers tell what they do meanwhile.
fn default_filter(verb: Option<&Verb>) -> &'static str {
    match verb {
        None | Some(Verb::Serve(_) | Verb::Proxy(_) | Verb::Mock(_)) => DEFAULT_FILTER,
        // It tells itself what is wrong, and in one place.
        Some(Verb::Doctor(_)) => "error",
        Some(_) => "warn",
    }
}

fn say(error: &CommandError) {
    let _ = writeln!(std::io::stderr(), "{}", printable(&error.told()));
}
