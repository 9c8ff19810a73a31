//! The documentation as readers walk through it: every page is in the summary, every decision in the
//! index of decisions too, and no link inside leads nowhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::command::root;

const SUMMARY: &str = "docs/SUMMARY.md";
const DECISIONS: &str = "docs/development/adr";

/// What is wrong with the pages among these files.
pub(crate) fn findings(files: &[String]) -> Vec<String> {
    let read = |file: &String| {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        (file.clone(), text)
    };
    let pages: Vec<(String, String)> = files
        .iter()
        .filter(|file| is_page(file))
        .map(read)
        .collect();
    judge(&pages, |path| root().join(path).exists())
}

fn is_page(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|kind| kind == "md")
        && (file.starts_with("docs/") || !file.contains('/'))
}

fn judge(pages: &[(String, String)], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (page, text) in pages {
        for (line, target) in links(text) {
            let Some(path) = inside(page, target) else {
                continue;
            };
            if !exists(&path) {
                findings.push(format!("{page}:{line}: leads nowhere: {target}"));
            }
        }
    }
    for (index, folder) in [
        (SUMMARY, "docs"),
        (&*format!("{DECISIONS}/index.md"), DECISIONS),
    ] {
        let listed: BTreeSet<PathBuf> = pages
            .iter()
            .filter(|(page, _)| page == index)
            .flat_map(|(page, text)| links(text).filter_map(|(_, target)| inside(page, target)))
            .collect();
        let missing = pages.iter().filter(|(page, _)| {
            page != index
                && Path::new(page).starts_with(folder)
                && !listed.contains(Path::new(page))
        });
        findings.extend(missing.map(|(page, _)| format!("{index} does not list {page}")));
    }
    findings
}

/// Where links lead, with their line; what stands in code is none.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.flat_map(|(at, line)| {
        let ends = line.split("](").skip(1);
        ends.filter_map(move |end| Some((at + 1, end.split_once(')')?.0)))
    })
}

/// The file of the project that a link of this page leads to, if it is one.
fn inside(page: &str, target: &str) -> Option<PathBuf> {
    let path = target.split('#').next().filter(|path| !path.is_empty())?;
    if path.contains("://") || path.starts_with("mailto:") {
        return None;
    }
    let mut place = Path::new(page).parent()?.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pages: &[(&str, &str)]) -> Vec<String> {
        let pages: Vec<(String, String)> = pages
            .iter()
            .map(|(page, text)| ((*page).to_owned(), (*text).to_owned()))
            .collect();
        judge(&pages, |path| {
            pages.iter().any(|(page, _)| Path::new(page) == path)
        })
    }

    #[test]
    fn a_page_that_nobody_finds_and_a_link_that_leads_nowhere_are_told() {
        let summary =
            "- [A](a.md)\n- [D](development/adr/index.md)\n- [1](development/adr/0001.md)";
        let good = [
            (SUMMARY, summary),
            (
                "docs/a.md",
                "[x](#here) [web](https://a.example/b.md)\n```\n[c](code.md)\n```",
            ),
            ("docs/development/adr/index.md", "[one](0001.md#why)"),
            ("docs/development/adr/0001.md", "[a](../../a.md)"),
        ];
        assert_eq!(judged(&good), Vec::<String>::new());
        let mut bad = good.to_vec();
        bad.push(("docs/development/adr/0002.md", "[gone](../gone.md)"));
        assert_eq!(
            judged(&bad),
            [
                "docs/development/adr/0002.md:1: leads nowhere: ../gone.md",
                "docs/SUMMARY.md does not list docs/development/adr/0002.md",
                "docs/development/adr/index.md does not list docs/development/adr/0002.md",
            ]
        );
    }
}
