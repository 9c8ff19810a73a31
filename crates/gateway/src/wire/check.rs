//! `check`: everything that is wrong with a file, and on request whether what it names answers.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use portcullis_config::{CommandLine, Config, ConfigError, ConfigErrors, Level, Loaded, Notice};
use portcullis_core::{Clock, SystemClock, SystemEntropy};
use portcullis_credentials::{Broker, CredentialBroker, Errand};
use portcullis_egress::HttpClient;
use portcullis_engine::metrics::Metrics;
use portcullis_engine::{Presenting, ServerEntry, Snapshot};
use portcullis_policy::authorize_service;
use portcullis_server::listen::ServerTls;
use portcullis_upstream::{DocumentSource, Endpoint, Means, Processes};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::issuers::Issuers;
use super::serve::tls_files;
use super::servers::{self, Making};
use super::signer::Prepared;
use super::stored::{StoredValues, Why};
use super::{CheckReport, files, outbound};
use crate::cli::exit::{CommandError, with_causes};

/// Checks one file.
pub async fn check(
    file: Option<&Path>,
    online: bool,
    explain: bool,
) -> Result<CheckReport, CommandError> {
    let file = files::path_of(file);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let line = CommandLine::default();
    let read = if online {
        let (name, text) = (file.display().to_string(), files::text(&file)?);
        let stored = StoredValues::new(Arc::clone(&clock));
        stored.parse(&name, &text, line, Why::Asked).await?
    } else {
        files::read(&file, line)?
    };
    let Loaded {
        config, notices, ..
    } = match read {
        Ok(loaded) => loaded,
        Err(errors) => return Ok(report(Findings::refused(errors))),
    };
    let mut found = Findings {
        explained: explain.then(|| portcullis_config::explain(&config, &notices)),
        servers: config.mcp_servers.len(),
        relaxed: config.insecure_choices.clone(),
        ..Findings::of(&file, notices)
    };
    let built = build(&config, &clock, &mut found.errors.errors);
    if let Some((snapshot, _)) = &built {
        documents(snapshot, online, &mut found.errors).await;
    }
    if let Some((snapshot, client)) = built
        && online
    {
        let (asking, time) = (Arc::clone(&client), Arc::clone(&clock));
        let broker = Broker::new(client, clock, Arc::new(SystemEntropy), TaskTracker::new());
        found.probes = Some(probe(&snapshot, &broker).await);
        let issuers = Issuers::new(asking, Arc::clone(&time), TaskTracker::new());
        let asked = issuers.try_out(&config.identity.issuers).await;
        found.issuers = asked
            .into_iter()
            .map(|(issuer, asked)| (issuer.to_owned(), asked))
            .collect();
    }
    Ok(report(found))
}

/// Reads the OpenAPI documents that are files, and online all of them.
async fn documents(snapshot: &Snapshot, online: bool, found: &mut ConfigErrors) {
    for entry in snapshot.servers() {
        let Endpoint::OpenApi(api) = &entry.upstream.server().endpoint else {
            continue;
        };
        let is_file = matches!(api.document, DocumentSource::File(_));
        if !is_file && !online {
            continue;
        }
        let path = format!("mcp_servers.{}.spec_path", entry.id);
        match entry.upstream.document_findings().await {
            Some(Ok(findings)) => found
                .notices
                .extend(findings.into_iter().map(|text| Notice {
                    level: Level::Warning,
                    path: path.clone(),
                    line: 0,
                    column: 0,
                    text,
                })),
            // One that is fetched shows where its server is asked.
            Some(Err(error)) if is_file => {
                let error = ConfigError::found_later(path, with_causes(&error, ": "));
                found.errors.push(error);
            }
            Some(Err(_)) | None => {}
        }
    }
}

/// Everything that only building the rooms can find.
fn build(
    config: &Config,
    clock: &Arc<dyn Clock>,
    problems: &mut Vec<ConfigError>,
) -> Option<(Snapshot, Arc<dyn HttpClient>)> {
    if let Some(tls) = &config.server.tls
        && let Err(error) = ServerTls::load(tls_files(tls))
    {
        problems.push(ConfigError::found_later(
            "server.tls",
            with_causes(&error, ": "),
        ));
    }
    let client = outbound::client(config.server.ca_file.clone())
        .map_err(|error| problems.push(ConfigError::found_later("", error.to_string())))
        .ok()?;
    let signer = match &config.jwt_signer {
        None => None,
        Some(signer) => Some(
            Prepared::of_file(signer, config, clock)
                .map_err(|error| {
                    problems.push(ConfigError::found_later("guardrails", format!("{error:#}")));
                })
                .ok()?,
        ),
    };
    let means = Means {
        client: Arc::clone(&client),
        clock: Arc::clone(clock),
        tasks: TaskTracker::new(),
        processes: Processes::new(config.max_stdio_processes),
    };
    let making = Making {
        means: &means,
        metrics: &Metrics::new(),
        signer: signer.as_ref(),
    };
    let snapshot = servers::snapshot(config, None, 1, &making)
        .map_err(|error| problems.push(ConfigError::found_later("", format!("{error:#}"))))
        .ok()?;
    Some((snapshot, client))
}

/// All that was found, before it is told as text and as JSON.
struct Findings {
    errors: ConfigErrors,
    relaxed: Vec<String>,
    servers: usize,
    explained: Option<String>,
    probes: Option<Vec<Probe>>,
    /// What issuers said, when they were asked.
    issuers: Vec<(String, Result<(), String>)>,
}

impl Findings {
    fn of(file: &Path, notices: Vec<Notice>) -> Self {
        Self::refused(ConfigErrors {
            file: file.display().to_string(),
            errors: Vec::new(),
            omitted: 0,
            notices,
        })
    }

    fn refused(errors: ConfigErrors) -> Self {
        Self {
            errors,
            relaxed: Vec::new(),
            servers: 0,
            explained: None,
            probes: None,
            issuers: Vec::new(),
        }
    }

    fn failed_probes(&self) -> usize {
        let probes = self.probes.iter().flatten();
        probes
            .filter(|probe| matches!(probe.asked, Asked::Failed(_)))
            .count()
            + self
                .issuers
                .iter()
                .filter(|(_, asked)| asked.is_err())
                .count()
    }
}

fn report(found: Findings) -> CheckReport {
    let errors = found.errors.errors.len() + found.errors.omitted + found.failed_probes();
    let is_warning = |notice: &&Notice| notice.level == Level::Warning;
    let warnings = found.errors.notices.iter().filter(is_warning).count();
    let mut text = found.errors.findings().to_string();
    if found.errors.omitted > 0 {
        let _ = writeln!(text, "({} more are not shown)", found.errors.omitted);
    }
    for notice in &found.errors.notices {
        let _ = writeln!(text, "{}: {notice}", notice.level);
    }
    if let Some(explained) = &found.explained {
        let _ = write!(text, "\n{explained}\n");
    }
    for Probe { server, asked } in found.probes.iter().flatten() {
        let _ = match asked {
            Asked::Answered => writeln!(text, "server `{server}`: reachable, credential accepted"),
            Asked::CallersOnly => {
                writeln!(
                    text,
                    "server `{server}`: not asked, it is called in callers' own names only"
                )
            }
            // It names the server itself.
            Asked::Failed(problem) => writeln!(text, "error: {problem}"),
        };
    }
    for (issuer, asked) in &found.issuers {
        let _ = match asked {
            Ok(()) => writeln!(text, "issuer `{issuer}`: answers"),
            Err(problem) => writeln!(text, "error: issuer `{issuer}`: {problem}"),
        };
    }
    let _ = writeln!(text, "{}", sum(&found, errors, warnings));
    CheckReport {
        errors,
        warnings,
        text,
        json: document(found),
    }
}

/// `portcullis.yaml: 2 servers, no errors, 1 warning`.
fn sum(found: &Findings, errors: usize, warnings: usize) -> String {
    let counted = |count: usize, noun: &str| match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let mut parts = vec![counted(errors, "error"), counted(warnings, "warning")];
    // A file that does not load has no servers that could be counted.
    if found.errors.errors.is_empty() {
        parts.insert(0, counted(found.servers, "server"));
    }
    format!("{}: {}", found.errors.file, parts.join(", "))
}

/// The same members whatever was found, `explained` and `online` only when asked for.
fn document(found: Findings) -> Value {
    let mut document = serde_json::to_value(&found.errors).unwrap_or_default();
    let mut set = |name: &str, value: Value| {
        if let Some(object) = document.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
    };
    set("relaxed", json!(found.relaxed));
    if let Some(explained) = found.explained {
        set("explained", explained.into());
    }
    if let Some(probes) = found.probes {
        let row = |Probe { server, asked }| match asked {
            Asked::Answered => json!({"server": server, "ok": true, "problem": null}),
            Asked::CallersOnly => json!({"server": server, "ok": null, "problem": null}),
            Asked::Failed(problem) => json!({"server": server, "ok": false, "problem": problem}),
        };
        set("online", probes.into_iter().map(row).collect());
        let row = |(issuer, asked): (String, Result<(), String>)| json!({"issuer": issuer, "ok": asked.is_ok(), "problem": asked.err()});
        set(
            "online_issuers",
            found.issuers.into_iter().map(row).collect(),
        );
    }
    document
}

/// What one server said, or why it said nothing.
struct Probe {
    server: String,
    asked: Asked,
}

enum Asked {
    Answered,
    /// Nobody is calling, so there is nothing to present; or the key that signs is the gateway's.
    CallersOnly,
    Failed(String),
}

/// Asks every server, one after another is too slow for many: all at once.
async fn probe(snapshot: &Snapshot, broker: &Broker) -> Vec<Probe> {
    let asking = snapshot.servers().iter().map(|entry| async move {
        Probe {
            server: entry.id.to_string(),
            asked: if entry.auth.knows_callers_only() || entry.auth.tells_errands() {
                Asked::CallersOnly
            } else {
                ask(entry, broker)
                    .await
                    .map_or_else(Asked::Failed, |()| Asked::Answered)
            },
        }
    });
    futures_util::future::join_all(asking).await
}

async fn ask(entry: &ServerEntry, broker: &Broker) -> Result<(), String> {
    let permit = authorize_service(&entry.id);
    let credential = broker
        .obtain(permit.evidence(), &entry.auth, Errand::DISCOVER)
        .await
        .map_err(|error| with_causes(&error, ": "))?;
    let asked = entry
        .upstream
        .speaks_modern(permit.evidence(), &Presenting(&credential))
        .await;
    asked.map(drop).map_err(|error| with_causes(&error, ": "))
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
    async fn a_document_that_is_no_document_is_found_before_the_start() {
        let server = |spec: &str| {
            format!("mcp_servers: {{a: {{spec_path: {spec}, url: 'https://a.example'}}}}")
        };
        for (spec, found) in [
            ("HERE/absent.json", "absent.json"),
            ("HERE/nonsense.pem", "is it an OpenAPI document?"),
        ] {
            let report = checked(&server(spec)).await;
            assert_eq!(report.errors, 1, "{}", report.text);
            for part in [found, "mcp_servers.a.spec_path"] {
                assert!(report.text.contains(part), "{}", report.text);
            }
        }
    }

    #[tokio::test]
    async fn everything_that_is_wrong_is_told_at_once() {
        let report = checked(
            "server: {ca_file: HERE/absent.pem, tls: {cert: HERE/absent.pem, key: HERE/absent.key}}",
        )
        .await;
        assert_eq!(report.errors, 2, "{}", report.text);
    }

    /// A script that reads the document must not have to guess its shape.
    #[tokio::test]
    async fn the_document_has_the_same_members_and_errors_the_same_form_whatever_was_found() {
        let key = "sk-pc-7Qm2vT9dKx4RzP1sWn8uYb3";
        let sound = checked(&format!(
            "identity: {{keys: [{{id: a, sha256: {}}}]}}",
            "0a".repeat(32)
        ))
        .await;
        let unreadable = checked("server: {prot: 1}").await;
        let unusable =
            checked("server: {tls: {cert: HERE/absent.pem, key: HERE/absent.key}}").await;
        let relaxed = checked(&format!(
            "compat: litellm\nidentity: {{keys: [{{id: a, key: {key}}}]}}"
        ))
        .await;
        for report in [&sound, &unreadable, &unusable, &relaxed] {
            let members: Vec<&String> = report.json.as_object().unwrap().keys().collect();
            assert_eq!(members, ["errors", "file", "notices", "omitted", "relaxed"]);
            for error in report.json["errors"].as_array().unwrap() {
                for member in ["path", "line", "column", "message", "help", "excerpt"] {
                    assert!(error.get(member).is_some(), "{member} in {error}");
                }
            }
        }
        assert_eq!((sound.errors, sound.warnings), (0, 0), "{}", sound.text);
        assert_eq!(unusable.json["errors"][0]["path"], "server.tls");
        assert_eq!(relaxed.json["relaxed"].as_array().unwrap().len(), 3);
        assert_eq!(
            relaxed
                .text
                .matches("a key without grants sees every server")
                .count(),
            1
        );
    }

    #[tokio::test]
    async fn findings_are_counted_once_and_warnings_beside_errors_are_shown() {
        let text = "server: {prot: 1}\ngeneral_settings: {master_key: sk-1234, alerting: [x]}";
        let report = checked(text).await;
        assert_eq!((report.errors, report.warnings), (1, 3), "{}", report.text);
        assert_eq!(report.text.matches("error: ").count(), 1, "{}", report.text);
        assert_eq!(
            report.text.matches("warning: ").count(),
            3,
            "{}",
            report.text
        );
        assert!(
            report.text.ends_with("1 error, 3 warnings\n"),
            "{}",
            report.text
        );
    }
}
