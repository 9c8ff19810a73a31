//! The signer of running gateways: its key is rotated, and its file is read again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_config::CommandLine;
use portcullis_core::{Clock, ManualClock};
use portcullis_credentials::{KeyBook, PublishedKey};
use portcullis_oauth::SigningAlgorithm;
use portcullis_oauth::jose::SigningKey;
use portcullis_server::{Frontage, HostRule};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::small_world::SmallWorld;
use crate::lifecycle::reloads;
use crate::wire::reload::Reloading;
use crate::wire::rooms::Rooms;
use crate::wire::serve::state;
use crate::wire::signer::Book;
use crate::wire::stored::StoredValues;
use crate::wire::{Embedded, rotate_signer};

const SIGNER: &str = "guardrails: [{guardrail_name: s, litellm_params: {guardrail: mcp_jwt_signer, default_on: true, algorithm: ES256}}]\n";

const KEYS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/openid-configuration";

fn kids(keys: &Value) -> Vec<&str> {
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap()).collect()
}

fn published(rooms: &Rooms) -> Value {
    let frontage = rooms.frontage.load();
    frontage.signer.as_ref().unwrap().keys.jwks().unwrap()
}

async fn replica(folder: &Path, text: &str) -> Embedded {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let database = folder.join("portcullis.db");
    let started = Embedded::start_on(&database, text, CommandLine::default(), &tasks, &stop);
    started.await.unwrap()
}

/// SIGN-05, SIGN-06: every replica publishes the next key a good while before any signs by it.
#[tokio::test]
async fn running_gateways_follow_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let store = folder.path().join("portcullis.db");
    let text = format!("{SIGNER}store: {{path: {}}}", store.display());
    std::fs::write(&file, &text).unwrap();
    let replicas = [
        replica(folder.path(), &text).await,
        replica(folder.path(), &text).await,
    ];
    let first = published(replicas[0].rooms());
    assert_eq!(kids(&first).len(), 1);
    let rotated = rotate_signer(Some(&file), false).await.unwrap();
    for one in &replicas {
        let rooms = one.rooms();
        rooms.signing.follow().await;
        let now = published(rooms);
        assert_eq!(kids(&now), [kids(&first)[0], rotated.kid.as_str()]);
        let notice = rotated.signs_from.since(rooms.vaults.clock.now());
        assert!(notice > Duration::from_mins(10), "{notice:?}");
    }
    assert!(rotate_signer(Some(&file), false).await.is_err());
    let only = rotate_signer(Some(&file), true).await.unwrap();
    assert_eq!(only.removed, kids(&published(replicas[0].rooms())));
    for one in &replicas {
        one.rooms().signing.follow().await;
        assert_eq!(kids(&published(one.rooms())), [only.kid.as_str()]);
    }
}

#[tokio::test]
async fn only_a_key_that_is_ours_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let store = folder.path().join("portcullis.db");
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(folder.path().join("key.pem"), pem).unwrap();
    let own = format!(
        "signing_key: 'file:{}'",
        folder.path().join("key.pem").display()
    );
    for (text, expected) in [
        (String::new(), "no `mcp_jwt_signer`"),
        (SIGNER.replace("algorithm: ES256", &own), "your own"),
    ] {
        let text = format!("{text}store: {{path: {}}}", store.display());
        std::fs::write(&file, text).unwrap();
        let refused = rotate_signer(Some(&file), false).await.unwrap_err();
        assert_eq!(refused.number(), 2);
        assert!(refused.to_string().contains(expected), "{refused}");
        assert!(!store.exists());
    }
}

/// A store that nobody uses has no key that anybody believes.
#[tokio::test]
async fn a_store_or_a_ring_that_is_not_there_is_not_made_by_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let store = folder.path().join("portcullis.db");
    let ring = folder.path().join("portcullis.keyring.json");
    let text = format!("{SIGNER}store: {{path: {}}}", store.display());
    std::fs::write(&file, &text).unwrap();
    for distrust in [false, true] {
        let refused = rotate_signer(Some(&file), distrust).await.unwrap_err();
        assert_eq!(refused.number(), 2);
        assert!(refused.to_string().contains("no store at"), "{refused}");
        assert!(!store.exists() && !ring.exists());
    }
    drop(replica(folder.path(), &text).await);
    std::fs::remove_file(&ring).unwrap();
    let refused = rotate_signer(Some(&file), true).await.unwrap_err();
    assert!(refused.to_string().contains("no key ring at"), "{refused}");
    assert!(!ring.exists());
}

/// SIGN-07.
#[tokio::test]
async fn a_key_of_the_operators_that_cannot_sign_refuses_the_start() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ec = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (key, algorithm) in [("nonsense", "ES256"), (ec.as_str(), "RS256")] {
        let text = SIGNER.replace(
            "algorithm: ES256",
            &format!("algorithm: {algorithm}, signing_key: {}", Value::from(key)),
        );
        let started = Embedded::start(&text, CommandLine::default(), &tasks, &stop).await;
        let error = started.unwrap_err();
        assert_eq!(error.number(), 2, "{error}");
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("mcp_jwt_signer") && !said.contains("MIG"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_reload_makes_changes_and_ends_the_signer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let mut world = SmallWorld::start(SIGNER).await;
    let (requester, due) = reloads();
    let rooms = world.embedded.shared_rooms();
    let config = world.embedded.config().clone();
    let router = portcullis_server::router(state(
        &rooms,
        &config,
        HostRule::Loopback,
        Some(std::sync::Arc::new(requester)),
        None,
    ));
    world.route(router);
    let reloading = Reloading {
        file: file.clone(),
        host: None,
        port: None,
        config,
        tls: Vec::new(),
        watch: None,
        logs: crate::telemetry::LogControl::default(),
        stored: std::sync::Arc::new(StoredValues::new(rooms.vaults.clock.clone())),
    };
    TaskTracker::new().spawn(async move { reloading.run(&rooms, due).await });

    let before = world.get(KEYS).await.body;
    assert_eq!(before["keys"][0]["alg"], "ES256");
    for (text, algorithms) in [
        (SIGNER.replace("ES256", "EdDSA"), vec!["ES256", "EdDSA"]),
        (SIGNER.to_owned(), vec!["ES256", "EdDSA", "ES256"]),
        (String::new(), vec![]),
    ] {
        std::fs::write(&file, &text).unwrap();
        let reloaded = world.post("/v1/config/reload", "").await;
        assert_eq!(reloaded.status, StatusCode::OK);
        let keys = world.get(KEYS).await.body;
        let found: Vec<&str> = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["alg"].as_str().unwrap())
            .collect();
        assert_eq!(found, algorithms);
        if !algorithms.is_empty() {
            // Tokens of either algorithm are about.
            let metadata = world.get(METADATA).await.body;
            let named = &metadata["id_token_signing_alg_values_supported"];
            assert_eq!(*named, serde_json::json!(["ES256", "EdDSA"]));
            assert_eq!(keys["keys"][0], before["keys"][0], "the key is kept");
        }
    }
    let metadata = world.get(METADATA).await;
    let keys = metadata.body["jwks_uri"].as_str().unwrap().to_owned();
    assert!(keys.ends_with("/oauth/jwks.json"), "no signer's: {keys}");
}

/// SIGN-06: whoever does not sign any more does not tell servers to believe the keys of then either.
#[tokio::test]
async fn keys_that_were_not_read_for_long_are_not_published() {
    let world = SmallWorld::start(SIGNER).await;
    let rooms = world.embedded.shared_rooms();
    let clock = Arc::new(ManualClock::at_millis(0));
    let book = Arc::new(KeyBook::new(Arc::clone(&clock) as _));
    let der = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let only = PublishedKey {
        key: Arc::new(SigningKey::from_pkcs8(&der, SigningAlgorithm::Es256).unwrap()),
        signs_from: clock.now(),
    };
    book.read(vec![only.clone()]);
    let mut frontage = Frontage::clone(&rooms.frontage.load());
    let facts = frontage.signer.as_mut().unwrap();
    facts.keys = Arc::new(Book(Arc::clone(&book)));
    rooms.frontage.store(Arc::new(frontage));
    for readable in [true, false, true] {
        for path in [KEYS, METADATA] {
            let answer = world.get(path).await;
            if readable {
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                continue;
            }
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(answer.headers["retry-after"], "5");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        match book.signing_key() {
            Some(_) => clock.advance(Duration::from_mins(11)),
            None => book.read(vec![only.clone()]),
        }
    }
}
