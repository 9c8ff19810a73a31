//! How people sign in with a browser.

use std::time::Duration;

use super::*;
use crate::{ClientAuth, Login};

fn with(entry: &str) -> String {
    format!("identity:\n  login: {entry}\n")
}

#[test]
fn people_sign_in_with_a_key_for_eight_hours_unless_the_file_says_otherwise() {
    let login = loaded("").config.identity.login;
    assert!(login.with_key && login.provider.is_none());
    assert_eq!(login.session_ttl, Duration::from_hours(8));
    let login = loaded(&with("{session_ttl: 30m}")).config.identity.login;
    assert_eq!(login.session_ttl, Duration::from_mins(30));
    assert_eq!(Login::default().session_ttl, Duration::from_hours(8));
}

#[test]
fn a_provider_needs_its_name_and_our_client_and_grants_nothing_by_itself() {
    let loaded = loaded(&with(
        "{issuer: 'https://login.example.com/t', client_id: gw}",
    ));
    let provider = loaded.config.identity.login.provider.as_ref().unwrap();
    assert_eq!(provider.issuer, "https://login.example.com/t");
    assert_eq!(provider.name, "login.example.com");
    assert_eq!(provider.scopes.to_string(), "email openid profile");
    assert_eq!(provider.algorithms, ["RS256", "ES256"]);
    assert!(provider.client_secret.is_none());
    assert_eq!(provider.grants, crate::IssuerGrants::default());
    noticed(&loaded, "identity.login", "people who sign in see only");
}

#[test]
fn a_secret_is_presented_as_the_file_says_and_openid_is_always_asked_for() {
    for (method, expected) in [
        ("", ClientAuth::Basic),
        (
            ", token_endpoint_auth_method: client_secret_post",
            ClientAuth::Post,
        ),
    ] {
        let entry = format!(
            "{{issuer: 'https://a.b', client_id: gw, client_secret: os.environ/S, scopes: groups{method}}}"
        );
        let world = World::with_env(&[("S", "hunter2-hunter2")]);
        let loaded = world.load(&with(&entry)).unwrap();
        let provider = loaded.config.identity.login.provider.unwrap();
        let (secret, method) = provider.client_secret.unwrap();
        assert_eq!(secret.value.expose(), "hunter2-hunter2");
        assert_eq!(method, expected);
        assert_eq!(provider.scopes.to_string(), "groups openid");
    }
}

#[test]
fn what_cannot_work_is_refused_with_what_to_write_instead() {
    for (entry, path, text) in [
        (
            "{with_key: false}",
            "identity.login.with_key",
            "nobody could sign in",
        ),
        (
            "{client_id: gw}",
            "identity.login.client_id",
            "without `issuer`",
        ),
        (
            "{servers: [x]}",
            "identity.login.servers",
            "without `issuer`",
        ),
        (
            "{session_ttl: 10s}",
            "identity.login.session_ttl",
            "not between 1m and 30d",
        ),
        (
            "{session_ttl: 31d}",
            "identity.login.session_ttl",
            "not between 1m and 30d",
        ),
        (
            "{issuer: 'https://a.b'}",
            "identity.login",
            "`client_id` is missing",
        ),
        (
            "{issuer: 'http://login.example.com', client_id: gw}",
            "identity.login.issuer",
            "http",
        ),
        (
            "{issuer: 'https://a.b', client_id: gw, token_endpoint_auth_method: client_secret_post}",
            "identity.login.token_endpoint_auth_method",
            "no `client_secret`",
        ),
        (
            "{issuer: 'https://a.b', client_id: gw, client_secret: abcdefgh, token_endpoint_auth_method: none}",
            "identity.login.token_endpoint_auth_method",
            "beside a `client_secret`",
        ),
        (
            "{issuer: 'https://a.b', client_id: gw, algorithms: [HS256]}",
            "identity.login.algorithms[0]",
            "not an algorithm",
        ),
        (
            "{issuer: 'https://a.b', client_id: gw, teams: {x: {all_servers: true}}}",
            "identity.login.teams",
            "nobody is in one",
        ),
    ] {
        let messages = messages(&errors(&with(entry)));
        let found = messages
            .iter()
            .any(|message| message.starts_with(&format!("{path}: ")) && message.contains(text));
        assert!(found, "{entry}: {messages:?}");
    }
}
