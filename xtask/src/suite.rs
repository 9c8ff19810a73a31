//! One run of the official suite, and what its report says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::Context;
use portcullis_e2e::Judges;
use serde::Deserialize;

/// A frozen set of requirements and the number of scenarios that it requires of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequirementSet {
    pub(crate) revision: &'static str,
    pub(crate) required: usize,
}

pub(crate) const SETS: [RequirementSet; 2] = [
    RequirementSet {
        revision: "2025-11-25",
        required: 30,
    },
    RequirementSet {
        revision: "2026-07-28",
        required: 37,
    },
];

#[derive(Debug, Deserialize)]
struct Check {
    id: String,
    name: String,
    status: String,
}

/// The checks of one scenario: name and status, one entry for every time it was made.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) required: bool,
    pub(crate) checks: Vec<(String, String)>,
}

impl Scenario {
    /// How many checks passed.
    pub(crate) fn passed(&self) -> usize {
        self.checks
            .iter()
            .filter(|(_, status)| status == "SUCCESS")
            .count()
    }

    /// Checks that failed or warned.
    pub(crate) fn missed(&self) -> Vec<&str> {
        self.checks
            .iter()
            .filter(|(_, status)| status == "FAILURE" || status == "WARNING")
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The passing checks, counted by name.
    pub(crate) fn passing(&self) -> BTreeMap<&str, usize> {
        let mut counted = BTreeMap::new();
        for (name, _) in self.checks.iter().filter(|(_, status)| status == "SUCCESS") {
            *counted.entry(name.as_str()).or_default() += 1;
        }
        counted
    }
}

/// Everything one run reported, by scenario.
pub(crate) type Report = BTreeMap<String, Scenario>;

/// Runs one set against `url` and reads the report that it leaves in `output`.
pub(crate) fn run(
    judges: &Judges,
    set: RequirementSet,
    url: &str,
    output: &Path,
) -> anyhow::Result<Report> {
    if output.exists() {
        std::fs::remove_dir_all(output)?;
    }
    let run = Command::new(judges.node())
        .arg(judges.suite())
        .args(["server", "--url", url, "--requirements", set.revision, "-o"])
        .arg(output)
        .current_dir(judges.folder())
        .output()
        .context("cannot start the suite")?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    std::fs::create_dir_all(output)?;
    std::fs::write(output.join("said.txt"), &said)?;
    let unscored = unscored(&said);
    let mut report = Report::new();
    for entry in std::fs::read_dir(output)? {
        let path = entry?.path().join("checks.json");
        let Some(scenario) = scenario_of(&path) else {
            continue;
        };
        let checks: Vec<Check> = serde_json::from_str(&std::fs::read_to_string(&path)?)
            .with_context(|| format!("{} is not a list of checks", path.display()))?;
        let mut checks: Vec<_> = checks
            .into_iter()
            .map(|check| (format!("{} ({})", check.id, check.name), check.status))
            .collect();
        checks.sort();
        let required = !unscored.contains(&scenario);
        report.insert(scenario, Scenario { required, checks });
    }
    anyhow::ensure!(
        !report.is_empty(),
        "the suite reported nothing:\n{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(report)
}

/// `server-tools-list-2026-11-21T08-36-54-421Z/checks.json` is about `tools-list`.
fn scenario_of(path: &Path) -> Option<String> {
    let folder = path.parent()?.file_name()?.to_str()?;
    let stamped = path
        .is_file()
        .then(|| folder.strip_prefix("server-"))
        .flatten()?;
    let stamp = "-2026-11-21T08-36-54-421Z".len();
    let end = stamped.len().checked_sub(stamp)?;
    stamped.get(..end).map(str::to_owned)
}

/// The scenarios that the suite lists as run but not scored.
fn unscored(said: &str) -> BTreeSet<String> {
    said.lines()
        .skip_while(|line| !line.starts_with("Not scored"))
        .skip(1)
        .filter_map(|line| line.trim().split(' ').nth(1).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_named_by_its_folder_without_prefix_and_time() {
        let own = format!("xtask-suite-names-{}", std::process::id());
        let folder = std::env::temp_dir().join(own);
        let inside = folder.join("server-tools-call-error-2026-11-21T08-36-54-421Z");
        std::fs::create_dir_all(&inside).unwrap();
        let file = inside.join("checks.json");
        std::fs::write(&file, "[]").unwrap();
        assert_eq!(scenario_of(&file).as_deref(), Some("tools-call-error"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn scenarios_after_the_headline_are_not_scored() {
        let said = "✓ ping: 2 passed\n\nNot scored for 2025-11-25: 1 scenario(s) run.\n  ✗ server-sse-polling (pending)\n";
        assert_eq!(
            unscored(said),
            BTreeSet::from(["server-sse-polling".to_owned()])
        );
    }
}
