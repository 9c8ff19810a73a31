//! The `mcp_jwt_signer` guardrail.

use std::time::Duration;

use super::*;
use crate::{ClaimSource, JwtSigner, SignerAudience, SignerScopes};

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n";

/// The guide's file.
const GUIDE: &str = r#"
guardrails:
  - guardrail_name: "mcp-jwt-signer"
    litellm_params:
      guardrail: mcp_jwt_signer
      mode: pre_mcp_call
      default_on: true
      issuer: "https://my-litellm.example.com" # optional
      audience: "mcp" # optional
      ttl_seconds: 300 # optional
mcp_servers: {a: {url: https://a.b/mcp}}
"#;

/// A file with these settings and this server.
fn file(settings: &str, server: &str) -> String {
    format!(
        "guardrails: [{{guardrail_name: s, litellm_params: {{guardrail: mcp_jwt_signer, {settings}}}}}]\n\
         mcp_servers: {{a: {{url: 'https://a.b/mcp', {server}}}}}"
    )
}

fn signer(world: &World, settings: &str) -> JwtSigner {
    let text = file(&format!("default_on: true, {settings}"), "");
    let loaded = world
        .load(&text)
        .unwrap_or_else(|errors| panic!("{errors}"));
    loaded.config.jwt_signer.unwrap()
}

#[test]
fn the_guides_signer_loads_and_signs_for_every_server() {
    let loaded = loaded(GUIDE);
    let signer = loaded.config.jwt_signer.as_ref().unwrap();
    assert_eq!(signer.issuer, "https://my-litellm.example.com");
    assert_eq!(signer.origin, "https://my-litellm.example.com");
    assert_eq!(signer.audience, SignerAudience::Exactly("mcp".to_owned()));
    assert_eq!(signer.ttl, Duration::from_mins(5));
    assert_eq!(signer.scopes, SignerScopes::Least);
    assert_eq!(signer.header, "authorization");
    assert!(loaded.config.mcp_servers[0].signed);
    let warned = |notice: &crate::Notice| notice.level == crate::Level::Warning;
    assert!(!loaded.notices.iter().any(warned), "{:?}", loaded.notices);
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("guardrail: mcp_jwt_signer"), "{page}");
    assert!(page.contains("jwt_signer: true"), "{page}");
}

#[test]
fn litellms_variables_say_what_the_file_does_not() {
    let world = World {
        files: [("/k.pem", PEM)].into(),
        ..World::with_env(&[
            ("MCP_JWT_SIGNING_KEY", "file:///k.pem"),
            ("MCP_JWT_ISSUER", "https://env.example"),
            ("MCP_JWT_AUDIENCE", "env-audience"),
            ("MCP_JWT_TTL_SECONDS", "60"),
        ])
    };
    let found = signer(&world, "");
    assert_eq!(found.issuer, "https://env.example");
    assert_eq!(
        found.audience,
        SignerAudience::Exactly("env-audience".to_owned())
    );
    assert_eq!(found.ttl, Duration::from_mins(1));
    let key = found.signing_key.unwrap();
    assert_eq!(key.origin, crate::Origin::File("/k.pem".into()));
    let found = signer(
        &world,
        "issuer: 'https://file.example', audience: per_server, ttl_seconds: 2m",
    );
    assert_eq!(found.issuer, "https://file.example");
    assert_eq!(found.audience, SignerAudience::PerServer);
    assert_eq!(found.ttl, Duration::from_mins(2));
    let folded = World::with_env(&[(
        "MCP_JWT_SIGNING_KEY",
        "-----BEGIN PRIVATE KEY-----\\nMAo=\\n-----END PRIVATE KEY-----\\n",
    )]);
    let key = signer(&folded, "").signing_key.unwrap();
    assert_eq!(key.value.expose(), PEM);
    assert!(
        World::with_env(&[("MCP_JWT_SIGNING_KEY", "file:///absent")])
            .load(&file("default_on: true", ""))
            .is_err()
    );
}

#[test]
fn the_issuer_is_never_left_to_a_request() {
    let of =
        |text: &str| World::default().load(&format!("{}\n{text}", file("default_on: true", "")));
    let issuer = |text: &str| of(text).unwrap().config.jwt_signer.unwrap().issuer;
    assert_eq!(issuer(""), "http://127.0.0.1:4000");
    assert_eq!(
        issuer("server: {public_url: 'https://gw.example'}"),
        "https://gw.example"
    );
    let exposed = "server: {host: 0.0.0.0, allowed_hosts: [a.b]}";
    let errors = of(exposed).unwrap_err().to_string();
    assert!(errors.contains("no `issuer`"), "{errors}");
    let named = signer(&World::default(), "issuer: litellm");
    assert_eq!(
        (named.issuer.as_str(), named.origin.as_str()),
        ("litellm", "http://127.0.0.1:4000")
    );
}

/// Keys that are fetched over plain http are whoever's is on the way.
#[test]
fn an_issuer_of_plain_http_is_accepted_beyond_loopback_by_name_only() {
    let with = |more: &str| file(&format!("default_on: true, {more}"), "");
    let far = "issuer: 'http://gw.example'";
    refused(&with(far), "an issuer of plain http beyond loopback");
    for (text, relaxed) in [
        (with(&format!("{far}, allow_insecure_http: true")), 1),
        (format!("compat: litellm\n{}", with(far)), 1),
        (with("issuer: 'http://localhost:4000'"), 0),
        (with("issuer: 'https://gw.example'"), 0),
    ] {
        let config = loaded(&text).config;
        let lines = config.insecure_choices.iter();
        let told = lines.filter(|line| line.contains("give servers other keys"));
        assert_eq!(told.count(), relaxed, "{text}");
        assert!(config.jwt_signer.is_some());
    }
}

/// What would be dropped in silence elsewhere names both who want the header.
#[test]
fn a_header_that_is_taken_is_a_mistake() {
    for (settings, server, expected) in [
        (
            "default_on: true",
            "auth_type: bearer_token, auth_value: v",
            "`authorization` is what the `mcp_jwt_signer` guardrail sends and also what `auth_type: bearer_token` sends",
        ),
        (
            "default_on: true",
            "static_headers: {Authorization: v}",
            "also what `static_headers`",
        ),
        (
            "default_on: true, token_header: X-API-Key",
            "auth_type: api_key, auth_value: v",
            "`x-api-key` is what",
        ),
        (
            "default_on: true, channel_token_audience: c",
            "static_headers: {X-MCP-Channel-Token: v}",
            "`x-mcp-channel-token` is what",
        ),
        (
            "default_on: false",
            "jwt_signer: true, auth_type: bearer_token, auth_value: v",
            "also what `auth_type: bearer_token`",
        ),
        (
            "default_on: true",
            "auth_type: true_passthrough",
            "also what `auth_type: true_passthrough`",
        ),
        (
            "default_on: true",
            "auth_type: api_key, auth_value: v, discovery_auth: {auth_type: bearer_token, auth_value: v}",
            "also what `auth_type: bearer_token`",
        ),
        (
            "default_on: true, token_header: X-Team",
            "extra_headers: [x-team]",
            "also what `extra_headers` sends",
        ),
        (
            "default_on: true",
            "headers: {'x-mcp-{{alias}}-authorization': 'Bearer {{token}}'}",
            "also what a template of `headers` sends",
        ),
        (
            "default_on: true, token_header: X-Signed",
            "auth_type: oauth2, delegate_auth_to_upstream: true",
            "cannot be vouched for",
        ),
    ] {
        refused(&file(settings, server), expected);
    }
    for name in ["X-Amz-Security-Token", "x-amz-date", "X-Amz-Content-SHA256"] {
        let settings = format!("default_on: true, token_header: {name}");
        let aws = "auth_type: aws_sigv4, aws_region_name: eu-west-1, aws_access_key_id: AKIDEXAMPLE, aws_secret_access_key: v";
        let expected = format!(
            "`{}` is what the `mcp_jwt_signer` guardrail sends and also what `auth_type: aws_sigv4` sends",
            name.to_lowercase()
        );
        refused(&file(&settings, aws), &expected);
    }
    for (settings, server, signed) in [
        (
            "default_on: true, token_header: X-Signed",
            "auth_type: bearer_token, auth_value: v",
            true,
        ),
        (
            "default_on: true",
            "auth_type: api_key, auth_value: v",
            true,
        ),
        (
            "default_on: true",
            "jwt_signer: false, auth_type: bearer_token, auth_value: v",
            false,
        ),
        (
            "default_on: false",
            "auth_type: bearer_token, auth_value: v",
            false,
        ),
    ] {
        let loaded = loaded(&file(settings, server));
        assert_eq!(
            loaded.config.mcp_servers[0].signed, signed,
            "{settings} {server}"
        );
        let opted_out = server.contains("jwt_signer: false");
        assert_eq!(loaded.config.insecure_choices.len(), usize::from(opted_out));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write_instead() {
    const VERIFIES: &str = "access_token_discovery_uri: 'https://idp.example/.well-known/openid-configuration', verify_audience: gw";
    let verifying = |more: &str| format!("default_on: true, {VERIFIES}, {more}");
    for (settings, expected) in [
        ("mode: pre_call".to_owned(), "the signer has one mode"),
        ("ttl_seconds: 0".to_owned(), "from one second to one hour"),
        ("ttl_seconds: 2h".to_owned(), "from one second to one hour"),
        ("channel_token_ttl: 5".to_owned(), "there is no second token"),
        ("algorithm: HS256".to_owned(), "not one of the known values"),
        ("token_header: 'a b'".to_owned(), "header"),
        ("scopes: full, allowed_scopes: [a]".to_owned(), "beside `allowed_scopes`"),
        ("allowed_scopes: []".to_owned(), "an empty scope"),
        ("issuer: 'https://a.b/?x'".to_owned(), "not an issuer"),
        ("required_claims: [a]".to_owned(), "nothing verifies them"),
        ("optional_claims: [a]".to_owned(), "nothing verifies them"),
        ("verify_issuer: a".to_owned(), "nothing verifies callers' tokens"),
        ("end_user_claim_sources: ['token:sub']".to_owned(), "are not verified"),
        ("end_user_claim_sources: [nonsense]".to_owned(), "not a source"),
        (
            "end_user_claim_sources: ['litellm:user_id', 'litellm:end_user_id']".to_owned(),
            "whoever a caller's header says",
        ),
        ("end_user_claim_sources: []".to_owned(), "refuses every caller"),
        ("set_claims: {iss: x}".to_owned(), "`iss` is the signer's own claim"),
        ("set_claims: {sub: x}".to_owned(), "`sub` is the signer's own claim"),
        ("add_claims: {scope: x}".to_owned(), "`scope` is the signer's own claim"),
        ("add_claims: x".to_owned(), "expected a map of claims"),
        ("remove_claims: [exp]".to_owned(), "`exp` is the signer's own claim"),
        (verifying("optional_claims: [aud]"), "`aud` is the signer's own claim"),
        (verifying("timeout: 5m"), "at most 30s"),
        (
            "access_token_discovery_uri: 'https://idp.example/.well-known/openid-configuration'".to_owned(),
            "without `verify_audience`",
        ),
        (
            "access_token_discovery_uri: 'https://idp.example/', verify_audience: gw".to_owned(),
            "not where an issuer's metadata is",
        ),
        (
            "access_token_discovery_uri: 'http://idp.example/.well-known/openid-configuration', verify_audience: gw".to_owned(),
            "http",
        ),
        (
            "token_introspection_endpoint: 'https://idp.example/i', verify_audience: gw, token_introspection_client_id: c".to_owned(),
            "`token_introspection_client_secret` is missing",
        ),
        (
            "token_introspection_endpoint: 'https://idp.example/i', verify_audience: gw, token_introspection_client_id: c, token_introspection_client_secret: s".to_owned(),
            "without `verify_issuer`",
        ),
        ("isuer: x".to_owned(), "did you mean `issuer`?"),
    ] {
        refused(&file(&settings, ""), expected);
    }
    refused(
        "mcp_servers: {a: {url: https://a.b/m, jwt_signer: true}}",
        "there is no `mcp_jwt_signer`",
    );
    let twice = GUIDE.replace(
        "mcp_servers:",
        "  - guardrail_name: t\n    litellm_params: {guardrail: mcp_jwt_signer}\nmcp_servers:",
    );
    refused(&twice, "a second `mcp_jwt_signer`");
    noticed(
        &loaded(&file("default_on: false", "")),
        "guardrails[0].litellm_params",
        "nothing is signed",
    );
}

#[test]
fn whose_tokens_are_believed_is_written_in_full() {
    let of = |settings: &str| {
        let signer = signer(
            &World::default(),
            &format!("{settings}, verify_audience: gw"),
        );
        (signer.verification.unwrap(), signer.claims.subject)
    };
    for (uri, url, issuer) in [
        (
            "https://idp.example/.well-known/openid-configuration",
            "https://idp.example/",
            "https://idp.example",
        ),
        (
            "https://idp.example/t/.well-known/openid-configuration",
            "https://idp.example/t",
            "https://idp.example/t",
        ),
        (
            "https://idp.example/.well-known/oauth-authorization-server/t",
            "https://idp.example/t",
            "https://idp.example/t",
        ),
    ] {
        let (found, sources) = of(&format!("access_token_discovery_uri: '{uri}'"));
        assert_eq!(found.discovery.unwrap().as_str(), url);
        assert_eq!(found.issuer, issuer);
        assert_eq!(
            sources,
            [ClaimSource::Token("sub".to_owned()), ClaimSource::UserId]
        );
        let (found, _) = of(&format!(
            "access_token_discovery_uri: '{uri}', verify_issuer: other"
        ));
        assert_eq!(found.issuer, "other");
    }
}

#[test]
fn a_page_about_the_signer_shows_no_secret() {
    let world = World {
        files: [("/k.pem", "canary-key-with-length")].into(),
        ..World::with_env(&[("MCP_JWT_SIGNING_KEY", "file:///k.pem")])
    };
    let text = file(
        "default_on: true, add_claims: {tenant: canary-claim}, verify_issuer: 'https://idp.example', verify_audience: gw, \
         token_introspection_endpoint: 'https://idp.example/i?key=canary-query', \
         token_introspection_client_id: c, token_introspection_client_secret: canary-secret",
        "",
    );
    let loaded = world.load(&text).unwrap();
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("signing_key: (from file /k.pem)"), "{page}");
    assert!(!page.contains("canary"), "{page}");
    assert!(!format!("{:?}", loaded.config).contains("canary-secret"));
    assert!(!format!("{:?}", loaded.config).contains("canary-key"));
}

/// SIGN-08: a value of the signer that its store does not give any more is no signature less, but a
/// server less.
#[test]
fn without_a_value_of_the_signers_nothing_is_called_that_it_would_sign() {
    const ASKS: &str = "verify_issuer: 'https://i.b', verify_audience: gw, token_introspection_endpoint: 'https://i.b/ask', token_introspection_client_id: gw, token_introspection_client_secret: 'vault:gw#secret'";
    for lapsed in ["signing_key: 'vault:gw#key'", ASKS] {
        for (default_on, served) in [(true, vec!["never"]), (false, vec!["never", "unsaid"])] {
            let text = format!(
                "secrets: {{vault: {{address: 'https://v.b', token: {STRONG}}}}}\n\
                 server: {{public_url: 'https://gw.b'}}\n\
                 guardrails: [{{guardrail_name: s, litellm_params: {{guardrail: mcp_jwt_signer, default_on: {default_on}, {lapsed}}}}}]\n\
                 mcp_servers:\n  \
                   unsaid: {{url: 'https://a.b/mcp'}}\n  \
                   always: {{url: 'https://a.b/mcp', jwt_signer: true}}\n  \
                   never: {{url: 'https://a.b/mcp', jwt_signer: false}}\n"
            );
            let config = |world: &World| {
                let loaded = world.load(&text);
                loaded.unwrap_or_else(|errors| panic!("{errors}")).config
            };
            let without = config(&World::default());
            assert!(without.jwt_signer.is_none(), "{lapsed}");
            let servers = without.mcp_servers.iter();
            let mut left: Vec<&str> = servers.map(|server| server.id.as_str()).collect();
            left.sort_unstable();
            assert_eq!(left, served, "{lapsed}");
            let given = ["vault:gw#key", "vault:gw#secret"];
            let value = || Stored::Value(portcullis_core::SecretValue::new(PEM));
            let with = config(&World {
                stored: given.map(|name| (name, value())).into(),
                ..World::default()
            });
            assert!(with.jwt_signer.is_some(), "{lapsed}");
            assert_eq!(with.mcp_servers.len(), 3, "{lapsed}");
        }
    }
}

/// SIGN-09: a server whose transport has no header for the token is refused with the file, not called
/// without one.
#[test]
fn no_server_is_served_that_cannot_be_signed_for() {
    let (server, expected) = (
        "{transport: stdio, command: npx, args: [x]}",
        "no token can be sent on stdio",
    );
    let text = format!(
        "general_settings: {{allow_stdio: true}}\nguardrails: [{{guardrail_name: s, \
             litellm_params: {{guardrail: mcp_jwt_signer, default_on: true}}}}]\n\
             mcp_servers: {{a: {server}}}\n"
    );
    refused(&text, expected);
}
