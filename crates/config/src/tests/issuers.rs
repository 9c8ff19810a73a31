//! Issuers of tokens: what is read, and what would have let somebody in.

use std::time::Duration;

use super::*;
use crate::{Config, TokenIssuer, TokenTypeName};

const SERVERS: &str = "
mcp_servers:
  tickets: {url: https://tickets.example.com/mcp, access_groups: [support]}
  wiki: {url: https://wiki.example.com/mcp}
";

fn with(entry: &str) -> String {
    format!("{SERVERS}identity:\n  issuers:\n  - {entry}\n")
}

fn only(config: &Config) -> &TokenIssuer {
    assert_eq!(config.identity.issuers.len(), 1);
    &config.identity.issuers[0]
}

#[test]
fn an_issuer_needs_its_name_and_an_audience_and_grants_nothing_by_itself() {
    let loaded = loaded(&with(
        "{issuer: 'https://login.example.com/t', audience: gw}",
    ));
    let issuer = only(&loaded.config);
    assert_eq!(issuer.issuer, "https://login.example.com/t");
    assert!(issuer.audiences.contains("gw"));
    assert_eq!(issuer.algorithms, ["RS256", "ES256"]);
    assert_eq!(issuer.token_types.len(), 2);
    assert_eq!(issuer.leeway, Duration::from_secs(30));
    assert_eq!(issuer.claims.user_id.as_deref(), Some("sub"));
    assert_eq!(issuer.grants, crate::IssuerGrants::default());
    noticed(&loaded, "identity.issuers[0]", "see only servers with");
    // It is a way in: no key is missing.
    assert!(!loaded.notices.iter().any(|n| n.text.contains("no key")));
}

#[test]
fn grants_are_for_everybody_for_groups_and_for_teams() {
    let loaded = loaded(&with(
        "{issuer: 'https://a.b', audience: [x, y], servers: wiki, claims: {team: squad},\n     \
         groups: {'ops team': {access_groups: [support]}}, teams: {core: {all_servers: true}}}",
    ));
    let grants = &only(&loaded.config).grants;
    assert!(grants.everybody.servers.contains("wiki"));
    assert!(grants.groups["ops team"].access_groups.contains("support"));
    assert!(grants.teams["core"].all && !grants.everybody.all);
    assert!(
        loaded
            .notices
            .iter()
            .all(|n| n.path != "identity.issuers[0]")
    );
}

#[test]
fn what_is_written_exactly_is_kept_exactly() {
    let loaded = loaded(&with(
        "{issuer: 'https://a.b/', audience: 'https://GW.example/mcp/', algorithms: [EdDSA],\n     \
         token_types: [at+jwt, absent], leeway: 5m, max_token_lifetime: 30d}",
    ));
    let issuer = only(&loaded.config);
    assert_eq!(issuer.issuer, "https://a.b/");
    assert!(issuer.audiences.contains("https://GW.example/mcp/"));
    let types = [
        TokenTypeName::Named("at+jwt".to_owned()),
        TokenTypeName::Absent,
    ];
    assert_eq!(issuer.token_types, types);
}

#[test]
fn what_would_accept_anybodys_tokens_is_refused() {
    for (entry, expected) in [
        ("{audience: a}", "`issuer` is missing"),
        ("{issuer: 'https://a.b'}", "`audience` is missing"),
        ("{issuer: 'https://a.b', audience: '*'}", "anybody else"),
        (
            "{issuer: 'https://a.b', audience: []}",
            "without an audience",
        ),
        (
            "{issuer: 'https://a.b', audience: ''}",
            "a blank names nothing",
        ),
        ("{issuer: 'https://a.b', audience: }", "holds nothing"),
        ("{issuer: login, audience: a}", "not an issuer identifier"),
        (
            "{issuer: 'https://a.b?x=1', audience: a}",
            "not an issuer identifier",
        ),
        ("{issuer: 'http://a.b', audience: a}", "plain http"),
        (
            "{issuer: 'https://u:p@a.b', audience: a}",
            "user name or password",
        ),
        (
            "{issuer: 'https://a.b', audience: a, jwks_uri: 'http://a.b/k'}",
            "plain http",
        ),
        (
            "{issuer: 'https://a.b', audience: a, jwks_uri: 'http://169.254.169.254/'}",
            "never called",
        ),
        (
            "{issuer: 'https://a.b', audience: a, algorithms: [none]}",
            "not an algorithm",
        ),
        (
            "{issuer: 'https://a.b', audience: a, algorithms: [HS256]}",
            "not an algorithm",
        ),
        (
            "{issuer: 'https://a.b', audience: a, algorithms: [rs256]}",
            "did you mean `RS256`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, algorithms: []}",
            "an empty list",
        ),
        (
            "{issuer: 'https://a.b', audience: a, token_types: []}",
            "an empty list",
        ),
        (
            "{issuer: 'https://a.b', audience: a, token_types: [logout+jwt]}",
            "never an access token",
        ),
        (
            "{issuer: 'https://a.b', audience: a, token_types: [application/DPoP+jwt]}",
            "never an access token",
        ),
        (
            "{issuer: 'https://a.b', audience: a, leeway: 301s}",
            "longer than 300s",
        ),
        (
            "{issuer: 'https://a.b', audience: a, max_token_lifetime: 31d}",
            "longer than",
        ),
        (
            "{issuer: 'https://a.b', audience: a, servers: [wikki]}",
            "did you mean `wiki`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, groups: {g: {servers: ['*']}}}",
            "`*` is not a server",
        ),
        (
            "{issuer: 'https://a.b', audience: a, groups: {g: {role: admin}}}",
            "unknown key `role`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, teams: {t: {servers: wiki}}}",
            "nobody is in one",
        ),
        (
            "{issuer: 'https://a.b', audience: a}\n  - {issuer: 'https://a.b', audience: b}",
            "of two entries",
        ),
        (
            "{issuer: 'https://a.b', audience: a, introspection: {}}",
            "`url` is missing",
        ),
        (
            "{issuer: 'https://a.b', audience: a, jwks_uri: 'https://a.b/k', introspection: {url: 'https://a.b/i', client_id: c, client_secret: s}}",
            "beside `introspection`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, algorithms: [ES256], introspection: {url: 'https://a.b/i', client_id: c, client_secret: s}}",
            "`algorithms` beside `introspection`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, token_types: [JWT], introspection: {url: 'https://a.b/i', client_id: c, client_secret: s}}",
            "`token_types` beside `introspection`",
        ),
        (
            "{issuer: 'https://a.b', audience: a, introspection: {url: 'https://a.b/i', client_id: c, client_secret: s}}\n  \
             - {issuer: 'https://c.d', audience: a, introspection: {url: 'https://c.d/i', client_id: c, client_secret: s}}",
            "a second issuer with opaque tokens",
        ),
    ] {
        refused(&with(entry), expected);
    }
}

#[test]
fn plain_http_is_for_loopback_or_accepted_by_name() {
    loaded(&with("{issuer: 'http://127.0.0.1:9', audience: a}"));
    let loaded = loaded(&with(
        "{issuer: 'http://a.b', audience: a, allow_insecure_http: true}",
    ));
    assert_eq!(loaded.config.insecure_choices.len(), 1);
}

#[test]
fn the_resolved_configuration_shows_an_issuer_and_not_our_secret_there() {
    let loaded = loaded(&with(
        "{issuer: 'https://a.b', audience: a, groups: {g: {servers: wiki}}, introspection: {url: 'https://a.b/i', client_id: c, client_secret: canary-7f3a}}",
    ));
    let page = crate::explain(&loaded.config, &loaded.notices);
    for shown in [
        "https://a.b/i",
        "\"g\":",
        "servers: [\"wiki\"]",
        "client_secret: (set)",
    ] {
        assert!(page.contains(shown), "{shown} in\n{page}");
    }
    assert!(!page.contains("canary"), "{page}");
}
