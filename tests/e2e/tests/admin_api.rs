//! The admin API against its own OpenAPI document, by a judge that we did not write: schemathesis makes requests
//! of every operation, good and bad, and holds the answers against what the document says.

use portcullis_e2e::{Gateway, Judges, KEY};
use serde_json::json;
use tokio::process::Command;

/// A fixed beginning, so that a failure is found again.
const SEED: &str = "20261122";

#[tokio::test]
async fn no_operation_breaks_or_answers_what_its_document_does_not_say() {
    let judges = Judges::ready().unwrap();
    let gateway = Gateway::start(json!({})).await.unwrap();
    let document = format!("http://127.0.0.1:{}/openapi.json", gateway.port());
    let mut judge = Command::new(judges.schemathesis());
    judge
        .current_dir(judges.folder())
        .args(["run", &document, "--seed", SEED, "--max-examples", "20"])
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        // What it would keep for the next time.
        .args(["--generation-database", "none"]);
    let judged = judge.output().await.unwrap();
    assert!(
        judged.status.success(),
        "{}{}",
        String::from_utf8_lossy(&judged.stdout),
        String::from_utf8_lossy(&judged.stderr)
    );
    let told = String::from_utf8_lossy(&judged.stdout);
    let mut lines = told.lines().map(str::trim);
    let cases = lines.find_map(|line| line.split_once(" generated, "));
    let (made, ended) = cases.unwrap_or_else(|| panic!("no cases: {told}"));
    assert_eq!(Some(made), ended.strip_suffix(" passed"), "{told}");
}
