//! `check`: everything that is wrong with a file, and on request whether what it names answers.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use portcullis_config::{CommandLine, Level, Loaded};
use portcullis_core::{Clock, SystemClock, SystemEntropy};
use portcullis_credentials::{Broker, CredentialBroker, UpstreamCredential};
use portcullis_engine::metrics::Metrics;
use portcullis_engine::{ServerEntry, Snapshot};
use portcullis_policy::authorize_service;
use portcullis_upstream::Presents;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::servers::{self, Making};
use super::{CheckReport, files, outbound};
use crate::cli::exit::CommandError;

/// Checks one file.
pub async fn check(
    file: Option<&Path>,
    online: bool,
    explain: bool,
) -> Result<CheckReport, CommandError> {
    let file = files::path_of(file);
    let Loaded { config, notices } = match files::read(&file, CommandLine::default())? {
        Ok(loaded) => loaded,
        Err(errors) => {
            return Ok(CheckReport {
                errors: errors.errors.len() + errors.omitted,
                warnings: errors.notices.len(),
                text: errors.to_string(),
                json: serde_json::to_value(&errors).unwrap_or_default(),
            });
        }
    };
    let warnings: Vec<String> = notices
        .iter()
        .filter(|notice| notice.level == Level::Warning)
        .map(ToString::to_string)
        .chain(
            config
                .insecure_choices
                .iter()
                .map(|choice| format!("relaxed: {choice}")),
        )
        .collect();
    let mut text = String::new();
    for notice in &notices {
        let _ = writeln!(text, "{notice}");
    }
    for choice in &config.insecure_choices {
        let _ = writeln!(text, "relaxed: {choice}");
    }
    let mut document =
        json!({"file": file, "errors": [], "notices": notices, "relaxed": config.insecure_choices});
    if explain {
        let explained = portcullis_config::explain(&config, &notices);
        let _ = write!(text, "\n{explained}");
        set(&mut document, "explained", explained.into());
    }
    // Everything that only building the rooms can find.
    let client = outbound::client(config.server.ca_file.clone())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let metrics = Metrics::new();
    let making = Making {
        client: &client,
        clock: &clock,
        metrics: &metrics,
    };
    let mut errors = 0;
    match servers::snapshot(&config, None, 1, &making) {
        Err(error) => {
            errors += 1;
            let _ = writeln!(text, "error: {error:#}");
            set(&mut document, "errors", json!([format!("{error:#}")]));
        }
        Ok(snapshot) if online => {
            let broker = Broker::new(
                client,
                Arc::clone(&clock),
                Arc::new(SystemEntropy),
                TaskTracker::new(),
            );
            let probes = probe(&snapshot, &broker).await;
            errors += probes
                .iter()
                .filter(|(_, problem)| problem.is_some())
                .count();
            for (server, problem) in &probes {
                let _ = match problem {
                    None => writeln!(text, "{server}: reachable, credential accepted"),
                    Some(problem) => writeln!(text, "{server}: {problem}"),
                };
            }
            let rows: Vec<Value> = probes
                .iter()
                .map(|(server, problem)| json!({"server": server, "ok": problem.is_none(), "problem": problem}))
                .collect();
            set(&mut document, "online", rows.into());
        }
        Ok(_) => {}
    }
    if errors == 0 {
        let plural = if config.mcp_servers.len() == 1 {
            ""
        } else {
            "s"
        };
        let _ = writeln!(
            text,
            "{}: {} server{plural}, no errors",
            file.display(),
            config.mcp_servers.len()
        );
    }
    Ok(CheckReport {
        errors,
        warnings: warnings.len(),
        text,
        json: document,
    })
}

fn set(document: &mut Value, name: &str, value: Value) {
    if let Some(object) = document.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

struct Presenting<'a>(&'a UpstreamCredential);

impl Presents for Presenting<'_> {
    fn present(&self, headers: &mut http::HeaderMap) {
        self.0.apply(headers);
    }
}

/// Asks every server, one after another is too slow for many: all at once.
async fn probe(snapshot: &Snapshot, broker: &Broker) -> Vec<(String, Option<String>)> {
    let asking = snapshot
        .servers()
        .iter()
        .map(|entry| async move { (entry.id.to_string(), ask(entry, broker).await.err()) });
    futures_util::future::join_all(asking).await
}

async fn ask(entry: &ServerEntry, broker: &Broker) -> Result<(), String> {
    let permit = authorize_service(&entry.id);
    let credential = broker
        .obtain(permit.evidence(), &entry.auth)
        .await
        .map_err(|error| chain(&error))?;
    let asked = entry
        .upstream
        .speaks_modern(permit.evidence(), &Presenting(&credential))
        .await;
    asked.map(drop).map_err(|error| chain(&error))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        let _ = write!(text, ": {because}");
        cause = because.source();
    }
    text
}
