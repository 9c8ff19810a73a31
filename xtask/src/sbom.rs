//! `cargo xtask sbom`: what the released binary is made of, as CycloneDX 1.6.
//!
//! Made from the lock file and cargo's own facts alone, in sorted order and without a date or a
//! random number: the same commit gives the same bytes on every machine, so that whoever doubts a
//! published one can make it again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::command::{cargo_with, read, root, target};

/// The package whose binary is released.
const PRODUCT: &str = "portcullis-gateway";

/// The platform it is released for: another one's crates are not in it.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    /// `None` for a package of this workspace.
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Edge {
    /// What only tests use is not in the binary; what only its build uses could be.
    fn counts(&self) -> bool {
        let development = |kind: &EdgeKind| kind.kind.as_deref() == Some("dev");
        !self.dep_kinds.iter().all(development)
    }
}

pub(crate) fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let bill = bill()?;
    let file = file.map_or_else(|| target().join("portcullis.cdx.json"), Path::to_path_buf);
    std::fs::write(&file, format!("{bill:#}\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let count = bill.pointer("/components").and_then(Value::as_array);
    println!(
        "    {} components, written to {}",
        count.map_or(0, Vec::len),
        file.display()
    );
    Ok(())
}

fn bill() -> anyhow::Result<Value> {
    let metadata: Metadata = serde_json::from_str(&read(&mut cargo_with(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        PLATFORM,
    ]))?)?;
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    compose(&metadata, &checksums(&lock))
}

fn compose(metadata: &Metadata, checksums: &Checksums) -> anyhow::Result<Value> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let edges: BTreeMap<&str, BTreeSet<&str>> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| {
            let counting = node.deps.iter().filter(|edge| edge.counts());
            (
                node.id.as_str(),
                counting.map(|edge| edge.pkg.as_str()).collect(),
            )
        })
        .collect();
    let product = metadata
        .packages
        .iter()
        .find(|package| package.name == PRODUCT)
        .with_context(|| format!("{PRODUCT} is not in the workspace"))?;

    let mut seen = BTreeSet::new();
    let mut open = vec![product.id.as_str()];
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(edges.get(id).into_iter().flatten());
        }
    }
    let mut parts: Vec<&Package> = seen
        .iter()
        .filter_map(|id| packages.get(id).copied())
        .collect();
    parts.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));

    let reference = |id: &str| packages.get(id).map(|package| purl(package));
    let components: Vec<Value> = parts
        .iter()
        .filter(|package| package.name != PRODUCT)
        .map(|package| component(package, "library", checksums))
        .collect();
    let dependencies: Vec<Value> = parts
        .iter()
        .map(|package| {
            let on: BTreeSet<String> = edges
                .get(package.id.as_str())
                .into_iter()
                .flatten()
                .filter_map(|id| reference(id))
                .collect();
            json!({"ref": purl(package), "dependsOn": on})
        })
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(product, "application", checksums)},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Package, kind: &str, checksums: &Checksums) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
    });
    let mut set = |name: &str, value: Value| {
        if let Some(component) = component.as_object_mut() {
            component.insert(name.to_owned(), value);
        }
    };
    if let Some(licence) = &package.license {
        // Cargo still takes the slash of old manifests for "or"; SPDX does not.
        set(
            "licenses",
            json!([{"expression": licence.replace('/', " OR ")}]),
        );
    }
    if let Some(description) = &package.description {
        set("description", json!(description.trim()));
    }
    if let Some(repository) = &package.repository {
        set(
            "externalReferences",
            json!([{"type": "vcs", "url": repository}]),
        );
    }
    if let Some(checksum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        set("hashes", json!([{"alg": "SHA-256", "content": checksum}]));
    }
    component
}

/// The package URL of a crate. Ours are not published, so nobody can fetch them by it; it names them
/// all the same.
fn purl(package: &Package) -> String {
    let version = package.version.replace('+', "%2B");
    match package.source {
        Some(_) => format!("pkg:cargo/{}@{version}", package.name),
        None => format!("pkg:generic/{}@{version}", package.name),
    }
}

/// By name and version: the SHA-256 of the archive that cargo fetched.
type Checksums = BTreeMap<(String, String), String>;

/// Reads the checksums of a lock file: cargo writes one `key = "value"` a line.
fn checksums(lock: &str) -> Checksums {
    lock.split("[[package]]")
        .filter_map(|section| {
            let value = |key: &str| {
                section.lines().find_map(|line| {
                    let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
                    value.strip_suffix('"').map(str::to_owned)
                })
            };
            Some(((value("name")?, value("version")?), value("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_in_the_binary_and_no_tool_of_the_tests() {
        let bill = bill().unwrap();
        let components = bill["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|part| part["name"] == name);
        let hyper = named("hyper").unwrap();
        assert_eq!(hyper["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(hyper["licenses"][0]["expression"].is_string());
        assert!(named("portcullis-engine").unwrap()["hashes"].is_null());
        for tool in ["insta", "portcullis-testkit", "rmcp"] {
            assert!(named(tool).is_none(), "{tool} is not in the binary");
        }
        for part in components
            .iter()
            .filter(|part| part["purl"].as_str().unwrap().starts_with("pkg:cargo/"))
        {
            assert!(part["hashes"].is_array(), "no checksum: {part}");
            assert!(part["licenses"].is_array(), "no licence: {part}");
        }
    }

    #[test]
    fn every_dependency_refers_to_a_component() {
        let bill = bill().unwrap();
        let mut known: BTreeSet<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["bom-ref"].as_str().unwrap())
            .collect();
        known.insert(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
        let dependencies = bill["dependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), known.len(), "two parts share a name");
        for dependency in dependencies {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(on.as_str().unwrap()), "{on} is unknown");
            }
        }
    }
}
