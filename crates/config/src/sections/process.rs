//! `store`, `telemetry`.

use std::path::PathBuf;
use std::time::Duration;

use crate::fields::Fields;
use crate::model::{LogFormat, LogLevel, Postgres, Store, Telemetry};
use crate::tree::Node;

pub(crate) fn store(fields: &Fields<'_, '_>) -> Store {
    Store {
        path: fields
            .file_path("path")
            .unwrap_or_else(|| PathBuf::from("portcullis.db")),
        postgres: postgres(fields),
    }
}

/// The rest of the section, which says something only where there is a URL.
fn postgres(fields: &Fields<'_, '_>) -> Option<Postgres> {
    let allow_unverified = fields.flag("allow_unverified_database").unwrap_or(false);
    let connections = fields
        .whole("database_connections")
        .and_then(|most| u32::try_from(most).ok())
        .unwrap_or(10);
    let time = |name: &str, default: u64| {
        let time = fields.span(name).unwrap_or(Duration::from_secs(default));
        if time < Duration::from_millis(10) {
            fields.findings.error(
                fields.place(name),
                "nothing is done in that time",
                format!("write a time such as `{default}s`"),
            );
        }
        time
    };
    let (acquire_timeout, statement_timeout) =
        (time("acquire_timeout", 5), time("statement_timeout", 10));
    let url = fields.secret("database_url")?;
    if allow_unverified {
        fields.findings.relaxed(
            fields.place("allow_unverified_database"),
            "whoever answers at the database's address is taken for the database",
        );
    }
    Some(Postgres {
        url: url.value,
        allow_unverified,
        connections,
        acquire_timeout,
        statement_timeout,
    })
}

pub(crate) fn telemetry(fields: &Fields<'_, '_>) -> Telemetry {
    let empty = Node::empty_map();
    Telemetry {
        log_format: match fields.choice("log_format") {
            Some("pretty") => LogFormat::Pretty,
            Some("json") => LogFormat::Json,
            _ => LogFormat::Auto,
        },
        log_level: match fields.choice("log_level") {
            Some("error") => LogLevel::Error,
            Some("warn") => LogLevel::Warn,
            Some("debug") => LogLevel::Debug,
            Some("trace") => LogLevel::Trace,
            _ => LogLevel::Info,
        },
        metrics: fields.flag("metrics").unwrap_or(true),
        traces: fields
            .section_or_empty("traces", &empty)
            .and_then(|traces| super::traces::read(&traces)),
    }
}
