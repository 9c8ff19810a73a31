//! The official suite's scenarios for clients, with the gateway's upstream side as the client: what the
//! suite requires of each revision, the two ways of authorization servers before 2025-06-18, and what
//! we speak beyond.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, bail, ensure};
use portcullis_e2e::{Judges, Scenario, visit};
use serde::Deserialize;

/// A revision and the number of scenarios that the suite requires of its clients.
const SETS: [(&str, usize); 2] = [("2025-11-25", 18), ("2026-07-28", 32)];

/// Run in both revisions, beyond what is required, each with the checks that it must make and pass.
const BEYOND: [(&str, &[&str]); 4] = [
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
    (
        "json-schema-2020-12-preservation",
        &["json-schema-2020-12-client-echo-completed"],
    ),
];

/// Authorization servers that say nothing, or not where later revisions say it.
const BEFORE: (&str, [&str; 2]) = (
    "2025-03-26",
    [
        "auth/2025-03-26-oauth-metadata-backcompat",
        "auth/2025-03-26-oauth-endpoint-fallback",
    ],
);

/// How long one may take on a machine that does much else.
const PATIENCE: &str = "120000";

#[derive(Debug, Deserialize)]
struct Check {
    id: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "errorMessage")]
    error: String,
    status: String,
}

/// One scenario to run.
#[derive(Debug, Clone)]
struct Run {
    revision: &'static str,
    scenario: String,
    needed: &'static [&'static str],
}

/// Runs them all; what is wrong, in words.
pub(crate) fn run(judges: &Judges, only: Option<&str>) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut runs = Vec::new();
    for (revision, expected) in SETS {
        let required = required(judges, revision)?;
        if required.len() != expected {
            complaints.push(format!(
                "{revision} requires {} scenarios of a client, {expected} expected",
                required.len()
            ));
        }
        runs.extend(required.into_iter().map(|scenario| Run {
            revision,
            scenario,
            needed: &[],
        }));
        runs.extend(BEYOND.map(|(scenario, needed)| Run {
            revision,
            scenario: scenario.to_owned(),
            needed,
        }));
    }
    runs.extend(BEFORE.1.map(|scenario| Run {
        revision: BEFORE.0,
        scenario: scenario.to_owned(),
        needed: &[],
    }));
    runs.retain(|run| only.is_none_or(|only| run.scenario.contains(only)));
    ensure!(!runs.is_empty(), "there is no such scenario");
    println!("\n    the gateway's upstream side as a client");
    let judgements = judge_all(judges, &runs)?;
    for (run, judgement) in runs.iter().zip(judgements) {
        complaints.extend(report(run, &judgement));
    }
    Ok(complaints)
}

/// What the suite requires of clients of a revision, in its own words.
fn required(judges: &Judges, revision: &str) -> anyhow::Result<Vec<String>> {
    let said = crate::command::read(
        Command::new(judges.node())
            .arg(judges.suite())
            .args(["list", "--requirements", revision])
            .current_dir(judges.folder()),
    )?;
    Ok(listed(&said))
}

fn listed(said: &str) -> Vec<String> {
    said.lines()
        .skip_while(|line| !line.starts_with("Client scenarios"))
        .skip(1)
        .map_while(|line| line.trim().strip_prefix("- "))
        .map(str::to_owned)
        .collect()
}

/// As many at a time as the machine has cores, in the order of the list.
fn judge_all(judges: &Judges, runs: &[Run]) -> anyhow::Result<Vec<Judgement>> {
    let waiting = Mutex::new(runs.iter().enumerate());
    let next = || waiting.lock().ok()?.next();
    let work = || {
        let mut done = Vec::new();
        while let Some((at, run)) = next() {
            done.push((at, judge(judges, run)?));
        }
        anyhow::Ok(done)
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut judgements = std::thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in started {
            let done = worker.join();
            all.extend(done.map_err(|_| anyhow::anyhow!("a worker ended"))??);
        }
        anyhow::Ok(all)
    })?;
    judgements.sort_by_key(|(at, _)| *at);
    Ok(judgements
        .into_iter()
        .map(|(_, judgement)| judgement)
        .collect())
}

fn report(run: &Run, judgement: &Judgement) -> Vec<String> {
    let Run {
        revision,
        scenario,
        needed,
    } = run;
    let mut found = complaints_about(&judgement.checks, needed);
    if !judgement.is_content {
        found.push("the suite is not content, or the call did not come through".to_owned());
    }
    let passed = judgement.passed();
    let wrong = match found.len() {
        0 => String::new(),
        wrong => format!(", {wrong} wrong"),
    };
    println!("    {revision}  {scenario:45}  {passed:2} passed{wrong}");
    if !found.is_empty() {
        println!("{}", judgement.said);
    }
    found
        .into_iter()
        .map(|complaint| format!("{revision} as a client: {scenario}: {complaint}"))
        .collect()
}

fn complaints_about(checks: &[Check], needed: &[&str]) -> Vec<String> {
    let missed = checks
        .iter()
        .filter(|check| check.status == "FAILURE" || check.status == "WARNING")
        .map(|check| format!("{}: {} {}", check.id, check.description, check.error));
    let absent = needed
        .iter()
        .filter(|id| {
            !checks
                .iter()
                .any(|check| check.id == **id && check.status == "SUCCESS")
        })
        .map(|id| format!("{id} did not pass"));
    let mut found: Vec<_> = missed.chain(absent).collect();
    if !checks.iter().any(|check| check.status == "SUCCESS") {
        found.push("nothing passed".to_owned());
    }
    found
}

/// What one run came to.
struct Judgement {
    checks: Vec<Check>,
    said: String,
    /// The suite's own verdict, and our client's.
    is_content: bool,
}

impl Judgement {
    fn passed(&self) -> usize {
        let passed = self.checks.iter();
        passed.filter(|check| check.status == "SUCCESS").count()
    }
}

fn judge(judges: &Judges, run: &Run) -> anyhow::Result<Judgement> {
    let Run {
        revision, scenario, ..
    } = run;
    let output = judges.folder().join("out").join("client").join(revision);
    let output = output.join(scenario.replace('/', "-"));
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    std::fs::create_dir_all(&output)?;
    let run = Command::new(judges.node())
        .arg(judges.suite())
        .args(["client", "--scenario", scenario, "--spec-version", revision])
        .args(["--timeout", PATIENCE])
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
        context: told("MCP_CONFORMANCE_CONTEXT").ok(),
    };
    let judges = Judges::ready()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(visit(&judges, server, &scenario))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, status: &str) -> Check {
        Check {
            id: id.to_owned(),
            description: String::new(),
            error: String::new(),
            status: status.to_owned(),
        }
    }

    #[test]
    fn a_check_that_failed_or_was_never_made_is_a_complaint() {
        let needed = ["flow"];
        assert!(complaints_about(&[check("flow", "SUCCESS")], &needed).is_empty());
        assert_eq!(complaints_about(&[], &[]).len(), 1);
        assert_eq!(complaints_about(&[check("flow", "INFO")], &needed).len(), 2);
        assert_eq!(
            complaints_about(
                &[check("flow", "SUCCESS"), check("other", "WARNING")],
                &needed
            )
            .len(),
            1
        );
    }

    #[test]
    fn the_required_scenarios_are_those_of_clients() {
        let said = "Server scenarios (test):\n  - ping\n\nClient scenarios (test):\n  - initialize\n  - auth/a\n\nRun and reported:\n  - auth/b [client]\n";
        assert_eq!(listed(said), ["initialize", "auth/a"]);
    }
}
