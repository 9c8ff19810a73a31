//! Values of secret stores: at the start, through a rotation, through an outage.

use std::sync::Arc;
use std::time::Duration;

use portcullis_config::{Auth, CommandLine, Definition, Loaded};
use portcullis_core::ManualClock;
use portcullis_testkit::aws::Account;
use portcullis_testkit::upstream::FakeUpstream;
use portcullis_testkit::vault::{FakeVault, ROOT_TOKEN, secrets_manager};
use serde_json::{Value, json};

use crate::wire::stored::{StoredValues, Why};

struct House {
    vault: FakeVault,
    clock: Arc<ManualClock>,
    stored: StoredValues,
    login: String,
}

const SERVERS: &str = "
mcp_servers:
  a: {url: 'https://a.example.com/mcp', auth_type: bearer_token, auth_value: 'vault:apps/a#token'}
  b: {url: 'https://b.example.com/mcp', static_headers: {X-Key: 'vault:apps/a#key', X-Tenant: t}}
  c: {url: 'https://c.example.com/mcp'}
";

impl House {
    async fn new(login: &str) -> Self {
        let vault = FakeVault::start().await;
        vault.put(
            "apps/a",
            json!({"token": "canary-token-1", "key": "canary-key-1", "n": 7}),
        );
        let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
        Self {
            vault,
            stored: StoredValues::new(Arc::clone(&clock) as _),
            clock,
            login: login.to_owned(),
        }
    }

    fn text(&self) -> String {
        let address = self.vault.address();
        let login = &self.login;
        format!("secrets: {{max_stale: 10m, vault: {{address: '{address}', {login}}}}}{SERVERS}")
    }

    async fn read(&self, text: &str, why: Why) -> Result<Loaded, String> {
        let line = CommandLine::default();
        let parsed = self
            .stored
            .parse("config.yaml", text, line, why)
            .await
            .unwrap();
        parsed.map_err(|errors| errors.to_string())
    }

    /// The same, and what was read is served.
    async fn serve(&self, text: &str, why: Why) -> Result<Loaded, String> {
        let loaded = self.read(text, why).await?;
        self.stored.put_in_force();
        Ok(loaded)
    }
}

fn token(loaded: &Loaded) -> &str {
    match &loaded.config.mcp_servers[0].auth {
        Auth::BearerToken(value) => value.value.expose(),
        other => panic!("{other:?}"),
    }
}

fn names(loaded: &Loaded) -> Vec<&str> {
    let servers = loaded.config.mcp_servers.iter();
    servers.map(|server| server.id.as_str()).collect()
}

#[tokio::test]
async fn a_document_is_read_once_and_its_fields_stand_where_they_are_referred_to() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    let loaded = house.read(&house.text(), Why::Asked).await.unwrap();
    assert_eq!(token(&loaded), "canary-token-1");
    assert_eq!(loaded.config.mcp_servers[1].static_headers.len(), 2);
    assert_eq!(house.vault.reads(), 1);
    let page = portcullis_config::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("(from vault:apps/a#token)"), "{page}");
    assert!(!page.contains("canary"), "{page}");
}

#[tokio::test]
async fn all_that_is_missing_is_told_at_once_with_its_line_and_nothing_of_what_vault_says() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    let more = "  d: {url: 'https://d.example.com/mcp', auth_type: token, auth_value: 'vault:none#x'}\n  e: {url: 'https://e.example.com/mcp', auth_type: token, auth_value: 'vault:apps/a#n'}\n  f: {url: 'https://f.example.com/mcp', auth_type: token, auth_value: 'aws-sm:x#y'}\n";
    let text = house.text() + more;
    let errors = house.read(&text, Why::Asked).await.unwrap_err();
    for expected in [
        "mcp_servers.d.auth_value: `vault:none#x`: there is no such secret",
        "mcp_servers.e.auth_value: `vault:apps/a#n`: the secret has no such field",
        "mcp_servers.f.auth_value: `aws-sm:x#y`: no such secret store is set up",
        "config.yaml:7:",
        "3 errors",
    ] {
        assert!(errors.contains(expected), "{expected} in\n{errors}");
    }
    assert!(!errors.contains("canary"), "{errors}");
}

#[tokio::test]
async fn a_store_that_is_down_at_the_start_lets_nothing_start() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    house.vault.seal(true);
    let errors = house.read(&house.text(), Why::Asked).await.unwrap_err();
    assert!(errors.contains("cannot answer now (HTTP 503)"), "{errors}");
    assert!(!errors.contains("canary"), "{errors}");
    let wrong = House::new("token: canary-wrong").await;
    let errors = wrong.read(&wrong.text(), Why::Asked).await.unwrap_err();
    assert!(errors.contains("refused us (HTTP 403)"), "{errors}");
    assert!(!errors.contains("canary"), "{errors}");
}

#[tokio::test]
async fn a_rotated_value_is_noticed_and_read() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    house.serve(&house.text(), Why::Asked).await.unwrap();
    assert!(!house.stored.changed().await);
    house.vault.put(
        "apps/a",
        json!({"token": "canary-token-2", "key": "canary-key-1"}),
    );
    assert!(house.stored.changed().await);
    let loaded = house.serve(&house.text(), Why::Refresh).await.unwrap();
    assert_eq!(token(&loaded), "canary-token-2");
    assert!(!house.stored.changed().await);
}

/// What was read and then could not be served is looked for again, and an outage meanwhile leaves the
/// old values.
#[tokio::test]
async fn a_changed_value_counts_only_once_it_is_served() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    house.serve(&house.text(), Why::Asked).await.unwrap();
    house.vault.put(
        "apps/a",
        json!({"token": "canary-token-2", "key": "k-canary"}),
    );
    house.read(&house.text(), Why::Refresh).await.unwrap();
    assert!(house.stored.changed().await, "it is not in force");
    let other = house.text().replace("apps/a#token", "apps/a#key");
    house.read(&other, Why::Asked).await.unwrap();
    house.vault.seal(true);
    let loaded = house.serve(&house.text(), Why::Refresh).await.unwrap();
    assert_eq!(token(&loaded), "canary-token-2");
    assert!(!house.stored.changed().await);
}

/// Through an outage, or after a deletion, the last values are used for as long as the file says and
/// not a moment longer; then what needs them is gone, whole, and comes back with them.
#[tokio::test]
async fn values_outlive_an_outage_for_a_bounded_time_only() {
    for deleted in [false, true] {
        let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
        house.serve(&house.text(), Why::Asked).await.unwrap();
        if deleted {
            house.vault.delete("apps/a");
        } else {
            house.vault.seal(true);
        }
        house.clock.advance(Duration::from_secs(599));
        assert!(!house.stored.changed().await);
        let loaded = house.serve(&house.text(), Why::Refresh).await.unwrap();
        assert_eq!(token(&loaded), "canary-token-1");
        // Whoever asks for a reload is told of a deletion, and of an outage is not kept from it.
        let asked = house.serve(&house.text(), Why::Asked).await;
        assert_eq!(asked.is_err(), deleted);
        house.clock.advance(Duration::from_secs(1));
        assert!(house.stored.changed().await);
        let loaded = house.serve(&house.text(), Why::Refresh).await.unwrap();
        assert_eq!(names(&loaded), ["c"], "no server without its credential");
        assert!(!house.stored.changed().await);
        house.vault.seal(false);
        house.vault.put(
            "apps/a",
            json!({"token": "canary-token-3", "key": "k-canary"}),
        );
        assert!(house.stored.changed().await);
        let loaded = house.serve(&house.text(), Why::Refresh).await.unwrap();
        assert_eq!(names(&loaded), ["a", "b", "c"]);
        assert_eq!(token(&loaded), "canary-token-3");
    }
}

/// SIGN-08: where the signer's key or the secret that its verification needs is gone, what it would sign
/// is gone with it, and is not called without a signature.
#[tokio::test]
async fn a_signer_whose_value_lapsed_takes_its_servers_along() {
    let ec = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for settings in [
        "signing_key: 'vault:apps/a#pem'",
        "verify_issuer: 'https://i.b', verify_audience: gw, token_introspection_endpoint: 'https://i.b/ask', token_introspection_client_id: gw, token_introspection_client_secret: 'vault:apps/a#pem'",
    ] {
        let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
        house.vault.put(
            "apps/a",
            json!({"token": "t-canary", "key": "k-canary", "pem": ec}),
        );
        let text = format!(
            "{}  d: {{url: 'https://d.example.com/mcp', jwt_signer: false}}\nserver: {{public_url: 'https://gw.example'}}\nguardrails: [{{guardrail_name: s, litellm_params: {{guardrail: mcp_jwt_signer, default_on: true, token_header: X-Signed, {settings}}}}}]\n",
            house.text()
        );
        let loaded = house.serve(&text, Why::Asked).await.unwrap();
        assert_eq!(names(&loaded), ["a", "b", "c", "d"]);
        house.vault.seal(true);
        house.clock.advance(Duration::from_mins(10));
        assert!(house.stored.changed().await);
        let loaded = house.serve(&text, Why::Refresh).await.unwrap();
        assert_eq!(names(&loaded), ["d"], "{settings}");
        house.vault.seal(false);
        assert!(house.stored.changed().await);
        let loaded = house.serve(&text, Why::Refresh).await.unwrap();
        assert_eq!(names(&loaded), ["a", "b", "c", "d"]);
    }
}

/// One login serves until two thirds of its lease; a token that was revoked costs one more.
#[tokio::test]
async fn logins_are_renewed_ahead_of_their_end_and_after_a_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let jwt = folder.path().join("jwt");
    std::fs::write(&jwt, "canary-jwt\n").unwrap();
    for login in [
        "role_id: the-role, secret_id: canary-secret-id".to_owned(),
        format!("role: gateway, token_file: '{}'", jwt.display()),
    ] {
        let house = House::new(&login).await;
        house.serve(&house.text(), Why::Asked).await.unwrap();
        assert!(!house.stored.changed().await);
        assert_eq!(house.vault.logins(), 1);
        house.clock.advance(Duration::from_mins(40));
        house.serve(&house.text(), Why::Asked).await.unwrap();
        assert_eq!(house.vault.logins(), 2);
        house.vault.revoke_tokens();
        let loaded = house.serve(&house.text(), Why::Asked).await.unwrap();
        assert_eq!(token(&loaded), "canary-token-1");
        assert_eq!(house.vault.logins(), 3);
    }
}

/// A document that our role may not read costs a login now and then, not one each time it is looked at.
#[tokio::test]
async fn a_document_that_is_refused_with_a_fresh_token_is_no_reason_to_log_in_each_time() {
    let house = House::new("role_id: the-role, secret_id: canary-secret-id").await;
    house.serve(&house.text(), Why::Asked).await.unwrap();
    assert_eq!(house.vault.logins(), 1);
    house.vault.forbid("apps/a");
    for _ in 0..3 {
        house.stored.changed().await;
        assert_eq!(house.vault.logins(), 2);
    }
    house.clock.advance(Duration::from_mins(10));
    house.stored.changed().await;
    assert_eq!(house.vault.logins(), 3, "new rights may need a new token");
    house.vault.permit();
    house.serve(&house.text(), Why::Refresh).await.unwrap();
    assert_eq!(house.vault.logins(), 3);
}

#[tokio::test]
async fn secrets_manager_is_asked_with_a_signature() {
    let aws = FakeUpstream::modern().await;
    let account = Account::lasting("AKIDLASTING", "canary-secret");
    secrets_manager(
        &aws,
        account,
        "prod/app",
        json!({"token": "canary-token-aws"}),
    );
    let text = |secret: &str, name: &str| {
        format!(
            "secrets: {{aws: {{aws_region_name: eu-west-1, aws_access_key_id: AKIDLASTING, aws_secret_access_key: {secret}, aws_endpoint: 'http://{}/'}}}}\nmcp_servers: {{a: {{url: 'https://a.example.com/mcp', auth_type: bearer_token, auth_value: 'aws-sm:{name}#token'}}}}",
            aws.address()
        )
    };
    let house = House::new("").await;
    let loaded = house
        .read(&text("canary-secret", "prod/app"), Why::Asked)
        .await
        .unwrap();
    assert_eq!(token(&loaded), "canary-token-aws");
    for (secret, name, expected) in [
        ("canary-wrong", "prod/app", "InvalidSignatureException"),
        ("canary-secret", "prod/other", "there is no such secret"),
    ] {
        let house = House::new("").await;
        let errors = house
            .read(&text(secret, name), Why::Asked)
            .await
            .unwrap_err();
        assert!(errors.contains(expected), "{errors}");
        assert!(!errors.contains("canary"), "{errors}");
    }
}

/// Reading a file to look at it asks nobody, says what it left out, and finds all else.
#[tokio::test]
async fn a_check_without_online_asks_nobody_and_says_what_it_left_out() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, house.text()).unwrap();
    let report = crate::wire::check(Some(&file), false, true).await.unwrap();
    assert_eq!(report.errors, 0, "{}", report.text);
    assert!(
        report.text.contains("`vault:apps/a#key` was not fetched"),
        "{}",
        report.text
    );
    assert_eq!(house.vault.reads(), 0);
    std::fs::write(
        &file,
        house.text().replace("apps/a#token", "apps/../sys#token"),
    )
    .unwrap();
    let report = crate::wire::check(Some(&file), false, false).await.unwrap();
    assert!(
        report.text.contains("not a place in a secret store"),
        "{}",
        report.text
    );
}

fn definition(name: &str, entry: &Value, may_ask_stores: bool) -> Definition {
    Definition {
        name: name.to_owned(),
        text: entry.to_string(),
        may_ask_stores,
    }
}

/// Whoever sends definitions does not thereby make us ask the operator's stores, again and again, for everything.
#[tokio::test]
async fn a_definition_is_judged_with_what_is_in_force_and_costs_only_what_it_adds() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    let text = format!("server: {{api_secret_stores: [vault]}}\n{}", house.text());
    house.serve(&text, Why::Asked).await.unwrap();
    let before = house.vault.reads();
    let judged = async |entry: Value, may_ask_stores: bool| {
        let definition = definition("tools", &entry, may_ask_stores);
        let line = CommandLine::default();
        let judged = house.stored.judge(&definition, line, Why::Asked).await;
        judged.unwrap().1
    };
    let entry = |value: &str| json!({"url": "https://t.example.com/mcp", "auth_type": "token", "auth_value": value});
    let mut odd = entry("vault:apps/new#token");
    odd["colour"] = "red".into();
    let mut inside = entry("vault:apps/new#token");
    inside["url"] = "https://10.0.0.1/mcp".into();
    for (entry, may_ask_stores, is_used) in [
        (entry("plain"), false, true),
        (entry("vault:apps/new#token"), false, false),
        (odd, true, false),
        (inside, true, false),
        // Somebody of the file has it already.
        (entry("vault:apps/a#token"), true, true),
    ] {
        let judged = judged(entry.clone(), may_ask_stores).await;
        assert_eq!(judged.is_used, is_used, "{entry}: {judged:?}");
        assert_eq!(judged.errors.is_empty(), is_used, "{entry}: {judged:?}");
        assert_eq!(house.vault.reads(), before, "{entry}");
    }
    house.vault.put("apps/new", json!({"token": "canary"}));
    let judged = judged(entry("vault:apps/new#token"), true).await;
    assert!(judged.is_used, "{judged:?}");
    assert_eq!(house.vault.reads(), before + 1, "that one, and no other");
}

/// Viewers may compare the file with what is in force.
#[tokio::test]
async fn a_look_at_the_file_asks_stores_for_what_is_new_in_it() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    house.serve(&house.text(), Why::Asked).await.unwrap();
    let before = house.vault.reads();
    let looked = async |text: &str| {
        let line = CommandLine::default();
        let looked = house.stored.look_at("config.yaml", text, line, Why::Asked);
        looked.await.unwrap().unwrap()
    };
    let loaded = looked(&house.text()).await;
    assert_eq!(token(&loaded), "canary-token-1");
    assert_eq!(house.vault.reads(), before);
    house.vault.put("apps/new", json!({"token": "canary-new"}));
    let more = "  d: {url: 'https://d.example.com/mcp', auth_type: token, auth_value: 'vault:apps/new#token'}\n";
    let loaded = looked(&(house.text() + more)).await;
    assert_eq!(names(&loaded), ["a", "b", "c", "d"]);
    assert_eq!(house.vault.reads(), before + 1);
}

/// SSRF-01: the switch holds also for what was defined while it was on.
#[tokio::test]
async fn what_was_defined_inside_is_served_no_longer_when_the_operator_closes_it() {
    let house = House::new(&format!("token: '{ROOT_TOKEN}'")).await;
    let url = "https://mcp.example.com/mcp";
    house.stored.define(vec![
        definition("inside", &json!({"url": "https://10.0.0.1/mcp"}), true),
        definition("outside", &json!({"url": url}), true),
        definition(
            "tokens",
            &json!({"url": url, "auth_type": "oauth2", "client_id": "a", "client_secret": "canary",
                    "token_url": "https://localhost/token"}),
            true,
        ),
    ]);
    let open = "server: {api_private_addresses: true}";
    let loaded = house.serve(open, Why::Asked).await.unwrap();
    assert_eq!(names(&loaded), ["inside", "outside", "tokens"]);
    let loaded = house.serve("", Why::Asked).await.unwrap();
    assert_eq!(names(&loaded), ["outside"]);
    for (name, path) in [("inside", "url"), ("tokens", "token_url")] {
        let judged = house.stored.judged(name).unwrap();
        assert!(!judged.is_used);
        let [error] = judged.errors.as_slice() else {
            panic!("{judged:?}")
        };
        assert_eq!(error.path, format!("mcp_servers.{name}.{path}"));
        let help = error.help.as_deref().unwrap();
        assert!(help.contains("api_private_addresses"), "{help}");
    }
}
