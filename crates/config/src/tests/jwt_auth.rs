//! LiteLLM's tokens of issuers, as ours.

use super::*;
use crate::{Config, TokenIssuer};

fn with(settings: &str) -> String {
    format!("general_settings: {{enable_jwt_auth: true{settings}}}")
}

fn set(env: &[(&'static str, &'static str)], settings: &str) -> Config {
    let loaded = World::with_env(env).load(&with(settings));
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    noticed(
        &loaded,
        "general_settings.enable_jwt_auth",
        "see only servers with `allow_all_keys`",
    );
    loaded.config
}

fn only(config: &Config) -> &TokenIssuer {
    assert_eq!(config.identity.issuers.len(), 1);
    &config.identity.issuers[0]
}

#[test]
fn the_variables_are_one_issuer() {
    let env = [
        ("JWT_ISSUER", "https://login.example.com/t"),
        ("JWT_AUDIENCE", "gw"),
        ("JWT_PUBLIC_KEY_URL", "https://keys.example.com/jwks"),
    ];
    let fields = ", litellm_jwtauth: {user_id_jwt_field: oid, team_id_jwt_field: a.squad, team_ids_jwt_field: roles, admin_jwt_scope: x}";
    let config = set(&env, fields);
    let issuer = only(&config);
    assert_eq!(issuer.issuer, "https://login.example.com/t");
    assert!(issuer.audiences.contains("gw") && issuer.audiences.len() == 1);
    let keys = issuer.jwks_uri.as_ref().unwrap();
    assert_eq!(keys.as_str(), "https://keys.example.com/jwks");
    assert_eq!(issuer.claims.user_id.as_deref(), Some("oid"));
    assert_eq!(issuer.claims.team.as_deref(), Some("a.squad"));
    assert_eq!(issuer.claims.groups.as_deref(), Some("roles"));
    assert_eq!(issuer.claims.email, None);
    assert_eq!(issuer.grants, crate::IssuerGrants::default());
    // Without a URL the keys are discovered.
    let config = set(&env[..2], "");
    assert_eq!(only(&config).jwks_uri, None);
    assert_eq!(only(&config).claims.user_id.as_deref(), Some("sub"));
}

#[test]
fn a_list_of_issuers_is_a_list_of_issuers() {
    let config = set(
        // Not looked at where the file names issuers.
        &[("JWT_ISSUER", "https://elsewhere.example.com")],
        ", litellm_jwtauth: {team_ids_jwt_field: groups, issuers: [\
         {issuer: 'https://a.example.com/', audience: [x, y], user_email_jwt_field: email},\
         {issuer: 'https://b.example.com', audience: z, jwks_url: 'https://b.example.com/jwks',\
          team_ids_jwt_field: roles}]}",
    );
    let [a, b] = config.identity.issuers.as_slice() else {
        panic!("two issuers");
    };
    assert_eq!(a.issuer, "https://a.example.com/", "character by character");
    assert_eq!(a.audiences.len(), 2);
    assert_eq!(a.claims.groups.as_deref(), Some("groups"));
    assert_eq!(a.claims.email.as_deref(), Some("email"));
    assert_eq!(b.claims.groups.as_deref(), Some("roles"));
    assert!(a.jwks_uri.is_none() && b.jwks_uri.is_some());
}

#[test]
fn where_litellm_would_be_open_what_is_missing_is_demanded() {
    let full = [
        ("JWT_ISSUER", "https://login.example.com"),
        ("JWT_AUDIENCE", "gw"),
        (
            "JWT_PUBLIC_KEY_URL",
            "https://a.example.com/1,https://a.example.com/2",
        ),
    ];
    let keys = ("JWT_PUBLIC_KEY_URL", "https://login.example.com/jwks");
    for (env, settings, expected) in [
        (&[keys][..], "", "`JWT_ISSUER` is not set: any issuer"),
        (
            &[keys],
            "",
            "`JWT_AUDIENCE` is not set: tokens that were made for anybody",
        ),
        (
            &[keys, full[0]],
            "",
            "write `identity: {issuers: [{issuer: https://…, audience: …}]}`",
        ),
        (&[full[0], ("JWT_AUDIENCE", "*")], "", "`*` would accept"),
        (
            &[("JWT_ISSUER", "login"), full[1]],
            "",
            "not an issuer identifier",
        ),
        (
            &[("JWT_ISSUER", "http://login.example.com"), full[1]],
            "",
            "plain http",
        ),
        (&full, "", "several key sets for one issuer"),
        (
            &[full[0], full[1], ("JWT_PUBLIC_KEY_URL", "/keys")],
            "",
            "not an absolute http",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {issuers: []}",
            "`issuers` names nobody",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {issuers: [{issuer: 'https://a.b'}]}",
            "`audience` is missing",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {issuers: [{issuer: 'https://a.b', disable_audience_validation: true}]}",
            "made for anybody else would be accepted",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {user_allowed_email_domain: a.b}",
            "by e-mail domain",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {enforce_rbac: true}",
            "roles of tokens",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {scope_mappings: [{scope: a}]}",
            "rules by scope",
        ),
        (
            &full[..2],
            ", litellm_jwtauth: {user_id_field: x}",
            "unknown key `user_id_field`",
        ),
    ] {
        let errors = World::with_env(env).load(&with(settings)).unwrap_err();
        let text = errors.to_string();
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn our_own_issuers_are_the_only_ones_where_they_are_written() {
    let text = "general_settings: {enable_jwt_auth: true, litellm_jwtauth: {user_id_jwt_field: x}}\n\
                identity: {issuers: [{issuer: 'https://own.example.com', audience: gw}]}";
    let env = [
        ("JWT_ISSUER", "https://other.example.com"),
        ("JWT_AUDIENCE", "y"),
    ];
    let loaded = World::with_env(&env).load(text).unwrap();
    assert_eq!(only(&loaded.config).issuer, "https://own.example.com");
    noticed(&loaded, "general_settings.enable_jwt_auth", "are not used");
}

#[test]
fn switched_off_nothing_is_accepted() {
    let env = [
        ("JWT_ISSUER", "https://other.example.com"),
        ("JWT_AUDIENCE", "y"),
    ];
    for text in [
        "general_settings: {litellm_jwtauth: {user_id_jwt_field: x}}",
        "general_settings: {enable_jwt_auth: false, litellm_jwtauth: {user_id_jwt_field: x}}",
    ] {
        let loaded = World::with_env(&env).load(text).unwrap();
        assert!(loaded.config.identity.issuers.is_empty());
        noticed(
            &loaded,
            "general_settings.litellm_jwtauth",
            "without effect",
        );
    }
}
