//! Logs for people on a terminal and for collectors elsewhere.
//!
//! The audit trail is the access log: requests appear here at debug level only. Secrets cannot
//! appear at all, their types have no `Display` and a `Debug` that says nothing.

mod control;
pub(crate) mod otlp;
mod writer;

use std::io::IsTerminal;
use std::str::FromStr;

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

pub use control::LogControl;
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

/// What is logged, and how. What is given here wins over the configuration file.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The format, if one was asked for.
    pub format: Option<LogFormat>,
    /// A filter such as `info` or `portcullis_server=debug,warn`, if one was asked for.
    pub filter: Option<String>,
    /// The filter until a configuration says otherwise.
    pub default_filter: &'static str,
    /// Colours are welcome.
    pub colours: bool,
}

/// The running log. Dropping it writes out what is still waiting.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    control: LogControl,
}

impl Logs {
    /// How many lines were dropped because nobody read the pipe, for the metrics.
    pub fn dropped(&self) -> Dropped {
        self.lines.dropped()
    }

    /// What lets a configuration decide.
    pub fn control(&self) -> LogControl {
        self.control.clone()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

/// Starts logging to standard error for the whole process.
pub fn install(settings: &LogSettings) -> anyhow::Result<Logs> {
    let terminal = std::io::stderr().is_terminal();
    let lines = Lines::to(std::io::stderr()).context("cannot start the log writer")?;
    let (subscriber, control) = build(settings, lines.clone(), terminal)?;
    subscriber.try_init().context("logging was started twice")?;
    Ok(Logs { lines, control })
}

fn build(
    settings: &LogSettings,
    lines: Lines,
    terminal: bool,
) -> anyhow::Result<(impl Subscriber + Send + Sync + 'static, LogControl)> {
    let text = settings
        .filter
        .as_deref()
        .unwrap_or(settings.default_filter);
    let filter = EnvFilter::from_str(text)
        .with_context(|| format!("the log filter {text:?} is not understood"))?;
    let look = control::Look {
        lines,
        terminal,
        colours: settings.colours && terminal,
    };
    let (format, format_handle) =
        reload::Layer::new(look.layer(settings.format.unwrap_or_default()));
    let (filter, filter_handle) = reload::Layer::new(filter);
    let control = LogControl::new(settings, look, format_handle, filter_handle);
    Ok((
        tracing_subscriber::registry().with(format).with(filter),
        control,
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use portcullis_config::{LogFormat as Format, LogLevel, Telemetry};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What two lines look like before and after the file was applied.
    fn told(filter: Option<&str>, format: Option<LogFormat>) -> Vec<String> {
        let page = Page::default();
        let lines = Lines::to(page.clone()).unwrap();
        let settings = LogSettings {
            format,
            filter: filter.map(str::to_owned),
            default_filter: DEFAULT_FILTER,
            colours: false,
        };
        let (subscriber, control) = build(&settings, lines.clone(), true).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("early detail");
            tracing::info!("early news");
            control.apply(&Telemetry {
                log_format: Format::Json,
                log_level: LogLevel::Debug,
                metrics: true,
                traces: None,
            });
            tracing::debug!("late detail");
        });
        lines.flush();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_file_decides_what_is_logged_and_how() {
        let lines = told(None, None);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("early news") && !lines[0].starts_with('{'));
        let late: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(late["message"], "late detail");
    }

    #[test]
    fn what_the_command_line_says_wins_over_the_file() {
        let lines = told(Some("info"), Some(LogFormat::Pretty));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("early news"), "{lines:?}");
        let lines = told(Some("debug"), None);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].starts_with('{'), "{lines:?}");
    }
}
