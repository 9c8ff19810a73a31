//! The page of cases (`docs/development/cases.md`) held against the sources: every case that we mean to
//! withstand has a line, and every test that a line names is there.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::root;

const PAGE: &str = "docs/development/cases.md";

/// The cases, by family. A family's numbers have gaps: the list is a selection.
const FAMILIES: &[(&str, &[u8])] = &[
    (
        "MCP",
        &[
            1, 3, 5, 6, 8, 10, 11, 13, 15, 16, 18, 20, 21, 23, 25, 26, 28, 30, 31, 33, 35, 36,
        ],
    ),
    ("RL", &[2, 4, 5, 7, 9, 10, 12, 14, 15, 17]),
    ("LOG", &[2, 4, 5, 7, 9, 10, 12, 14, 15]),
    ("CFG", &[1, 2, 4, 6, 7, 9, 11, 12, 14, 16, 17]),
    (
        "R",
        &[
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
            25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
        ],
    ),
    // Which dependency is lost, and what then is open or closed.
    ("LOST", &[1, 2, 3, 4, 5, 6]),
    // Classes of published faults of systems like this one.
    ("ADV", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
];

/// What this depends on, and what can befall it; each pair is a case.
const DEPENDENCIES: &[&str] = &["SQLITE", "POSTGRES", "REDIS", "UPSTREAM", "SINK"];
const FAULTS: &[&str] = &["KILL", "HANG", "SLOW", "WRONG", "FULL", "CLOCK", "RESTART"];

/// How a line begins that names no test, and says why.
const NO_TEST: &str = "no test: ";

/// What is wrong with the page.
pub(crate) fn findings() -> Vec<String> {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let (findings, open) = judge(&page, &ids(), |file| {
        std::fs::read_to_string(root().join(file)).ok()
    });
    println!("    {} cases, {open} of them without a test", ids().len());
    findings
}

fn ids() -> Vec<String> {
    let listed = FAMILIES
        .iter()
        .flat_map(|(family, numbers)| numbers.iter().map(move |it| format!("{family}-{it:02}")));
    let pairs = DEPENDENCIES
        .iter()
        .flat_map(|who| FAULTS.iter().map(move |what| format!("{who}-{what}")));
    listed.chain(pairs).collect()
}

/// What is wrong, and how many lines name no test.
fn judge(
    page: &str,
    ids: &[String],
    read: impl Fn(&str) -> Option<String>,
) -> (Vec<String>, usize) {
    let mut findings = Vec::new();
    let mut open = 0;
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in page.lines().enumerate() {
        let place = format!("{PAGE}:{}", number + 1);
        let Some((id, judges)) = row(line) else {
            continue;
        };
        if !ids.iter().any(|known| known == id) {
            findings.push(format!("{place}: {id} is no case"));
        }
        *lines.entry(id).or_default() += 1;
        if let Some(why) = judges.strip_prefix(NO_TEST) {
            open += 1;
            if why.trim().is_empty() {
                findings.push(format!("{place}: {id} does not say why it has no test"));
            }
            continue;
        }
        let named: Vec<&str> = judges.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            findings.push(format!("{place}: {id} names no test"));
        }
        for test in named {
            if !exists(test, &read) {
                findings.push(format!("{place}: {id}: there is no test {test}"));
            }
        }
    }
    for id in ids {
        match lines.get(id.as_str()) {
            Some(1) => {}
            Some(_) => findings.push(format!("{PAGE}: {id} has several lines")),
            None => findings.push(format!("{PAGE}: {id} has no line")),
        }
    }
    (findings, open)
}

/// The first and the last cell of a line of a table: the case, and what judges it.
fn row(line: &str) -> Option<(&str, &str)> {
    let inside = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (id, rest) = inside.split_once(" | ")?;
    let (_, judges) = rest.rsplit_once(" | ")?;
    let is_id = id.contains('-') && id.chars().all(|it| it == '-' || it.is_ascii_alphanumeric());
    (is_id && id != "-").then_some((id, judges))
}

/// Whether `path::name` is a test: marked as one, a promise of the stores' contract, or a step of what runs
/// beside the tests.
fn exists(test: &str, read: impl Fn(&str) -> Option<String>) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else {
        return false;
    };
    let Some(text) = read(path) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let opening = format!("fn {name}(");
    let beside = path.contains("/contract/")
        || Path::new(path).starts_with("xtask")
        || Path::new(path).starts_with("bench");
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = || {
            let above = lines.get(..at).unwrap_or_default().iter().rev();
            above
                .take_while(|line| line.starts_with('#') || line.starts_with("//"))
                .any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test"))
        };
        line.contains(&opening) && !line.starts_with("//") && (beside || attributes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// MCP-01.\n#[tokio::test(flavor = \"multi_thread\")]\n// why\nasync fn it_holds() {\n}\nfn helper() {\n}\n// fn gone() {\n";

    fn judged(page: &str, ids: &[&str]) -> (Vec<String>, usize) {
        let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        judge(page, &ids, |file| {
            (file == "a/b.rs" || file == "xtask/src/c.rs").then(|| SOURCE.to_owned())
        })
    }

    #[test]
    fn the_page_of_this_tree_names_every_case_and_tests_that_are_there() {
        assert_eq!(findings(), Vec::<String>::new());
    }

    #[test]
    fn a_line_for_each_case_with_a_test_that_is_there_is_well() {
        let page = "| id | asks | judged by |\n|---|---|---|\n\
                    | MCP-01 | this | `a/b.rs::it_holds` |\n\
                    | MCP-03 | that | `a/b.rs::it_holds`, `xtask/src/c.rs::helper` |\n\
                    | MCP-05 | and that | no test: its door is not there yet |\n";
        let (findings, open) = judged(page, &["MCP-01", "MCP-03", "MCP-05"]);
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(open, 1);
    }

    #[test]
    fn whatever_is_missing_made_up_or_said_twice_is_found() {
        for (line, finding) in [
            (
                "| MCP-01 | x | `a/b.rs::it_held` |",
                "no test a/b.rs::it_held",
            ),
            ("| MCP-01 | x | `a/c.rs::it_holds` |", "no test a/c.rs"),
            (
                "| MCP-01 | x | `a/b.rs::helper` |",
                "no test a/b.rs::helper",
            ),
            ("| MCP-01 | x | `xtask/src/c.rs::gone` |", "no test xtask"),
            ("| MCP-01 | x | `it_holds` |", "no test it_holds"),
            ("| MCP-01 | x | nothing |", "names no test"),
            ("| MCP-01 | x | no test:  |", "does not say why"),
            ("| MCP-02 | x | `a/b.rs::it_holds` |", "MCP-02 is no case"),
            ("MCP-01", "MCP-01 has no line"),
        ] {
            let (findings, _) = judged(line, &["MCP-01"]);
            assert!(
                findings.iter().any(|found| found.contains(finding)),
                "{line}: {findings:?}"
            );
        }
        let twice = "| MCP-01 | x | `a/b.rs::it_holds` |\n".repeat(2);
        let (findings, _) = judged(&twice, &["MCP-01"]);
        assert!(findings[0].contains("several lines"), "{findings:?}");
    }
}
