//! `cargo xtask tidy`: the layout of the house, checked from cargo's own facts.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{
    book, cases,
    command::{cargo_with, read, root},
    rules::{self, BANNED, Edges},
};

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Words that mark unfinished work or show where a file was written; spelt in pieces so that this
/// file does not contain them.
const FORBIDDEN: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
];

pub(crate) fn run() -> anyhow::Result<()> {
    let metadata: Metadata = serde_json::from_str(&read(&mut cargo_with(&[
        "metadata",
        "--no-deps",
        "--format-version=1",
        "--locked",
    ]))?)?;
    let mut findings = rules::violations(&edges(&metadata));
    println!(
        "    {} packages know only whom they may know",
        metadata.packages.len()
    );
    findings.extend(banned_crates()?);
    findings.extend(readmes(&metadata));
    if !root().join("LICENSE").is_file() {
        findings.push("there is no LICENSE".to_owned());
    }
    let files = tracked_files()?;
    findings.extend(forbidden_words(&files));
    findings.extend(book::findings(&files));
    findings.extend(cases::findings());
    print_longest(&files);
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        println!("    - {finding}");
    }
    bail!("{} finding(s)", findings.len())
}

fn edges(metadata: &Metadata) -> Edges {
    metadata
        .packages
        .iter()
        .map(|package| {
            let needs = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.clone(), needs)
        })
        .collect()
}

/// What is compiled into the program that we ship, not what the lockfile mentions: an unused
/// optional dependency is no crate of ours, and a judge may bring its own HTTP client.
fn banned_crates() -> anyhow::Result<Vec<String>> {
    let tree = read(&mut cargo_with(&[
        "tree",
        "--package=portcullis-gateway",
        "--locked",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}",
    ]))?;
    let compiled: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    println!(
        "    {} crates are compiled into the gateway",
        compiled.len()
    );
    Ok(BANNED
        .iter()
        .filter(|(name, _)| compiled.contains(name))
        .map(|(name, reason)| {
            format!("{name} is compiled in ({reason}); see `cargo tree -i {name}`")
        })
        .collect())
}

fn readmes(metadata: &Metadata) -> Vec<String> {
    let has_readme_as_doc = |package: &Package| {
        let folder = Path::new(&package.manifest_path).parent()?;
        let readme = std::fs::read_to_string(folder.join("README.md")).ok()?;
        let roots = ["src/lib.rs", "src/main.rs"];
        let included = roots.iter().any(|file| {
            std::fs::read_to_string(folder.join(file))
                .is_ok_and(|text| text.contains("include_str!(\"../README.md\")"))
        });
        (included && readme.lines().count() > 2).then_some(())
    };
    metadata
        .packages
        .iter()
        .filter(|package| has_readme_as_doc(package).is_none())
        .map(|package| format!("{} has no README.md as its crate doc", package.name))
        .collect()
}

/// Files under version control, and those that are about to be.
fn tracked_files() -> anyhow::Result<Vec<String>> {
    let listed = read(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("tidy needs git")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn forbidden_words(files: &[String]) -> Vec<String> {
    let text_of = |file: &String| std::fs::read_to_string(root().join(file)).ok();
    files
        .iter()
        .filter(|file| {
            Path::new(file)
                .extension()
                .is_none_or(|extension| extension != "lock")
        })
        .filter_map(|file| Some((file, text_of(file)?)))
        .flat_map(|(file, text)| {
            let hits: Vec<String> = text
                .lines()
                .enumerate()
                .filter_map(|(number, line)| {
                    let word = FORBIDDEN.iter().find(|word| line.contains(**word))?;
                    Some(format!("{file}:{}: forbidden: {word}", number + 1))
                })
                .collect();
            hits
        })
        .collect()
}

fn print_longest(files: &[String]) {
    let mut lengths: Vec<(usize, &String)> = files
        .iter()
        .filter(|file| {
            Path::new(file)
                .extension()
                .is_some_and(|extension| extension == "rs")
        })
        .filter_map(|file| {
            let text = std::fs::read_to_string(root().join(file)).ok()?;
            Some((text.lines().count(), file))
        })
        .collect();
    lengths.sort_unstable_by(|left, right| right.cmp(left));
    let median = lengths
        .get(lengths.len() / 2)
        .map_or(0, |(lines, _)| *lines);
    println!(
        "    {} Rust files, median {median} lines; the longest:",
        lengths.len()
    );
    for (lines, file) in lengths.iter().take(10) {
        println!("    {lines:>6}  {file}");
    }
}
