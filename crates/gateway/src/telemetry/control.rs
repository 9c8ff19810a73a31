//! Lets the configuration decide about a log that runs already.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use portcullis_config::{LogFormat as Wanted, Telemetry};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::{Lines, LogFormat, LogSettings};

pub(super) type Format = Box<dyn Layer<Registry> + Send + Sync>;
type FormatHandle = reload::Handle<Format, Registry>;
type FilterHandle = reload::Handle<EnvFilter, Layered<reload::Layer<Format, Registry>, Registry>>;

/// What a line's look depends on besides the format.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) lines: Lines,
    pub(super) terminal: bool,
    pub(super) colours: bool,
}

impl Look {
    /// Both forms keep a span's fields in the same way, so that a span which began before a change
    /// can be printed after it.
    pub(super) fn layer(&self, format: LogFormat) -> Format {
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(self.colours)
            .with_writer(self.lines.clone());
        let pretty = match format {
            LogFormat::Auto => self.terminal,
            LogFormat::Pretty => true,
            LogFormat::Json => false,
        };
        if pretty {
            layer.fmt_fields(JsonFields::new()).boxed()
        } else {
            layer.json().flatten_event(true).boxed()
        }
    }
}

/// Applies a configuration's `telemetry` to the running log, as far as the command line left it
/// open. The default has no log and changes nothing.
#[derive(Clone, Default)]
pub struct LogControl(Option<Arc<Handles>>);

struct Handles {
    look: Look,
    /// `None`: the command line decided.
    format: Option<FormatHandle>,
    filter: Option<FilterHandle>,
}

impl LogControl {
    pub(super) fn new(
        given: &LogSettings,
        look: Look,
        format: FormatHandle,
        filter: FilterHandle,
    ) -> Self {
        Self(Some(Arc::new(Handles {
            look,
            format: given.format.is_none().then_some(format),
            filter: given.filter.is_none().then_some(filter),
        })))
    }

    /// Logs from now on as this says.
    pub fn apply(&self, wanted: &Telemetry) {
        let Some(handles) = &self.0 else {
            return;
        };
        if let Some(handle) = &handles.format {
            let format = match wanted.log_format {
                Wanted::Auto => LogFormat::Auto,
                Wanted::Pretty => LogFormat::Pretty,
                Wanted::Json => LogFormat::Json,
            };
            // Fails only when the log has ended.
            let _ = handle.reload(handles.look.layer(format));
        }
        if let (Some(handle), Ok(filter)) = (
            &handles.filter,
            EnvFilter::from_str(wanted.log_level.as_str()),
        ) {
            let _ = handle.reload(filter);
        }
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogControl")
    }
}
