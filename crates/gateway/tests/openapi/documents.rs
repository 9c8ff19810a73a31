//! Where documents come from, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Ask, TestGateway};

use super::support::{Api, PETS, Says, call, entry, later_tools, told, tools};

#[tokio::test]
async fn a_document_is_fetched_and_the_last_good_one_is_kept() {
    let api = Api::start().await;
    let good = Says::json(200, PETS);
    api.says("/openapi.json", std::slice::from_ref(&good));
    let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
    // No `url`: the document speaks for its own origin.
    let yaml = format!(
        "mcp_servers:\n  pets:\n    spec_path: {}/openapi.json\n",
        api.url()
    );
    let gateway = TestGateway::by_clock(&yaml, Arc::clone(&clock) as _).await;
    let alice = gateway.key("alice", &["pets"]).await;
    assert_eq!(tools(&alice, "/mcp/pets").await.len(), 4);
    assert!(!told(&call(&alice, "/mcp/pets", "getpet", r#"{"id":"1"}"#).await).1);
    assert_eq!(api.last().target, "/pets/1");
    assert_eq!(api.fetches(), 1);

    api.says("/openapi.json", &[Says::json(500, "")]);
    clock.advance(Duration::from_mins(6));
    let names = later_tools(&alice, "/mcp/pets").await;
    assert_eq!(names.len(), 4, "the last good one");
    assert_eq!(api.fetches(), 2);

    let changed = PETS.replace("deletePet", "removePet");
    api.says("/openapi.json", &[Says::json(200, &changed)]);
    clock.advance(Duration::from_mins(6));
    let names = later_tools(&alice, "/mcp/pets").await;
    assert!(names.contains(&"removepet".to_owned()), "{names:?}");
    gateway.stands().await;
    api.end().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_fetched_shows_in_the_servers_state_and_heals() {
    let api = Api::start().await;
    let moved = Says {
        status: 302,
        headers: vec![("location", "http://169.254.169.254/".to_owned())],
        body: Vec::new(),
    };
    api.says("/openapi.json", &[moved]);
    let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
    let yaml = format!(
        "mcp_servers:\n  pets:\n    spec_path: {0}/openapi.json\n    url: {0}/v1\n",
        api.url()
    );
    let gateway = TestGateway::by_clock(&yaml, Arc::clone(&clock) as _).await;
    let admin = gateway.admin().await;
    let reply = super::support::modern(&admin, "/mcp/pets", "tools/list", "", None).await;
    assert!(reply.json()["error"].is_object(), "{reply:?}");
    let by_name = call(&admin, "/mcp", "pets-getpet", r#"{"id":"1"}"#).await;
    assert!(by_name.json()["error"].is_object(), "{by_name:?}");
    let rows = admin.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(rows[0]["status"], "unhealthy", "{rows}");
    assert_eq!(rows[0]["transport"], "openapi");

    api.says("/openapi.json", &[Says::json(200, PETS)]);
    clock.advance(Duration::from_mins(1));
    assert_eq!(later_tools(&admin, "/mcp/pets").await.len(), 4);
    gateway.stands().await;
    api.end().await;
}

#[tokio::test]
async fn a_file_that_changed_is_read_again() {
    let api = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.json");
    std::fs::write(&path, PETS).unwrap();
    let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
    let entry = entry("pets", &path.display().to_string(), &api.url(), &[]);
    let yaml = format!("mcp_servers:\n{entry}");
    let gateway = TestGateway::by_clock(&yaml, Arc::clone(&clock) as _).await;
    let alice = gateway.key("alice", &["pets"]).await;
    assert_eq!(tools(&alice, "/mcp/pets").await.len(), 4);
    std::fs::write(&path, PETS.replace("deletePet", "removePet")).unwrap();
    clock.advance(Duration::from_secs(11));
    let names = later_tools(&alice, "/mcp/pets").await;
    assert!(names.contains(&"removepet".to_owned()), "{names:?}");
    gateway.stands().await;
    api.end().await;
}
