//! `store`, `audit`, `telemetry`.

use std::path::PathBuf;

use crate::fields::Fields;
use crate::model::{Audit, LogFormat, LogLevel, Store, Telemetry};

pub(crate) fn store(fields: &Fields<'_, '_>) -> Store {
    Store {
        path: fields
            .file_path("path")
            .unwrap_or_else(|| PathBuf::from("portcullis.db")),
    }
}

pub(crate) fn audit(fields: &Fields<'_, '_>) -> Audit {
    Audit {
        required: fields.flag("required").unwrap_or(false),
        jsonl_path: fields.file_path("jsonl_path"),
        log_requests: fields.flag("log_requests").unwrap_or(false),
    }
}

pub(crate) fn telemetry(fields: &Fields<'_, '_>) -> Telemetry {
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
    }
}
