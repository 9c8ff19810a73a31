//! The official server suite across eras: a server of one era alone, judged through the gateway by clients of
//! the other, on its own endpoint and on the aggregate, where its names carry no prefix.

use std::collections::BTreeMap;

use anyhow::Context;
use portcullis_e2e::{Judges, KeyProxy, Stack};

use crate::suite::{self, Report, RequirementSet, SETS};

/// What cannot pass, each with its reason: `scenario : check : reason`.
const BASELINE: &str = include_str!("../cross-era-baseline.txt");

/// Which era the server shows, and what its clients speak.
struct Crossing {
    era: &'static str,
    revision: &'static str,
    /// How many required scenarios must be green.
    green: usize,
    /// Whether the baseline is about it.
    excused: bool,
}

const CROSSINGS: [Crossing; 4] = [
    Crossing {
        era: "legacy",
        revision: "2026-07-28",
        green: 34,
        excused: true,
    },
    Crossing {
        era: "modern",
        revision: "2025-11-25",
        green: 30,
        excused: false,
    },
    // The same era on both sides, for the aggregate endpoint.
    Crossing {
        era: "legacy",
        revision: "2025-11-25",
        green: 30,
        excused: false,
    },
    Crossing {
        era: "modern",
        revision: "2026-07-28",
        green: 37,
        excused: false,
    },
];

/// Runs all of them; what is wrong comes back.
pub(crate) async fn run(judges: &Judges) -> anyhow::Result<Vec<String>> {
    let baseline = baseline()?;
    let mut complaints = Vec::new();
    for crossing in CROSSINGS {
        let set = SETS
            .into_iter()
            .find(|set| set.revision == crossing.revision)
            .context("there is no such set")?;
        let stack = Stack::bare(crossing.era).await?;
        let proxy = KeyProxy::start(stack.port(), Some(stack.key())).await?;
        for path in ["/mcp/conf", "/mcp"] {
            let way = format!("{} over {} at {path}", crossing.revision, crossing.era);
            let url = format!("http://localhost:{}{path}", proxy.port());
            let folder = format!(
                "{}-{}-{}",
                crossing.era,
                set.revision,
                path.replace('/', "-")
            );
            let report = judge(judges, set, &url, &folder)?;
            let excused = if crossing.excused {
                baseline.clone()
            } else {
                BTreeMap::new()
            };
            let found = complaints_about(&crossing, &way, &report, &excused);
            println!(
                "    {way}: {} of {} required scenarios are green, {} checks passed",
                green(&report),
                set.required,
                report.values().map(suite::Scenario::passed).sum::<usize>()
            );
            complaints.extend(found);
        }
    }
    Ok(complaints)
}

/// The suite waits for the gateway and the proxy, which need this runtime.
fn judge(judges: &Judges, set: RequirementSet, url: &str, folder: &str) -> anyhow::Result<Report> {
    let output = judges.folder().join("out/eras").join(folder);
    tokio::task::block_in_place(|| suite::run(judges, set, url, &output))
}

fn green(report: &Report) -> usize {
    let green = |scenario: &&suite::Scenario| {
        scenario.required && scenario.missed().is_empty() && scenario.passed() > 0
    };
    report.values().filter(green).count()
}

/// Scenario and check to the reason why it cannot pass.
type Baseline = BTreeMap<(String, String), String>;

fn baseline() -> anyhow::Result<Baseline> {
    let lines = BASELINE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.splitn(3, " : ").map(|part| part.trim().to_owned());
            let (scenario, check) = (parts.next(), parts.next());
            let reason = parts.next().filter(|reason| !reason.is_empty());
            let whole = scenario.zip(check).zip(reason);
            whole.with_context(|| format!("not `scenario : check : reason`: {line}"))
        })
        .collect()
}

fn complaints_about(
    crossing: &Crossing,
    way: &str,
    report: &Report,
    baseline: &Baseline,
) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut missed = Vec::new();
    for (name, scenario) in report.iter().filter(|(_, scenario)| scenario.required) {
        for check in scenario.missed() {
            // `id (name)`
            let id = check.split(' ').next().unwrap_or_default().to_owned();
            let key = (name.clone(), id);
            if !baseline.contains_key(&key) {
                complaints.push(format!("{way}: {name}: {check} missed"));
            }
            missed.push(key);
        }
    }
    for (scenario, check) in baseline.keys() {
        if !missed.contains(&(scenario.clone(), check.clone())) {
            complaints.push(format!(
                "{way}: {scenario}: {check} passes; take it out of the baseline"
            ));
        }
    }
    let green = green(report);
    if green < crossing.green {
        complaints.push(format!(
            "{way}: {green} required scenarios are green, not {}",
            crossing.green
        ));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Scenario;

    fn report(status: &str) -> Report {
        let checks = vec![("ping (Ping)".to_owned(), status.to_owned())];
        Report::from([(
            "ping".to_owned(),
            Scenario {
                required: true,
                checks,
            },
        )])
    }

    const ONE: Crossing = Crossing {
        era: "legacy",
        revision: "2026-07-28",
        green: 0,
        excused: true,
    };

    #[test]
    fn every_line_of_the_baseline_has_its_reason() {
        assert!(baseline().is_ok_and(|baseline| !baseline.is_empty()));
    }

    #[test]
    fn what_the_baseline_does_not_excuse_is_a_complaint_and_so_is_what_it_need_not_excuse() {
        let excused = Baseline::from([(("ping".to_owned(), "ping".to_owned()), "so".to_owned())]);
        let none = Baseline::new();
        assert_eq!(
            complaints_about(&ONE, "", &report("FAILURE"), &none).len(),
            1
        );
        assert!(complaints_about(&ONE, "", &report("FAILURE"), &excused).is_empty());
        assert_eq!(
            complaints_about(&ONE, "", &report("SUCCESS"), &excused).len(),
            1
        );
        assert!(complaints_about(&ONE, "", &report("SUCCESS"), &none).is_empty());
    }
}
