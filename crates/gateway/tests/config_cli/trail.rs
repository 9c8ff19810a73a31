//! The audit trail, verified and copied.

use std::sync::Arc;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::TestGateway;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_of_the_trail_is_found() {
    // LOG-08
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), "portcullis.yaml", &keyed(&mock));
    let mut gateway = Process::serve(
        PORTCULLIS,
        folder.path(),
        &["--config", "portcullis.yaml", "--port", "0"],
        &[],
    );
    for _ in 0..5 {
        assert_eq!(
            gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
            200
        );
    }
    let bad = gateway.ask_as("sk-nobody", Actor::echo_ask("hi")).await;
    assert_eq!(bad.status, 401);
    gateway.end();
    let whole = cli(folder.path(), &["audit", "verify", "--output", "json"]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert!(whole.json()["verified"].as_u64().unwrap() >= 6, "{whole:?}");

    let database = folder.path().join("portcullis.db");
    // Opened and closed once more, so that everything stands in the one file.
    let location = portcullis_store_sql::Location::File(database.clone());
    let settings = portcullis_store_sql::Settings::default();
    let store = portcullis_store_sql::SqliteStores::open(&location, &settings)
        .await
        .unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&database).unwrap();
    let (was, now) = (&b"unauthenticated"[..], &b"UNAUTHENTICATED"[..]);
    let at = bytes
        .windows(was.len())
        .position(|part| part == was)
        .unwrap();
    bytes[at..at + was.len()].copy_from_slice(now);
    std::fs::write(&database, bytes).unwrap();

    let found = cli(folder.path(), &["audit", "verify", "--output", "json"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        !found.json()["broken"].as_array().unwrap().is_empty(),
        "{found:?}"
    );
    let found = cli(folder.path(), &["audit", "verify"]);
    assert_eq!(found.code, Some(1), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_the_trail_is_private_and_holds_the_same_events() {
    let folder = folder();
    let mock = MockServer::start().await;
    let text = format!("{}audit:\n  jsonl_path: audit.jsonl\n", keyed(&mock));
    write(folder.path(), "portcullis.yaml", &text);
    let mut gateway = Process::serve(
        PORTCULLIS,
        folder.path(),
        &["--config", "portcullis.yaml", "--port", "0"],
        &[],
    );
    let called = gateway
        .ask_as(MASTER, Actor::echo_ask("canary-argument"))
        .await;
    assert_eq!(called.status, 200);
    let id = called.header("x-request-id").unwrap().to_owned();
    gateway.end();
    let path = folder.path().join("audit.jsonl");
    assert_eq!(mode(&path), 0o600);
    let lines = std::fs::read_to_string(&path).unwrap();
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_the_call = events
        .iter()
        .filter(|line| line["event"]["request_id"] == *id)
        .count();
    assert_eq!(of_the_call, 1, "{lines}");
    assert!(!lines.contains("canary"), "{lines}");
    let whole = cli(folder.path(), &["audit", "verify", "--output", "json"]);
    assert_eq!(whole.json()["verified"], events.len() as u64, "{whole:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_exported_whole_or_by_filter() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), "portcullis.yaml", &keyed(&mock));
    let gateway = Process::serve(
        PORTCULLIS,
        folder.path(),
        &["--config", "portcullis.yaml", "--port", "0"],
        &[],
    );
    for _ in 0..3 {
        let called = gateway.ask_as(MASTER, Actor::echo_ask("hi")).await;
        assert_eq!(called.status, 200);
    }
    let bad = gateway.ask_as("sk-nobody", Actor::echo_ask("hi")).await;
    assert_eq!(bad.status, 401);
    let url = format!("http://{}", gateway.address());
    let at = ["--url", url.as_str(), "--key", MASTER];
    let run = |args: &[&str]| {
        let all: Vec<&str> = ["audit"].iter().chain(args).chain(&at).copied().collect();
        cli(folder.path(), &all)
    };

    let denied = run(&["export", "--outcome", "unauthenticated"]);
    assert_eq!(denied.code, Some(0), "{denied:?}");
    let lines: Vec<Value> = denied
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{denied:?}");
    assert_eq!(lines[0]["authn"], "unknown", "{denied:?}");
    // As it was recorded, and not only with the same members.
    assert!(
        denied.stdout.starts_with(r#"{"event":"request","at":""#),
        "{denied:?}"
    );

    let table = run(&[
        "export",
        "--format",
        "csv",
        "--tool",
        "echo",
        "--to",
        "calls.csv",
    ]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let file = folder.path().join("calls.csv");
    assert_eq!(mode(&file), 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("at,request_id,principal,"), "{text}");
    assert_eq!(text.lines().count(), 1 + 3, "{text}");
    // Nothing is written over, and half a trail is not left behind.
    let again = run(&["export", "--to", "calls.csv"]);
    assert_ne!(again.code, Some(0), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let wrong = run(&["export", "--outcome", "denied", "--to", "other.jsonl"]);
    assert_ne!(wrong.code, Some(0), "{wrong:?}");
    assert!(wrong.stderr.contains("outcome is one of"), "{wrong:?}");
    assert!(!folder.path().join("other.jsonl").exists());

    let tail = run(&[
        "tail",
        "--decision",
        "allow",
        "--surface",
        "rest",
        "--output",
        "json",
    ]);
    assert_eq!(
        tail.json()["events"].as_array().unwrap().len(),
        3,
        "{tail:?}"
    );
    drop(gateway);
}

#[test]
fn verify_without_a_store_makes_none() {
    let folder = folder();
    write(folder.path(), "portcullis.yaml", "mcp_servers: {}\n");
    let verified = cli(folder.path(), &["audit", "verify"]);
    assert_eq!(verified.code, Some(2), "{verified:?}");
    assert!(!folder.path().join("portcullis.db").exists());
}

/// What a gateway left that served in 2001, on the database of this folder.
async fn served_in_2001(folder: &Path) {
    let mock = MockServer::start().await;
    let text = format!("{}audit:\n  retention_days: 90\n", keyed(&mock));
    write(folder, "portcullis.yaml", &text);
    let clock = Arc::new(ManualClock::at_millis(1_000_000_000_000));
    let database = folder.join("portcullis.db");
    let gateway = TestGateway::sharing(&database, &text, clock).await;
    let called = gateway.bearer(MASTER).ask(Actor::echo_ask("hi")).await;
    assert_eq!(called.status, 200, "{called:?}");
    gateway.embedded().end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_serves_removes_old_events_and_says_so() {
    let folder = folder();
    served_in_2001(folder.path()).await;
    let mut gateway = Process::serve(
        PORTCULLIS,
        folder.path(),
        &["--config", "portcullis.yaml", "--port", "0"],
        &[],
    );
    gateway.wait_for("old audit events were removed");
    let at = format!("http://{}", gateway.address());
    let exported = cli(
        folder.path(),
        &["audit", "export", "--url", &at, "--key", MASTER],
    );
    gateway.end();
    let events: Vec<Value> = exported
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!exported.stdout.contains("\"2001-"), "{exported:?}");
    let told = events.iter().find(|event| event["event"] == "pruned");
    assert_eq!(told.unwrap()["chains"], 1, "{exported:?}");
    let verified = cli(folder.path(), &["audit", "verify", "--output", "json"]).json();
    assert_eq!(verified["broken"], json!([]), "{verified}");
    assert_eq!(verified["pruned_chains"], 1, "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_removed_when_asked_and_the_rest_still_proves_itself() {
    let folder = folder();
    served_in_2001(folder.path()).await;
    let json = |args: &[&str]| cli(folder.path(), &[args, &["--output", "json"]].concat()).json();
    let verified = json(&["audit", "verify"]);
    assert_eq!(verified["broken"], json!([]));
    let dry = json(&["audit", "prune"]);
    assert_eq!(
        (&dry["removed"], &dry["chains"]),
        (&json!(false), &json!(1)),
        "{dry}"
    );
    let events = dry["events"].as_u64().unwrap();
    assert!(events >= 3, "{dry}");
    assert_eq!(json(&["audit", "verify"])["verified"], verified["verified"]);

    let done = json(&["audit", "prune", "--older-than-days", "30", "--yes"]);
    assert_eq!(
        (&done["removed"], &done["events"]),
        (&json!(true), &json!(events)),
        "{done}"
    );
    let after = json(&["audit", "verify"]);
    assert_eq!(after["broken"], json!([]), "{after}");
    assert_eq!(after["pruned_chains"], 1, "{after}");
    // The act itself is on record, as a chain of its own.
    assert!(after["verified"].as_u64().unwrap() >= 3, "{after}");
}
