//! The store and its key ring, used by several processes and opened by others.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_in_one_process_is_refused_by_the_other_on_the_same_store() {
    // R-29, product §5
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), "c.yaml", &keyed(&mock));
    let serve = || {
        Process::serve(
            PORTCULLIS,
            folder.path(),
            &["--config", "c.yaml", "--port", "0"],
            &[],
        )
    };
    let (mut one, mut two) = (serve(), serve());
    // Made without a gateway, straight into the store.
    let args = [
        "--config",
        "c.yaml",
        "keys",
        "create",
        "--servers",
        "support",
        "--output",
        "json",
    ];
    let made = cli(folder.path(), &args);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = made.json();
    let (key, id) = (
        made["key"].as_str().unwrap(),
        made["key_id"].as_str().unwrap(),
    );
    let echo = || Actor::echo_ask("hi");
    // Both learn of it by themselves.
    for process in [&one, &two] {
        let known = async || process.ask_as(key, echo()).await.status == 200;
        eventually("the key is known", known).await;
    }
    let body = json!({"keys": [id]});
    let revoked = one.ask_as(MASTER, Ask::post("/key/delete", &body)).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(
        one.ask_as(key, echo()).await.status,
        401,
        "at once where it was revoked"
    );
    let refused = async || two.ask_as(key, echo()).await.status == 401;
    eventually("the other refuses it", refused).await;
    assert_eq!(two.ask_as(MASTER, echo()).await.status, 200);
    one.end();
    two.end();
    let verified = cli(folder.path(), &["--config", "c.yaml", "audit", "verify"]);
    assert_eq!(
        verified.code,
        Some(0),
        "two writers, two chains: {verified:?}"
    );
}

#[test]
fn a_database_that_was_open_to_others_is_closed_and_an_open_key_ring_is_not_used() {
    // CFG-16
    let folder = folder();
    assert_eq!(cli(folder.path(), &["init"]).code, Some(0));
    let open = |name: &str| {
        let path = folder.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        path
    };
    let database = open("portcullis.db");
    let ring = open("portcullis.keyring.json");
    let made = cli(folder.path(), &["keys", "create", "--output", "json"]);
    // Refused, or made private again: never used as it is.
    assert!(
        made.code == Some(1) || mode(&ring) == 0o600,
        "{made:?} {:o}",
        mode(&ring)
    );
    std::fs::set_permissions(&ring, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(cli(folder.path(), &["keys", "create"]).code, Some(0));
    assert_eq!(mode(&database), 0o600);
}

#[test]
fn another_key_ring_than_the_stores_own_is_refused() {
    // a restored database without its ring.
    let folder = folder();
    assert_eq!(cli(folder.path(), &["init"]).code, Some(0));
    std::fs::remove_file(folder.path().join("portcullis.keyring.json")).unwrap();
    let made = cli(folder.path(), &["keys", "create"]);
    assert_eq!(made.code, Some(1), "{made:?}");
    assert!(made.stderr.contains("key ring does not belong"), "{made:?}");
}
