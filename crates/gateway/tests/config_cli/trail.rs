//! The audit trail, verified and copied.

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

#[test]
fn verify_without_a_store_makes_none() {
    let folder = folder();
    write(folder.path(), "portcullis.yaml", "mcp_servers: {}\n");
    let verified = cli(folder.path(), &["audit", "verify"]);
    assert_eq!(verified.code, Some(2), "{verified:?}");
    assert!(!folder.path().join("portcullis.db").exists());
}
