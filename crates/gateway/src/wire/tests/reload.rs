//! A new configuration by request.

use std::path::Path;
use std::sync::Arc;

use http::{Method, StatusCode};
use portcullis_core::{CertificateName, Principal, PrincipalKind, Role, ServerGrants, Side};
use portcullis_engine::{Admission, Standing};
use portcullis_identity::certificate_id;
use portcullis_server::HostRule;
use portcullis_server::listen::{ClientCa, ServerTls, TlsFiles};
use portcullis_testkit::eventually;
use tokio_util::task::TaskTracker;

use super::config;
use super::small_world::SmallWorld;
use crate::lifecycle::{FileWatch, ReloadCause, reloads};
use crate::wire::reload::Reloading;
use crate::wire::serve::state;
use crate::wire::stored::{StoredValues, Why};

/// A world whose administrator can have this file read.
async fn rereading(file: &Path) -> SmallWorld {
    rereading_beside(file, Vec::new()).await
}

/// The same, whose listeners are these.
async fn rereading_beside(file: &Path, tls: Vec<Arc<ServerTls>>) -> SmallWorld {
    rereading_watched(file, tls, false).await
}

/// The same, and files are watched.
async fn rereading_watched(file: &Path, tls: Vec<Arc<ServerTls>>, is_watched: bool) -> SmallWorld {
    let mut world = SmallWorld::start("").await;
    let (requester, due) = reloads();
    let rooms = world.embedded.shared_rooms();
    let config = world.embedded.config().clone();
    let watch = is_watched
        .then(|| FileWatch::start(vec![file.to_owned()], requester.clone()))
        .transpose()
        .unwrap();
    world.route(portcullis_server::router(state(
        &rooms,
        &config,
        HostRule::Loopback,
        Some(Arc::new(requester)),
        None,
    )));
    let reloading = Reloading {
        file: file.to_owned(),
        host: None,
        port: None,
        config,
        tls,
        watch,
        logs: crate::telemetry::LogControl::default(),
        stored: Arc::new(StoredValues::new(rooms.vaults.clock.clone())),
    };
    TaskTracker::new().spawn(async move { reloading.run(&rooms, due).await });
    world
}

#[tokio::test]
async fn what_strangers_and_callers_are_told_follows_the_file() {
    const DOCUMENT: &str = "/.well-known/oauth-protected-resource/mcp";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let world = rereading(&file).await;
    let before = world.get(DOCUMENT).await;
    assert!(before.body.get("scopes_supported").is_none());
    std::fs::write(&file, "identity: {scopes_supported: 'tools:read'}").unwrap();
    let reloaded = world.post("/v1/config/reload", "").await;
    assert_eq!(reloaded.status, StatusCode::OK);
    let after = world.get(DOCUMENT).await;
    assert_eq!(after.body["scopes_supported"][0], "tools:read");
}

#[tokio::test]
async fn how_often_one_network_may_ask_follows_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let world = rereading(&file).await;
    for _ in 0..3 {
        let taken = world.post("/token", "").await.status;
        assert_eq!(taken, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    std::fs::write(&file, "server: {limits: {token_per_minute: 1}}").unwrap();
    let reloaded = world.post("/v1/config/reload", "").await;
    assert_eq!(reloaded.status, StatusCode::OK);
    world.post("/token", "").await;
    let refused = world.post("/token", "").await.status;
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_administrator_puts_a_new_file_in_force_and_is_told_what_is_wrong_with_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let world = rereading(&file).await;

    std::fs::write(
        &file,
        "mcp_servers: {a: {url: 'https://a.example.com/mcp'}}",
    )
    .unwrap();
    let reloaded = world.post("/v1/config/reload", "").await;
    assert_eq!(reloaded.status, StatusCode::OK);
    assert_eq!(reloaded.body["generation"], 2);
    let event = world.event_of(&reloaded).await;
    assert_eq!(event["method"], "v1/config/reload");
    assert_eq!(event["rule"], "role:admin");
    let servers = world.get("/v1/mcp/server").await;
    assert_eq!(servers.body[0]["server_name"], "a");

    let bad = "identity: {keys: [{id: a, key: sk-canary-8Qm2vT9dKx4RzP1s, nmae: x}]}";
    std::fs::write(&file, bad).unwrap();
    let refused = world.post("/v1/config/reload", "").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("nmae"), "{detail}");
    assert!(!detail.contains("canary"), "{detail}");
    assert_eq!(world.event_of(&refused).await["outcome"], "invalid");
    let servers = world.get("/v1/mcp/server").await;
    assert_eq!(servers.body[0]["server_name"], "a");
}

#[tokio::test]
async fn nobody_else_can_reload_and_a_gateway_without_a_file_says_so() {
    let world = SmallWorld::start("").await;
    let viewer = world
        .embedded
        .key("viewer", Role::Viewer, ServerGrants::default())
        .await
        .unwrap();
    let refused = world
        .ask(&viewer, Method::POST, "/v1/config/reload", "")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.event_of(&refused).await["rule"], "role:viewer");
    let none = world.post("/v1/config/reload", "").await;
    assert_eq!(none.status, StatusCode::CONFLICT);
}

/// A stream has the rights of its beginning: it ends with the rule that gave them.
#[tokio::test]
async fn streams_of_a_certificate_end_when_its_rule_is_another() {
    let world = SmallWorld::start("").await;
    let rooms = world.embedded.shared_rooms();
    let file = |servers: &str| {
        config(&format!(
            "mcp_servers: {{a: {{url: 'https://a.example.com/mcp'}}}}\n\
             server: {{tls: {{cert: a.pem, key: a.key, client_ca: ca.pem}}}}\n\
             identity: {{client_certificates: [{{san: 'dns:x.example', servers: [{servers}]}},\
             {{san: 'dns:y.example'}}]}}"
        ))
    };
    let holder = |name: &str| Principal {
        id: certificate_id(Path::new("ca.pem"), &CertificateName::Dns(name.to_owned())),
        subject: name.into(),
        kind: PrincipalKind::ClientCertificate,
        user_id: None,
        client_id: None,
        email: None,
        team: None,
        org: None,
        groups: std::collections::BTreeSet::new(),
        scopes: portcullis_core::ScopeSet::default(),
        key_id: None,
        issuer: None,
        role: Role::User,
        grants: ServerGrants::default(),
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    };
    let stands = |one: &Principal| {
        let admission = Admission {
            side: Side::Inside,
            address: None,
            at: portcullis_core::Timestamp::from_secs(0),
            generation: 1,
            proof: None,
        };
        rooms.standings.holds(one, &admission)
    };
    let (x, y) = (holder("x.example"), holder("y.example"));
    rooms.standings.changed(&file("a"), &file("a"), 2);
    assert!(stands(&x) && stands(&y));
    rooms.standings.changed(&file("a"), &file(""), 3);
    assert!(!stands(&x) && stands(&y));
}

/// Whatever the file says of a key, a stream was opened with it: for whom it acts as much as what it
/// sees.
#[tokio::test]
async fn streams_of_a_file_key_end_when_anything_that_the_file_says_of_it_is_another() {
    let world = SmallWorld::start("").await;
    let rooms = world.embedded.shared_rooms();
    let file = |more: &str| {
        config(&format!(
            "mcp_servers: {{a: {{url: 'https://a.example.com/mcp'}}}}\n\
             identity: {{keys: [{{id: ci, key: sk-of-the-file-0123456789, servers: [a]{more}}}]}}"
        ))
    };
    let key = Principal {
        id: "key:file:ci".into(),
        kind: PrincipalKind::ApiKey,
        key_id: Some("ci".into()),
        ..portcullis_identity::MasterKey::principal()
    };
    let stands = |generation: u64| {
        let admission = Admission {
            side: Side::Inside,
            address: None,
            at: portcullis_core::Timestamp::from_secs(0),
            generation,
            proof: None,
        };
        rooms.standings.holds(&key, &admission)
    };
    for (generation, more) in [
        ", user_id: alice",
        ", email: alice@example.com",
        ", team: core",
        ", org: acme",
        ", scopes: [read]",
    ]
    .into_iter()
    .enumerate()
    .map(|(number, more)| (number as u64 * 2 + 2, more))
    {
        rooms
            .standings
            .changed(&file(more), &file(more), generation);
        assert!(stands(generation - 1), "{more}: nothing changed");
        rooms
            .standings
            .changed(&file(more), &file(""), generation + 1);
        assert!(!stands(generation), "{more}");
        assert!(stands(generation + 1), "{more}: recognised anew");
    }
}

/// Authorities are withdrawn by leaving the list or their file; who withdraws one is told if it failed.
#[tokio::test]
async fn a_withdrawn_authority_is_withdrawn_or_said_not_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    for name in ["tls.crt", "own.pem", "other.pem"] {
        std::fs::write(at(name), made.cert.pem()).unwrap();
    }
    std::fs::write(at("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let files = TlsFiles {
        certificate: at("tls.crt"),
        key: at("tls.key"),
        client_ca: Some(ClientCa {
            files: vec![at("own.pem"), at("other.pem")],
            required: true,
        }),
    };
    let tls = Arc::new(ServerTls::load(files).unwrap());
    let file = at("config.yaml");
    let world = rereading_beside(&file, vec![Arc::clone(&tls)]).await;
    let write = |list: &str, more: &str| {
        let text = format!(
            "server: {{tls: {{cert: {}, key: {}, client_ca: [{list}]}}}}\n{more}",
            at("tls.crt").display(),
            at("tls.key").display(),
        );
        std::fs::write(&file, text).unwrap();
    };
    let (own, other) = (at("own.pem"), at("other.pem"));
    let both = format!("{}, {}", own.display(), other.display());
    let believed = || tls.files().client_ca.unwrap().files;

    write(&both, "");
    std::fs::write(&own, "nonsense").unwrap();
    let told = world.post("/v1/config/reload", "").await;
    assert_ne!(told.status, StatusCode::OK);
    let said = told.body.to_string();
    assert!(
        said.contains("own.pem") && said.contains("stay in force"),
        "{said}"
    );
    let ready = world.get("/health/ready").await;
    assert_eq!(ready.body["config"], "last_reload_refused");

    write(&other.display().to_string(), "");
    let told = world.post("/v1/config/reload", "").await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.body);
    assert_eq!(believed(), [other]);
    assert_eq!(world.get("/health/ready").await.body["config"], "ok");

    // A file that is refused changes no list.
    write(&both, "nonsense: true\n");
    let told = world.post("/v1/config/reload", "").await;
    assert!(told.body.to_string().contains("nonsense"), "{}", told.body);
    assert_eq!(believed().len(), 1);
}

/// A listener's certificate in this folder, and a file of authorities by this name.
fn listener(folder: &Path, authorities: &str) -> Arc<ServerTls> {
    let at = |name: &str| folder.join(name);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    for name in ["tls.crt", authorities] {
        std::fs::write(at(name), made.cert.pem()).unwrap();
    }
    std::fs::write(at("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let files = TlsFiles {
        certificate: at("tls.crt"),
        key: at("tls.key"),
        client_ca: None,
    };
    Arc::new(ServerTls::load(files).unwrap())
}

/// The file of a gateway with this line beside its certificate.
fn with_tls(folder: &Path, more: &str) -> String {
    format!(
        "server: {{tls: {{cert: {}, key: {}{more}}}}}\n\
         identity: {{issuers: [{{issuer: \"https://127.0.0.1:1\", audience: us}}]}}\n",
        folder.join("tls.crt").display(),
        folder.join("tls.key").display(),
    )
}

/// RFC 9728 §2: what is promised of bound tokens is what the listeners do.
#[tokio::test]
async fn tokens_are_said_to_be_bound_as_long_as_clients_are_asked_for_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let tls = listener(folder.path(), "ca.pem");
    let world = rereading_beside(&file, vec![tls]).await;
    let promised = async || {
        let document = "/.well-known/oauth-protected-resource/mcp";
        let document = world.get(document).await.body;
        document.get("tls_client_certificate_bound_access_tokens") == Some(&true.into())
    };
    let authorities = format!(", client_ca: {}", folder.path().join("ca.pem").display());
    let absent = format!(", client_ca: {}", folder.path().join("no.pem").display());
    for (line, expected) in [
        ("", false),
        (absent.as_str(), false),
        (&authorities, true),
        (&absent, true),
        ("", false),
    ] {
        std::fs::write(&file, with_tls(folder.path(), line)).unwrap();
        let told = world.post("/v1/config/reload", "").await;
        assert_eq!(told.status == StatusCode::OK, line != absent, "{line}");
        assert_eq!(promised().await, expected, "{line}");
    }
}

/// Whoever withdraws an authority by its file need not know when that file was first named.
#[tokio::test]
async fn a_file_of_authorities_that_a_reload_added_is_watched_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let tls = listener(folder.path(), "ca.pem");
    let authorities = folder.path().join("ca.pem");
    std::fs::write(&file, with_tls(folder.path(), "")).unwrap();
    let world = rereading_watched(&file, vec![tls], true).await;
    let config = async || world.get("/health/ready").await.body["config"].clone();
    let added = with_tls(
        folder.path(),
        &format!(", client_ca: {}", authorities.display()),
    );
    std::fs::write(&file, added).unwrap();
    let told = world.post("/v1/config/reload", "").await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.body);
    assert_eq!(config().await, "ok");
    std::fs::write(&authorities, "nonsense").unwrap();
    eventually("the change is noticed", async || {
        config().await == "last_reload_refused"
    })
    .await;
}

/// Whoever changes a server is told what became of that, and not that a certificate is gone.
#[tokio::test]
async fn servers_of_the_store_come_into_force_whatever_became_of_the_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let tls = listener(folder.path(), "ca.pem");
    std::fs::remove_file(folder.path().join("tls.crt")).unwrap();
    let world = SmallWorld::start("").await;
    let rooms = world.embedded.shared_rooms();
    let stored = Arc::new(StoredValues::new(rooms.vaults.clock.clone()));
    let line = portcullis_config::CommandLine::default();
    let read = stored.parse("config.yaml", "", line, Why::Asked).await;
    read.unwrap().unwrap();
    stored.put_in_force();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "").unwrap();
    let mut reloading = Reloading {
        file,
        host: None,
        port: None,
        config: world.embedded.config().clone(),
        tls: vec![tls],
        watch: None,
        logs: crate::telemetry::LogControl::default(),
        stored,
    };
    let put = reloading.reload(&rooms, ReloadCause::ServersChanged).await;
    assert!(put.is_ok(), "{put:?}");
    let asked = reloading.reload(&rooms, ReloadCause::Request).await;
    let told = asked.unwrap_err();
    assert!(told.contains("everything else took effect"), "{told}");
}
