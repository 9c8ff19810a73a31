//! What must hold between values.

use super::*;
use crate::{Auth, KeyMaterial, Revision};

fn server(body: &str) -> String {
    format!("mcp_servers: {{a: {{url: https://a.example.com/mcp, {body}}}}}")
}

#[test]
fn names_that_are_our_own_paths_or_anothers_are_refused() {
    for name in [
        "sse",
        "MCP",
        "v1",
        "ui",
        "mcp_rest",
        "token",
        ".well-known",
        "Health",
    ] {
        refused(
            &format!("mcp_servers: {{{name}: {{url: https://a.b/mcp}}}}"),
            "one of the gateway's own paths",
        );
        refused(
            &server(&format!("alias: {name}")),
            "one of the gateway's own paths",
        );
    }
    for name in ["'a,b'", "a/b", "'a b'", "'..'", "''", "ä"] {
        refused(
            &format!("mcp_servers: {{{name}: {{url: https://a.b/mcp}}}}"),
            "not a usable name",
        );
    }
    for pair in [
        "{git-hub: {url: https://a.b/m}, Git_Hub: {url: https://a.b/m}}",
        "{x: {url: https://a.b/m, alias: Y}, y: {url: https://a.b/m}}",
        "{x: {url: https://a.b/m, alias: z}, y: {url: https://a.b/m, alias: Z}}",
    ] {
        refused(&format!("mcp_servers: {pair}"), "names two servers");
    }
    refused(
        "mcp_servers: {x: {url: https://a.b/m}}\nservers: {X: {url: https://a.b/m}}",
        "names two servers",
    );
    let own = loaded("mcp_servers: {x: {url: https://a.b/m, alias: X}}");
    assert_eq!(own.config.mcp_servers[0].prefix(), "X");
}

#[test]
fn one_server_may_go_without_a_prefix() {
    let bare = loaded("mcp_servers: {x: {url: https://a.b/m, alias: ''}}");
    assert_eq!(bare.config.mcp_servers[0].prefix(), "");
    refused(
        "mcp_servers: {x: {url: https://a.b/m, alias: ''}, y: {url: https://a.b/m, alias: ''}}",
        "two servers have an empty alias",
    );
}

/// HDR-20: what debug headers repeat of a server cannot break a line.
#[test]
fn no_name_and_no_url_of_a_server_holds_a_line_break() {
    for name in ["\"a\\r\\nx-admin: 1\"", "\"a\\nb\"", "\"a\\0\""] {
        let named = format!("mcp_servers: {{{name}: {{url: https://a.b/m}}}}");
        assert!(World::default().load(&named).is_err(), "{named}");
        refused(
            &server(&format!("alias: {name}")),
            "a line break or another control character",
        );
    }
    refused(
        "mcp_servers: {x: {url: \"https://a.b/m\\r\\nx-admin: 1\"}}",
        "a line break or another control character",
    );
}

#[test]
fn urls_that_would_leak_or_lead_astray_are_refused() {
    for (url, expected) in [
        ("http://a.example.com/mcp", "plain http beyond loopback"),
        ("http://10.0.0.1/mcp", "plain http beyond loopback"),
        (
            "http://localhost.example.com/mcp",
            "plain http beyond loopback",
        ),
        (
            "https://user:pw@a.example.com/mcp",
            "must not hold a user name or password",
        ),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[fe80::1]/mcp", "link-local"),
        ("https://[::ffff:169.254.169.254]/mcp", "link-local"),
        ("https://metadata.google.internal/x", "link-local"),
        ("https://metadata.goog./x", "link-local"),
        ("https://100.100.100.200/x", "link-local"),
        ("https://[fd00:ec2::254]/x", "link-local"),
        ("https://[fd20:ce::254]/x", "link-local"),
        ("https://[fd00:42::42]/x", "link-local"),
        ("https://[fd00:c1::a9fe:a9fe]/x", "link-local"),
        ("https://0.0.0.0/mcp", "link-local"),
        ("https://a.example.com/mcp#x", "must not have a `#…` part"),
        (
            "ftp://a.example.com/mcp",
            "expected an absolute http or https URL",
        ),
        (
            "a.example.com/mcp",
            "expected an absolute http or https URL",
        ),
        ("file:///etc/passwd", "cannot read"),
    ] {
        refused(&format!("mcp_servers: {{a: {{url: '{url}'}}}}"), expected);
        refused(
            &server(&format!(
                "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, token_url: '{url}'"
            )),
            expected,
        );
    }
    for url in [
        "http://localhost:1/mcp",
        "http://127.0.0.9/mcp",
        "http://[::1]:9/mcp",
    ] {
        loaded(&format!("mcp_servers: {{a: {{url: '{url}'}}}}"));
    }
    let relaxed =
        loaded("mcp_servers: {a: {url: 'http://a.example.com/mcp', allow_insecure_http: true}}");
    assert!(relaxed.config.mcp_servers[0].allow_insecure_http);
    assert!(relaxed.config.insecure_choices[0].contains("mcp_servers.a.url: plain http"));
}

#[test]
fn headers_that_cannot_or_must_not_be_sent_are_refused() {
    for (header, expected) in [
        ("'X Y': z", "not a header name"),
        ("'': z", "not a header name"),
        ("Host: z", "written by the transport itself"),
        ("Mcp-Session-Id: z", "written by the transport itself"),
        ("X-A: \"a\\r\\nb: c\"", "not a header value"),
        ("X-A: 'ä'", "not a header value"),
        ("X-A: z, x-a: y", "written twice"),
    ] {
        refused(&server(&format!("static_headers: {{{header}}}")), expected);
    }
    refused(
        &server("auth_type: bearer_token, auth_value: t, static_headers: {authorization: u}"),
        "is also what `auth_type: bearer_token` sends",
    );
    refused(
        &server("auth_type: basic, auth_value: dXNlcjpwdw"),
        "expected `user:password`",
    );
}

#[test]
fn credentials_without_a_type_and_types_without_credentials_are_refused() {
    for (body, expected) in [
        ("auth_value: t", "`auth_value` without `auth_type`"),
        (
            "token_url: https://a.b/t",
            "`token_url` without `auth_type`",
        ),
        (
            "auth_type: api_key",
            "`auth_type: api_key` without `auth_value`",
        ),
        ("auth_type: header, auth_value: v", "without `auth_header`"),
        (
            "auth_type: api_key, auth_value: a, authentication_token: b",
            "two names of one thing",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials",
            "`client_id` is missing",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s",
            "without `token_exchange_endpoint`",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, token_url: 'https://as.example/t'",
            "`client_secret` is missing",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'http://as.example/t'",
            "plain http",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', token_exchange_profile: entra_obo",
            "`entra_obo` without `scopes`",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', token_exchange_profile: entra_obo, scopes: [a], audience: b",
            "`audience` has no place",
        ),
        (
            "actor_token: t, auth: {oauth2: {token_url: 'https://a.example/t', client_id: c, client_secret: s}}",
            "is for `auth_type: oauth2_token_exchange` only",
        ),
        (
            "auth_type: bearer_token, auth_value: v, actor_token: t",
            "is for `auth_type: oauth2_token_exchange` only",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', actor_token: x, actor_token_source: client_credentials",
            "is not sent: `actor_token_source`",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', actor_token: x, actor_scopes: a",
            "has no effect on a token that is written down",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', actor_token_source: secret",
            "`actor_token` is missing",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t",
            "without `token_exchange_endpoint` or `issuer`",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t",
            "without `audience`",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example'",
            "`id_jag_resource_client_secret` is missing",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: as, id_jag_resource_client_id: r, id_jag_resource_client_secret: t",
            "no token endpoint can be found by it",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'http://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t",
            "plain http",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t, id_jag_subject_source: refresh_token",
            "`refresh_token` is not available in this build yet",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t, id_jag_subject_source: login_assertion",
            "nobody signs in so here",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t, id_jag_subject_source: login_assertion, subject_token_type: x",
            "is an ID token and nothing else",
        ),
        (
            "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t, actor_token: x",
            "has no place in the two legs",
        ),
        (
            "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://as.example/t', id_jag_resource: auto",
            "is for `auth_type: oauth2_id_jag` only",
        ),
        (
            "auth_type: aws_sigv4, aws_region_name: us-east-1",
            "there is nobody to sign as",
        ),
        (
            "allowed_cidrs: [10.0.0.0/8]",
            "restricting a server by the caller's address",
        ),
        (
            "require_approval: sometimes",
            "not a way to require approvals",
        ),
        ("require_approval: true", "not a way to require approvals"),
        ("require_approval: {}", "not a way to require approvals"),
        ("require_approval: ", "would restrict nothing"),
        (
            "require_approval: {always: {tool_names: []}}",
            "not a way to require approvals",
        ),
        (
            "require_approval: {always: {read_only: false}}",
            "not a way to require approvals",
        ),
        (
            "require_approval: {sometimes: {tool_names: [a]}}",
            "not a way to require approvals",
        ),
        (
            "require_approval: {always: {tool_names: [a]}, never: {tool_names: [a]}}",
            "`a` always needs an approval here, and never",
        ),
        (
            "auth_type: bearer_token, auth_value: v, token_validation: {a: b}",
            "there is no token response to check",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, token_validation: {}",
            "no rule is written",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, token_validation: {a: [b]}",
            "expected a single value, found a list",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, token_endpoint_auth_method: private_key_jwt",
            "`client_private_key` is missing",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, client_private_key: k",
            "the key is not used",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_private_key: k, token_endpoint_auth_method: private_key_jwt, client_assertion_signing_alg: HS256",
            "not one of the known values",
        ),
        (
            "auth: {oauth2: {token_url: https://a.example/t, client_id: c, token_endpoint_auth_method: private_key_jwt}}",
            "needs a `client_private_key`",
        ),
    ] {
        refused(&server(body), expected);
    }
    loaded(&server(
        "available_on_public_internet: true, require_approval: never, allowed_cidrs: []",
    ));
}

#[test]
fn a_document_is_a_file_or_fetched_from_where_we_may_call() {
    for (body, expected) in [
        (
            "spec_path: 'ftp://a.example/x.json'",
            "read from a file or fetched",
        ),
        (
            "spec_path: 'http://169.254.169.254/x.json'",
            "metadata addresses are never called",
        ),
        (
            "spec_path: 'http://a.example/x.json'",
            "plain http beyond loopback",
        ),
        ("spec_path: ''", "a path or an address"),
        (
            "spec_path: a.json, protocol_version: '2025-06-18'",
            "an OpenAPI document is none",
        ),
    ] {
        refused(&server(body), expected);
    }
    let nowhere = "auth_type: oauth2, oauth2_flow: authorization_code";
    refused(
        &format!("mcp_servers: {{a: {{spec_path: a.json, {nowhere}}}}}"),
        "found by the API's address, and none is written",
    );
    let config = loaded("mcp_servers: {a: {spec_path: a.json}}").config;
    assert_eq!(config.mcp_servers[0].transport.name(), "openapi");
    assert_eq!(config.mcp_servers[0].url(), None);
}

#[test]
fn tool_lists_close_rather_than_open() {
    let both = loaded(&server("allowed_tools: [x, y], disallowed_tools: [y]"));
    noticed(
        &both,
        "mcp_servers.a.disallowed_tools",
        "`y` is allowed and disallowed",
    );
    let none = loaded(&server("allowed_tools: []"));
    assert_eq!(none.config.mcp_servers[0].allowed_tools, Some([].into()));
    noticed(&none, "mcp_servers.a.allowed_tools", "allows no tool");
    let enforced = loaded(&server("mcp_info: {tool_allowlist_enforced: true}"));
    assert_eq!(
        enforced.config.mcp_servers[0].allowed_tools,
        Some([].into())
    );
    for unclear in ["'true'", "\"false\"", "yes", "1", "", "'${FLAG}'"] {
        refused(
            &server(&format!("mcp_info: {{tool_allowlist_enforced: {unclear}}}")),
            "mcp_servers.a.mcp_info.tool_allowlist_enforced: expected `true` or `false`",
        );
    }
    let revision = loaded(&server("protocol_version: 2025-06-18"));
    assert_eq!(
        revision.config.mcp_servers[0].protocol_version,
        Revision::Exactly("2025-06-18")
    );
}

#[test]
fn keys_of_the_file_are_read_whole() {
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let loaded = loaded(&format!(
        "
mcp_servers: {{github: {{url: https://a.b/m, alias: gh, access_groups: [dev]}}}}
identity:
  keys:
    - {{id: ci, key: {STRONG}, servers: [gh], scopes: 'a b', role: viewer, team: t, expires_at: 2027-01-31T00:00:00Z}}
    - {{id: hashed, sha256: {hash}, access_groups: [dev, typo]}}
    - {{id: bare, key: {STRONG}x}}
"
    ));
    let keys = &loaded.config.identity.keys;
    assert!(
        keys[0].grants.servers.contains("github"),
        "an alias grants the server"
    );
    assert_eq!(keys[0].scopes.to_string(), "a b");
    assert_eq!(
        keys[0].expires_at.unwrap().to_string(),
        "2027-01-31T00:00:00.000Z"
    );
    assert!(matches!(keys[1].key, KeyMaterial::Sha256(_)));
    assert_eq!(portcullis_core::hex(&keys[1].key.sha256()), hash);
    assert!(!keys[2].grants.all && keys[2].grants.servers.is_empty());
    noticed(
        &loaded,
        "identity.keys[1].access_groups[1]",
        "no server is in the access group",
    );
    noticed(
        &loaded,
        "identity.keys[2]",
        "sees what its team lists, and servers with `allow_all_keys`",
    );
}

#[test]
fn keys_that_could_not_be_told_apart_or_say_nothing_are_refused() {
    for (keys, expected) in [
        (
            "{id: a, key: K}, {id: a, key: Kx}",
            "`a` is the id of two keys",
        ),
        (
            "{id: a, key: K}, {id: b, key: K}",
            "the key of `b` is also `a`",
        ),
        ("{id: a}", "`key` is missing"),
        ("{key: K}", "`id` is missing"),
        ("{id: a, sha256: abc}", "not a SHA-256"),
        ("{id: a, key: K, sha256: abc}", "say the same thing twice"),
        (
            "{id: a, key: K, servers: [githbu]}",
            "did you mean `github`?",
        ),
        (
            "{id: a, key: K, servers: ['*']}",
            "write `all_servers: true`",
        ),
        (
            "{id: a, key: K, expires_at: tomorrow}",
            "not an RFC 3339 time",
        ),
        ("{id: a, key: K, scopes: ['a\"b']}", "not a scope"),
        ("{id: a, key: 'with blank inside'}", "only visible ASCII"),
    ] {
        let keys = keys.replace('K', STRONG);
        refused(
            &format!(
                "mcp_servers: {{github: {{url: https://a.b/m}}}}\nidentity: {{keys: [{keys}]}}"
            ),
            expected,
        );
    }
    refused(
        &format!("identity: {{master_key: {STRONG}, keys: [{{id: a, key: {STRONG}}}]}}"),
        "the key of `a` is also the master key",
    );
    refused(
        &format!("identity: {{master_key: {STRONG}}}\ngeneral_settings: {{master_key: {STRONG}}}"),
        "the master key is written twice",
    );
}

#[test]
fn a_resource_is_an_absolute_uri_wherever_it_is_written() {
    let flat = |resource: &str| {
        server(&format!(
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, resource: '{resource}'"
        ))
    };
    let credentials = |resource: &str| {
        format!(
            "{{token_url: https://a.b/t, client_id: c, client_secret: s, resource: '{resource}'}}"
        )
    };
    let map = |resource: &str| server(&format!("auth: {{oauth2: {}}}", credentials(resource)));
    let default = |resource: &str| {
        format!(
            "mcp_config: {{default_oauth2: {}}}\n{}",
            credentials(resource),
            server("description: d")
        )
    };
    let sent = |text: &str| match &loaded(text).config.mcp_servers[0].auth {
        Auth::ClientCredentials(credentials) => credentials.resource.clone(),
        other => panic!("{other:?}"),
    };
    for form in [&flat as &dyn Fn(&str) -> String, &map, &default] {
        for bad in [
            "not a url",
            "https://a.b/x#y",
            "https://u:canary@a.b/x",
            "/mcp",
        ] {
            refused(&form(bad), "not a resource indicator");
        }
        assert_eq!(sent(&form("urn:example:x")).unwrap(), "urn:example:x");
        assert_eq!(sent(&form("None")), None);
    }
    for form in [&flat as &dyn Fn(&str) -> String, &map] {
        assert_eq!(sent(&form("auto")).unwrap(), "https://a.example.com/mcp");
    }
    refused(&default("auto"), "`auto` is one server's own URL");
    let with_key = flat("auto").replace("a.example.com/mcp", "a.example.com/mcp?key=canary");
    let with_key = with_key.replace(
        "https://a.example.com/mcp?key=canary",
        "'https://a.example.com/mcp?key=canary'",
    );
    assert_eq!(sent(&with_key).unwrap(), "https://a.example.com/mcp");
}

#[test]
fn two_names_of_one_thing_are_not_both_written() {
    for (body, expected) in [
        (
            "auth: {oauth2: {token_url: https://a.b/t, client_id: c, client_secret: s, scopes: [x], scope: y}}",
            "`scopes` and `scope` are two names of one thing",
        ),
        (
            "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, resource: https://a.b/x, upstream_resource: https://a.b/y",
            "`resource` and `upstream_resource` are two names of one thing",
        ),
    ] {
        refused(&server(body), expected);
    }
}
