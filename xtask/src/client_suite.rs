//! The official suite's scenarios for clients, with the gateway's upstream side as the client: those
//! of the authorization extensions that need no browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use portcullis_e2e::{Judges, Scenario, visit};
use serde::Deserialize;

const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Scenarios, each with the checks that it must make and pass.
const SCENARIOS: [(&str, &[&str]); 3] = [
    (
        "auth/client-credentials-jwt",
        &["client-credentials-jwt-verified"],
    ),
    (
        "auth/client-credentials-basic",
        &["client-credentials-basic-auth"],
    ),
    (
        "auth/enterprise-managed-authorization",
        &["complete-flow-token-exchange", "complete-flow-jwt-bearer"],
    ),
];

#[derive(Debug, Deserialize)]
struct Check {
    id: String,
    #[serde(default)]
    description: String,
    status: String,
}

/// Runs them in both revisions; what is wrong, in words.
pub(crate) fn run(judges: &Judges) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    println!("\n    the gateway's upstream side as a client");
    for revision in REVISIONS {
        for (scenario, needed) in SCENARIOS {
            let Judgement {
                checks,
                said,
                is_content,
            } = judge(judges, scenario, revision)?;
            let mut found = complaints_about(&checks, needed);
            if !is_content {
                found.push("the suite is not content, or the call did not come through".to_owned());
            }
            let passed = checks.iter().filter(|check| check.status == "SUCCESS");
            println!("    {revision}  {scenario:38}  {} passed", passed.count());
            if !found.is_empty() {
                println!("{said}");
            }
            complaints.extend(
                found
                    .into_iter()
                    .map(|complaint| format!("{revision} as a client: {scenario}: {complaint}")),
            );
        }
    }
    Ok(complaints)
}

fn complaints_about(checks: &[Check], needed: &[&str]) -> Vec<String> {
    let missed = checks
        .iter()
        .filter(|check| check.status == "FAILURE" || check.status == "WARNING")
        .map(|check| format!("{}: {}", check.id, check.description));
    let absent = needed
        .iter()
        .filter(|id| {
            !checks
                .iter()
                .any(|check| check.id == **id && check.status == "SUCCESS")
        })
        .map(|id| format!("{id} did not pass"));
    missed.chain(absent).collect()
}

/// What one run came to.
struct Judgement {
    checks: Vec<Check>,
    said: String,
    /// The suite's own verdict, and our client's.
    is_content: bool,
}

fn judge(judges: &Judges, scenario: &str, revision: &str) -> anyhow::Result<Judgement> {
    let output = judges.folder().join("out").join("client").join(revision);
    let output = output.join(scenario.replace('/', "-"));
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    std::fs::create_dir_all(&output)?;
    let run = Command::new(judges.node())
        .arg(judges.suite())
        .args(["client", "--scenario", scenario, "--spec-version", revision])
        // Extensions stand on no revision's time line.
        .arg("--force")
        // A shell reads it, so that a folder's name may hold anything.
        .args(["--command", "\"$PORTCULLIS_XTASK\" client-under-test"])
        .arg("-o")
        .arg(&output)
        // Not the path of this process: a build on the way may have replaced it.
        .env("PORTCULLIS_XTASK", portcullis_e2e::binary("xtask")?)
        .env("PORTCULLIS_BIN_DIR", binaries()?)
        .current_dir(judges.folder())
        .output()
        .context("cannot start the suite")?;
    let is_content = run.status.success();
    let said = [run.stdout, run.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    let Some(report) = report_in(&output) else {
        bail!("{scenario}: the suite reported nothing:\n{said}");
    };
    let checks = serde_json::from_str(&std::fs::read_to_string(&report)?)
        .with_context(|| format!("{} is not a list of checks", report.display()))?;
    Ok(Judgement {
        checks,
        said,
        is_content,
    })
}

/// Where the gateway is: where the harness finds it in this process.
fn binaries() -> anyhow::Result<PathBuf> {
    let gateway = portcullis_e2e::binary("portcullis")?;
    Ok(gateway
        .parent()
        .context("a program in no folder")?
        .to_owned())
}

/// The suite makes a folder of the scenario's name and the time.
fn report_in(folder: &Path) -> Option<PathBuf> {
    let inside = std::fs::read_dir(folder).ok()?.flatten();
    let mut folders = Vec::new();
    for entry in inside {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == "checks.json") {
            return Some(path);
        }
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.iter().find_map(|folder| report_in(folder))
}

/// What the suite starts for every scenario.
pub(crate) fn client_under_test(server: &str) -> anyhow::Result<()> {
    let told = |name: &str| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the suite tells its clients by the environment what to do"
        )]
        std::env::var(name).with_context(|| format!("{name} is not set: the suite starts this"))
    };
    let scenario = Scenario {
        name: told("MCP_CONFORMANCE_SCENARIO")?,
        revision: told("MCP_CONFORMANCE_PROTOCOL_VERSION")?,
        context: told("MCP_CONFORMANCE_CONTEXT")?,
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(visit(server, &scenario))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, status: &str) -> Check {
        Check {
            id: id.to_owned(),
            description: String::new(),
            status: status.to_owned(),
        }
    }

    #[test]
    fn a_check_that_failed_or_was_never_made_is_a_complaint() {
        let needed = ["flow"];
        assert!(complaints_about(&[check("flow", "SUCCESS")], &needed).is_empty());
        assert_eq!(complaints_about(&[], &needed).len(), 1);
        assert_eq!(complaints_about(&[check("flow", "INFO")], &needed).len(), 1);
        assert_eq!(
            complaints_about(
                &[check("flow", "SUCCESS"), check("other", "WARNING")],
                &needed
            )
            .len(),
            1
        );
    }
}
