//! The official suite's scenarios for authorization servers, with ours as the server and a person at a
//! browser who signs in and agrees.

use std::path::Path;

use anyhow::{Context, ensure};
use portcullis_e2e::{Gateway, Judges, KEY, Person, free_port, hold};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

const REVISION: &str = "2026-07-28";
const CLIENT: &str = "the-suite";
/// What it checks: the metadata, that documents of clients are known, and a grant.
const CHECKS: usize = 3;

#[derive(Debug, Deserialize)]
struct Check {
    id: String,
    status: String,
    #[serde(default, rename = "errorMessage")]
    error: String,
}

/// Runs them; what is wrong, in words.
pub(crate) async fn run(judges: &Judges) -> anyhow::Result<Vec<String>> {
    let port = free_port().await?;
    let gateway = Gateway::public(json!({
        "mcp_servers": {"conf": {"url": "http://localhost:9/mcp", "allow_all_keys": true}},
        "identity": {"authorization_server": {"clients": [{
            "client_id": CLIENT,
            "redirect_uris": [format!("http://127.0.0.1:{port}/callback")],
        }]}},
    }))
    .await?;
    let output = judges.folder().join("out").join("authorization");
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    std::fs::create_dir_all(&output)?;
    let mut suite = Command::new(judges.node());
    suite
        .arg(judges.suite())
        .args(["authorization", "--url", &gateway.endpoint("")])
        .args(["--client-id", CLIENT, "--port", &port.to_string()])
        .args(["--resource", &gateway.endpoint("/mcp")])
        .args(["--spec-version", REVISION])
        .arg("-o")
        .arg(&output)
        .current_dir(judges.folder());
    let mut person = Person::with_key(KEY);
    let outcome = hold(suite, &mut person, address).await;
    let checks = checks_in(&output)?;
    println!("\n    our authorization server");
    let mut complaints = Vec::new();
    for check in &checks {
        println!("    {REVISION}  {:45}  {}", check.id, check.status);
        if check.status != "SUCCESS" {
            complaints.push(format!(
                "{REVISION} as an authorization server: {}: {} {}",
                check.id, check.status, check.error
            ));
        }
    }
    if checks.len() != CHECKS {
        complaints.push(format!(
            "{} checks of an authorization server were made, {CHECKS} expected",
            checks.len()
        ));
    }
    if let Err(error) = outcome {
        complaints.push(format!(
            "{error:#}\nthe gateway said:\n{}",
            gateway.process().said()
        ));
    }
    Ok(complaints)
}

/// The line that a person is to open.
fn address(line: &str) -> Option<(String, Option<String>)> {
    let address = line.trim();
    let is_one = address.starts_with("http") && address.contains("response_type=code");
    is_one.then(|| (address.to_owned(), None))
}

fn checks_in(folder: &Path) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path().join("checks.json");
        if !file.is_file() {
            continue;
        }
        let read: Vec<Check> = serde_json::from_str(&std::fs::read_to_string(&file)?)
            .with_context(|| format!("{} is not a list of checks", file.display()))?;
        checks.extend(read);
    }
    ensure!(!checks.is_empty(), "the suite reported nothing");
    checks.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(checks)
}
