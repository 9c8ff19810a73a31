//! `cargo xtask conformance`: the official suite against our fixture, directly and through the
//! gateway. The gateway may change nothing: every required scenario is green on both ways with the
//! same checks, and no scenario is worse through the gateway than without it.

use anyhow::{Context, bail};
use portcullis_e2e::{Fixture, Judges, KeyProxy, Stack};

use crate::{
    authorization_suite, client_suite,
    command::{self, binaries, cargo_with},
    cross_era,
    suite::{self, Report, RequirementSet, SETS},
};

/// Builds, runs, compares, prints.
pub(crate) fn run(release: bool, passthrough: bool) -> anyhow::Result<()> {
    build(release)?;
    println!("    the judges are installed into .conformance/ when they are missing");
    let judges = Judges::ready()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let way = runtime.block_on(Way::open(passthrough))?;
    let mut complaints = Vec::new();
    for set in SETS {
        println!("    {} directly", set.revision);
        let direct = judge(&judges, set, &way.direct, "direct")?;
        println!("    {} through {}", set.revision, way.name);
        let through = judge(&judges, set, &way.through, "through")?;
        print_table(set, &direct, &through);
        complaints.extend(complaints_about(set, "directly", &direct));
        complaints.extend(complaints_about(set, "through the gateway", &through));
        complaints.extend(differences(set, &direct, &through));
    }
    if !passthrough {
        complaints.extend(runtime.block_on(cross_era::run(&judges))?);
        complaints.extend(client_suite::run(&judges, None)?);
        complaints.extend(runtime.block_on(authorization_suite::run(&judges))?);
    }
    if complaints.is_empty() {
        println!("    the gateway changes nothing that the suite can see");
        return Ok(());
    }
    for complaint in &complaints {
        println!("    - {complaint}");
    }
    if let Some(log) = way.log() {
        println!("    the gateway said:\n{log}");
    }
    bail!(
        "{} complaint(s); full reports are in .conformance/out",
        complaints.len()
    )
}

/// What stands between the suite and the fixture. It lives as long as this value.
struct Way {
    name: &'static str,
    direct: String,
    through: String,
    gateway: Option<Stack>,
    _fixture: Option<Fixture>,
    _proxy: KeyProxy,
}

impl Way {
    async fn open(passthrough: bool) -> anyhow::Result<Self> {
        let url = |port: u16, path: &str| format!("http://localhost:{port}{path}");
        if passthrough {
            let fixture = Fixture::start().await?;
            let proxy = KeyProxy::start(fixture.port(), None).await?;
            return Ok(Self {
                name: "a proxy that only passes on",
                direct: url(fixture.port(), "/mcp"),
                through: url(proxy.port(), "/mcp"),
                gateway: None,
                _fixture: Some(fixture),
                _proxy: proxy,
            });
        }
        let stack = Stack::start().await.context("the gateway does not start")?;
        let proxy = KeyProxy::start(stack.port(), Some(stack.key())).await?;
        Ok(Self {
            name: "the gateway",
            direct: url(stack.fixture().port(), "/mcp"),
            through: url(proxy.port(), "/mcp/conf"),
            gateway: Some(stack),
            _fixture: None,
            _proxy: proxy,
        })
    }

    fn log(&self) -> Option<String> {
        let said = self.gateway.as_ref()?.gateway().said();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(40)..)?;
        Some(last.join("\n"))
    }
}

/// The client scenarios whose names contain `only`, those of authorization servers, or those across eras, with
/// the programs that were built last.
pub(crate) fn run_only(only: &str) -> anyhow::Result<()> {
    portcullis_e2e::look_in(&binaries(false));
    let judges = Judges::ready()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let complaints = match only {
        "authorization" => runtime.block_on(authorization_suite::run(&judges))?,
        "eras" => runtime.block_on(cross_era::run(&judges))?,
        scenarios => client_suite::run(&judges, Some(scenarios))?,
    };
    for complaint in &complaints {
        println!("    - {complaint}");
    }
    anyhow::ensure!(complaints.is_empty(), "{} complaint(s)", complaints.len());
    Ok(())
}

fn build(release: bool) -> anyhow::Result<()> {
    if release {
        command::run(&mut cargo_with(&[
            "build",
            "--release",
            "--package=portcullis-conformance-fixture",
            "--package=portcullis-gateway",
        ]))?;
    } else {
        command::build_everything()?;
    }
    // The harness looks for programs there first.
    portcullis_e2e::look_in(&binaries(release));
    Ok(())
}

fn judge(judges: &Judges, set: RequirementSet, url: &str, way: &str) -> anyhow::Result<Report> {
    let output = judges.folder().join("out").join(way).join(set.revision);
    suite::run(judges, set, url, &output)
}

fn complaints_about(set: RequirementSet, way: &str, report: &Report) -> Vec<String> {
    let required: Vec<_> = report
        .iter()
        .filter(|(_, scenario)| scenario.required)
        .collect();
    let mut complaints: Vec<String> = required
        .iter()
        .flat_map(|(name, scenario)| {
            scenario
                .missed()
                .into_iter()
                .map(move |check| format!("{} {way}: {name}: {check} missed", set.revision))
        })
        .collect();
    let green = required
        .iter()
        .filter(|(_, scenario)| scenario.passed() > 0)
        .count();
    if green != set.required {
        complaints.push(format!(
            "{} {way}: {green} required scenarios passed something, {} expected",
            set.revision, set.required
        ));
    }
    complaints
}

fn differences(set: RequirementSet, direct: &Report, through: &Report) -> Vec<String> {
    let mut found = Vec::new();
    for (name, expected) in direct {
        let Some(seen) = through.get(name) else {
            found.push(format!(
                "{} {name}: not run through the gateway",
                set.revision
            ));
            continue;
        };
        let (expected_checks, seen_checks) = (expected.passing(), seen.passing());
        for (check, count) in &expected_checks {
            if seen_checks.get(check).copied().unwrap_or(0) < *count {
                found.push(format!(
                    "{} {name}: {check} is lost on the way",
                    set.revision
                ));
            }
        }
        if expected.required {
            for (check, count) in &seen_checks {
                if expected_checks.get(check).copied().unwrap_or(0) < *count {
                    found.push(format!(
                        "{} {name}: {check} passes only on the way",
                        set.revision
                    ));
                }
            }
        }
    }
    found
}

fn print_table(set: RequirementSet, direct: &Report, through: &Report) {
    let width = direct.keys().map(String::len).max().unwrap_or(0);
    println!("\n    {:width$}  required  direct  through", set.revision);
    for (name, scenario) in direct {
        let total = scenario.passed() + scenario.missed().len();
        let required = if scenario.required { "yes" } else { "" };
        let seen = through.get(name).map_or_else(
            || "-".to_owned(),
            |seen| format!("{}/{}", seen.passed(), seen.passed() + seen.missed().len()),
        );
        let own = format!("{}/{total}", scenario.passed());
        println!("    {name:width$}  {required:8}  {own:6}  {seen}");
    }
    let sum = |report: &Report| report.values().map(suite::Scenario::passed).sum::<usize>();
    let green = |report: &Report| {
        report
            .values()
            .filter(|scenario| scenario.required && scenario.missed().is_empty())
            .count()
    };
    println!(
        "    required green: {}/{n} directly, {}/{n} through; checks passed: {} and {}\n",
        green(direct),
        green(through),
        sum(direct),
        sum(through),
        n = set.required
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Scenario;

    const SET: RequirementSet = RequirementSet {
        revision: "2026-07-28",
        required: 1,
    };

    fn report(required: bool, status: &str) -> Report {
        let checks = vec![("ping (Ping)".to_owned(), status.to_owned())];
        Report::from([("ping".to_owned(), Scenario { required, checks })])
    }

    #[test]
    fn a_check_that_the_gateway_breaks_is_found() {
        let found = differences(SET, &report(false, "SUCCESS"), &report(false, "FAILURE"));
        assert_eq!(found, ["2026-07-28 ping: ping (Ping) is lost on the way"]);
    }

    #[test]
    fn a_required_check_that_only_the_gateway_passes_is_a_difference_too() {
        let found = differences(SET, &report(true, "FAILURE"), &report(true, "SUCCESS"));
        assert_eq!(
            found,
            ["2026-07-28 ping: ping (Ping) passes only on the way"]
        );
    }

    #[test]
    fn a_required_scenario_that_misses_or_vanishes_is_a_complaint() {
        assert_eq!(
            complaints_about(SET, "directly", &report(true, "WARNING")).len(),
            2
        );
        assert_eq!(complaints_about(SET, "directly", &Report::new()).len(), 1);
        assert!(complaints_about(SET, "directly", &report(true, "SUCCESS")).is_empty());
    }
}
