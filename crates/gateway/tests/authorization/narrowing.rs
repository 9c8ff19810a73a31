//! What the operator takes away is gone from what exists too.

use std::sync::Arc;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Actor, Ask, MockServer, TestGateway};
use serde_json::json;

use super::stage::{CALLBACK, ORIGIN, START, form_ask, parameters, person_at, query, read};

const KEY: &str = "sk-pc-alice-7Qm2vT9dKx4RzP1sWn8uYb3";
const NATIVE: &str = "cursor://anysphere.cursor-mcp/cb";

fn refresh(client: &str, token: &str) -> Ask {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", token),
    ];
    form_ask("/token", &form)
}

async fn scope_of(admin: &Actor, token: &str) -> serde_json::Value {
    let asked = admin.ask(form_ask("/introspect", &[("token", token)]));
    asked.await.json()["scope"].clone()
}

/// One database, and two configurations one after the other.
#[tokio::test]
async fn scopes_and_redirects_that_the_file_takes_away_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let mock = MockServer::start().await;
    let with = async |scopes: &str, natives: &str| {
        let yaml = format!(
            "identity:\n  scopes_supported: {scopes}\n  keys:\n    \
             - {{id: alice, key: {KEY}, servers: [support], scopes: [read, write]}}\n  \
             authorization_server: {{native_redirects: {natives}}}\nmcp_servers:\n{}",
            mock.entry("support")
        );
        let clock = Arc::new(ManualClock::at_millis(START));
        TestGateway::sharing(&database, &yaml, clock).await
    };
    let wide = with("[read, write]", "[\"cursor://anysphere.cursor-mcp\"]").await;
    let narrow = with("[read]", "[]").await;
    let metadata = json!({
        "redirect_uris": [CALLBACK, NATIVE], "token_endpoint_auth_method": "none",
    });
    let registering = Ask::post("/register", &metadata);
    let client = wide.anonymous().ask(registering).await.json();
    let client = client["client_id"].as_str().unwrap();

    let server = wide.embedded().authorization_server().unwrap();
    let asked = query(client, &[("scope", "read write")]);
    let flow = server.begin(&asked, ORIGIN).await.unwrap();
    let (person, principal) = person_at(&wide, KEY).await;
    let to = server.approve(&flow, ORIGIN, &person, &principal).await;
    let code = parameters(&to.unwrap())["code"].clone();
    let form = super::stage::code_form(client, &code);
    let given = wide.anonymous().ask(form_ask("/token", &form)).await;
    assert_eq!(given.json()["scope"], "read write", "{given:?}");
    let tokens = read(&given);

    let admin = narrow.admin().await;
    assert_eq!(scope_of(&admin, &tokens.access).await, "read");
    let next = refresh(client, &tokens.refresh);
    let next = narrow.anonymous().ask(next).await;
    assert_eq!(next.json()["scope"], "read");

    let native = asked.replace(
        &super::stage::encoded(&[("redirect_uri", CALLBACK)]),
        &super::stage::encoded(&[("redirect_uri", NATIVE)]),
    );
    assert_ne!(native, asked);
    assert!(server.begin(&native, ORIGIN).await.is_ok());
    let server = narrow.embedded().authorization_server().unwrap();
    assert!(server.begin(&asked, ORIGIN).await.is_ok());
    assert!(server.begin(&native, ORIGIN).await.is_err());
}
