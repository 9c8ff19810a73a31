//! Which scopes are asked for: `auth/scope-*` and `auth/offline-access-*`.

use std::time::Duration;

use serde_json::json;

use super::{Person, Stage};

impl Stage {
    /// The scopes of the last authorization request; `None`: none were said.
    fn scopes_asked(&self) -> Option<String> {
        let asked = self.authorization.asked();
        asked.last().unwrap().get("scope").cloned()
    }

    fn supports(&self, scopes: &[&str]) {
        let mut document = self.authorization.resource_metadata(&self.upstream);
        document["scopes_supported"] = json!(scopes);
        let path = "/.well-known/oauth-protected-resource/mcp".to_owned();
        self.searches_anew();
        self.rules().documents = [(path, document)].into();
    }

    /// A call that the server has not got the scopes for.
    async fn falls_short(&self, person: &Person) {
        self.call(person).await;
        super::wanted_consent(&self.house).await;
    }
}

/// `auth/scope-from-www-authenticate`, `auth/scope-from-scopes-supported` and
/// `auth/scope-omitted-when-undefined`.
#[tokio::test]
async fn the_challenge_says_which_scopes_else_the_metadata_else_nobody() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.begin(&alice).await.unwrap();
    stage.connect(&alice).await;
    assert_eq!(stage.scopes_asked(), None);
    stage.supports(&["b", "a", "c"]);
    let bob = stage.person("bob").await;
    stage.connect(&bob).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("a b c"));
    stage.rules().challenge = Some(r#"Bearer scope="a d""#.to_owned());
    stage.searches_anew();
    let carol = stage.person("carol").await;
    stage.connect(&carol).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("a d"));
    stage.end().await;
}

/// `auth/scope-step-up`, whose server answers `initialize` to anybody.
#[tokio::test]
async fn a_server_that_greets_everybody_says_its_scopes_when_it_is_asked_for_something() {
    let stage = Stage::set(&[]).await;
    stage.supports(&["z"]);
    stage.rules().greets = ["initialize".to_owned()].into();
    stage.rules().challenge = Some(r#"Bearer scope="a d""#.to_owned());
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("a d"));
    stage.end().await;
}

/// `auth/offline-access-scope` and `auth/offline-access-not-supported`.
#[tokio::test]
async fn offline_access_is_asked_for_where_the_authorization_server_lists_it() {
    let stage = Stage::set(&[]).await;
    for (listed, supported, asked) in [
        (json!(["a", "offline_access"]), "a", "a offline_access"),
        (json!(["a"]), "offline_access", ""),
        (json!(null), "a", "a"),
    ] {
        stage
            .authorization
            .manners(|manners| manners.metadata["scopes_supported"] = listed.clone());
        stage.supports(&[supported]);
        let person = stage.person(&format!("for {asked}")).await;
        stage.connect(&person).await;
        let said = stage.scopes_asked().unwrap_or_default();
        assert_eq!(said, asked, "{listed}");
    }
    stage.end().await;
}

/// `auth/scope-step-up`: what was granted before is asked for again, with what is missing.
#[tokio::test]
async fn a_server_that_wants_more_gets_it_with_what_it_had() {
    let stage = Stage::set(&[]).await;
    stage.rules().challenge = Some(r#"Bearer scope="mcp:basic""#.to_owned());
    let needs = ("tools/call".to_owned(), "mcp:write".to_owned());
    stage.rules().needs = [needs].into();
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("mcp:basic"));
    stage.falls_short(&alice).await;
    let connection = super::status(&stage.house, &alice).await.unwrap();
    assert_eq!(connection.wanted.to_string(), "mcp:write");
    assert!(!connection.is_over, "good for what it was good for");
    stage.connect(&alice).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("mcp:basic mcp:write"));
    stage.token_of(&alice).await;
    stage.end().await;
}

/// `auth/scope-retry-limit`: a server that is never content does not send people round in circles.
#[tokio::test]
async fn a_server_that_is_never_content_asks_three_times_in_an_hour() {
    let stage = Stage::set(&[]).await;
    let needs = ("tools/call".to_owned(), "admin".to_owned());
    stage.rules().needs = [needs].into();
    stage.rules().never_enough = true;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    for _ in 0..2 {
        stage.falls_short(&alice).await;
        stage.connect(&alice).await;
    }
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "upstream_refused");
    assert_eq!(stage.authorization.asked().len(), 3);
    // Somebody else is somebody else, and later is later.
    let bob = stage.person("bob").await;
    stage.connect(&bob).await;
    stage.falls_short(&bob).await;
    stage.later(Duration::from_hours(1)).await;
    stage.falls_short(&alice).await;
    stage.end().await;
}

/// The operator's scopes are what is asked for, whatever the server says.
#[tokio::test]
async fn scopes_of_the_file_are_never_exceeded() {
    let stage = Stage::set(&["scopes: [\"read\"]"]).await;
    stage.rules().challenge = Some(r#"Bearer scope="read write admin""#.to_owned());
    let needs = ("tools/call".to_owned(), "write".to_owned());
    stage.rules().needs = [needs].into();
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    assert_eq!(stage.scopes_asked().as_deref(), Some("read"));
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "upstream_refused");
    stage.end().await;
}

/// A server that names other scopes at every call does not fill the store.
#[tokio::test]
async fn what_a_server_wants_is_kept_within_bounds() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    for number in 0..20 {
        let scope = format!("{number}-{}", "x".repeat(1000));
        stage.rules().needs = [("tools/call".to_owned(), scope.clone())].into();
        stage.falls_short(&alice).await;
        let wanted = super::status(&stage.house, &alice).await.unwrap().wanted;
        assert!(wanted.contains(&scope), "the latest is in it");
        assert!(wanted.to_string().len() <= 4096, "{number}");
    }
    let too_long = "x".repeat(5000);
    stage.rules().needs = [("tools/call".to_owned(), too_long)].into();
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "upstream_refused");
    stage.end().await;
}
