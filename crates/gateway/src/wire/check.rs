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
use portcullis_server::listen::{ServerTls, TlsFiles};
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
    let mut problems = Vec::new();
    if let Some(tls) = &config.server.tls
        && let Err(error) = ServerTls::load(TlsFiles {
            certificate: tls.cert.clone(),
            key: tls.key.clone(),
        })
    {
        problems.push(format!("server.tls: {}", chain(&error)));
    }
    let client = match outbound::client(config.server.ca_file.clone()) {
        Ok(client) => Some(client),
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let metrics = Metrics::new();
    let mut built = None;
    if let Some(client) = client {
        let making = Making {
            client: &client,
            clock: &clock,
            metrics: &metrics,
        };
        match servers::snapshot(&config, None, 1, &making) {
            Err(error) => problems.push(format!("{error:#}")),
            Ok(snapshot) => built = Some((snapshot, client)),
        }
    }
    for problem in &problems {
        let _ = writeln!(text, "error: {problem}");
    }
    let mut errors = problems.len();
    set(&mut document, "errors", json!(problems));
    if let (Some((snapshot, client)), true) = (built, online) {
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn checked(text: &str) -> CheckReport {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let here = folder.path().display().to_string();
        std::fs::write(folder.path().join("nonsense.pem"), "nonsense").unwrap();
        std::fs::write(&file, text.replace("HERE", &here)).unwrap();
        check(Some(&file), false, false).await.unwrap()
    }

    #[tokio::test]
    async fn certificates_that_are_missing_or_none_are_found_before_the_start() {
        for (text, found) in [
            (
                "server: {tls: {cert: HERE/absent.pem, key: HERE/absent.key}}",
                "server.tls: cannot read a certificate from",
            ),
            (
                "server: {tls: {cert: HERE/nonsense.pem, key: HERE/nonsense.pem}}",
                "server.tls: cannot read a certificate from",
            ),
            ("server: {ca_file: HERE/absent.pem}", "absent.pem"),
            ("server: {ca_file: HERE/nonsense.pem}", "nonsense.pem"),
        ] {
            let report = checked(text).await;
            assert_eq!(report.errors, 1, "{}", report.text);
            assert!(report.text.contains(found), "{}", report.text);
            assert!(!report.text.contains("no errors"));
            assert_eq!(report.json["errors"].as_array().unwrap().len(), 1);
        }
        assert_eq!(checked("").await.errors, 0);
    }

    #[tokio::test]
    async fn everything_that_is_wrong_is_told_at_once() {
        let report = checked(
            "server: {ca_file: HERE/absent.pem, tls: {cert: HERE/absent.pem, key: HERE/absent.key}}",
        )
        .await;
        assert_eq!(report.errors, 2, "{}", report.text);
    }
}
