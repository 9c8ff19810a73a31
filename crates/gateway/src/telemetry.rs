//! Logs for people on a terminal and for collectors elsewhere.
//!
//! The audit trail is the access log: requests appear here at debug level only. Secrets cannot
//! appear at all, their types have no `Display` and a `Debug` that says nothing.

mod writer;

use std::io::IsTerminal;
use std::str::FromStr;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

pub use writer::{Dropped, Lines};

/// What is logged unless told otherwise.
pub const DEFAULT_FILTER: &str = "info";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The format.
    pub format: LogFormat,
    /// A filter such as `info` or `portcullis_server=debug,warn`.
    pub filter: String,
    /// Colours are welcome.
    pub colours: bool,
}

/// The running log. Dropping it writes out what is still waiting.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
}

impl Logs {
    /// How many lines were dropped because nobody read the pipe, for the metrics.
    pub fn dropped(&self) -> Dropped {
        self.lines.dropped()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

/// Starts logging to standard error for the whole process.
pub fn install(settings: &LogSettings) -> anyhow::Result<Logs> {
    let filter = EnvFilter::from_str(&settings.filter)
        .with_context(|| format!("the log filter {:?} is not understood", settings.filter))?;
    let terminal = std::io::stderr().is_terminal();
    let lines = Lines::to(std::io::stderr()).context("cannot start the log writer")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(settings.colours && terminal)
        .with_writer(lines.clone());
    let pretty = match settings.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let installed = if pretty {
        builder.finish().try_init()
    } else {
        builder.json().flatten_event(true).finish().try_init()
    };
    installed.context("logging was started twice")?;
    Ok(Logs { lines })
}
