//! What of its callers' requests a server is handed, and who may be a stranger to us.

use super::{World, loaded, noticed, refused};
use crate::{Auth, CallerHeaders, Delegation, McpServer};

const MASTER: &str = "general_settings: {master_key: sk-7Qm2vT9dKx4RzP1sWn8uYb3A}\n";

fn server(body: &str) -> String {
    format!("{MASTER}mcp_servers: {{a: {{url: https://a.example.com/mcp, {body}}}}}")
}

fn of(body: &str) -> McpServer {
    loaded(&server(body)).config.mcp_servers.remove(0)
}

const M2M: &str = "auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: '${S}', token_url: 'https://a.example.com/t'";

const ID_JAG: &str = "auth_type: oauth2_id_jag, client_id: c, client_secret: s, issuer: 'https://idp.example', audience: 'https://as.example', id_jag_resource_client_id: r, id_jag_resource_client_secret: t";

const SIGNED: &str = "auth_type: aws_sigv4, aws_region_name: us-east-1, aws_access_key_id: AKIAIOSFODNN7EXAMPLE, aws_secret_access_key: wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYS";

#[test]
fn no_caller_writes_what_the_signature_writes() {
    for name in ["x-amz-date", "X-Amz-Security-Token", "x_amz_target"] {
        refused(
            &server(&format!("{SIGNED}, extra_headers: [{name}]")),
            "the signature's own to write",
        );
    }
    let signed = server(&format!("{SIGNED}, extra_headers: [authorization, x-team]"));
    noticed(
        &loaded(&signed),
        "mcp_servers.a.extra_headers[0]",
        "the signature stands there",
    );
    let compat = loaded(&format!("compat: litellm\n{}", server(SIGNED)));
    let taken = &compat.config.mcp_servers[0].forwarding.caller_headers;
    assert_eq!(*taken, CallerHeaders::Refused);
}

#[test]
fn callers_may_bring_a_credential_where_we_have_none_or_the_file_says_so() {
    let fixed = "auth_type: bearer_token, auth_value: v";
    let exchange = "auth_type: oauth2_token_exchange, client_id: c, client_secret: s, token_url: 'https://a.example.com/t'";
    for (body, expected) in [
        ("auth_type: none".to_owned(), CallerHeaders::Any),
        (
            "auth_type: none, allow_caller_headers: false".to_owned(),
            CallerHeaders::Refused,
        ),
        (fixed.to_owned(), CallerHeaders::Refused),
        (
            format!("{fixed}, allow_caller_headers: true"),
            CallerHeaders::Any,
        ),
        (
            format!("{exchange}, allow_caller_headers: true"),
            CallerHeaders::Refused,
        ),
        (
            "auth_type: true_passthrough, allow_caller_headers: true".to_owned(),
            CallerHeaders::Refused,
        ),
        (
            format!("{ID_JAG}, allow_caller_headers: true"),
            CallerHeaders::Refused,
        ),
        (
            format!("{SIGNED}, allow_caller_headers: true"),
            CallerHeaders::Refused,
        ),
    ] {
        assert_eq!(of(&body).forwarding.caller_headers, expected, "{body}");
    }
    let compat = format!("compat: litellm\n{}", server(fixed));
    let compat = loaded(&compat);
    let taken = &compat.config.mcp_servers[0].forwarding.caller_headers;
    assert_eq!(*taken, CallerHeaders::Any);
    let relaxed = compat.config.insecure_choices.join("\n");
    assert!(
        relaxed.contains("replace the credential written here"),
        "{relaxed}"
    );
    let without_effect = loaded(&server(&format!("{exchange}, allow_caller_headers: true")));
    noticed(
        &without_effect,
        "mcp_servers.a.allow_caller_headers",
        "are not handed on",
    );
}

#[test]
fn listed_headers_are_judged_when_the_file_is_read() {
    let headers = of("extra_headers: [X-Team, x-team, X-Request-Id]");
    assert_eq!(headers.forwarding.extra_headers, ["x-team", "x-request-id"]);
    for name in [
        "Connection",
        "transfer-encoding",
        "Host",
        "X-LiteLLM-API-Key",
        "x_portcullis_api_key",
        "x-forwarded-for",
        "mcp-session-id",
        "x-mcp-auth",
    ] {
        refused(
            &server(&format!("extra_headers: [{name}]")),
            "is never handed on",
        );
    }
    refused(&server("extra_headers: ['a b']"), "not a header name");
    let cookies = loaded(&server("extra_headers: [Cookie]"));
    let handed = &cookies.config.mcp_servers[0].forwarding;
    assert!(handed.cookies.as_ref().unwrap().all && handed.extra_headers.is_empty());
    let path = "mcp_servers.a.extra_headers[0]";
    noticed(&cookies, path, "every cookie of a caller's");
    for (body, expected) in [
        (
            format!("{M2M}, extra_headers: [Authorization]"),
            "the token that is fetched stands there",
        ),
        (
            "auth_type: bearer_token, auth_value: v, extra_headers: [Authorization]".to_owned(),
            "replaces the credential written here",
        ),
        (
            "extra_headers: [x_team], static_headers: {X-Team: a}".to_owned(),
            "`static_headers` has it",
        ),
    ] {
        let world = World::with_env(&[("S", "s")]);
        noticed(&world.load(&server(&body)).unwrap(), path, expected);
    }
}

#[test]
fn cookies_are_named_or_none_go() {
    let cookies = |body: &str| server(&format!("auth: {{cookie_passthrough: {{{body}}}}}"));
    let read = |body: &str| {
        let mut servers = loaded(&cookies(body)).config.mcp_servers;
        servers.remove(0).forwarding.cookies
    };
    assert_eq!(read("cookie_prefix: app_").unwrap().prefix.unwrap(), "app_");
    assert_eq!(read("enabled: false, cookie_names: [a]"), None);
    for (body, expected) in [
        ("", "no cookie is named"),
        ("enabled: true", "no cookie is named"),
        ("cookie_prefix: ''", "not the beginning of a cookie name"),
        ("cookie_names: ['a b']", "not a cookie name"),
    ] {
        refused(&cookies(body), expected);
    }
}

/// DLG-04.
#[test]
fn only_a_server_without_a_service_account_of_ours_is_delegated_to() {
    let delegated = of("auth_type: oauth2, delegate_auth_to_upstream: true");
    assert_eq!(delegated.auth, Auth::Delegated);
    assert_eq!(delegated.auth.auth_type(), "oauth2");
    assert_eq!(delegated.delegation, Delegation::SameSide);
    let explicit = "auth_type: oauth2, oauth2_flow: authorization_code, client_id: c";
    assert_eq!(
        of(&format!("{explicit}, delegate_auth_to_upstream: true")).auth,
        Auth::Delegated
    );
    let inferred =
        "auth_type: oauth2, client_id: c, client_secret: s, token_url: 'https://a.example.com/t'";
    let map = "auth: {oauth2: {client_id: c, client_secret: s, token_url: 'https://a.example.com/t'}}, auth_type: oauth2";
    for service in [M2M, inferred, map] {
        let text = server(&format!("{service}, delegate_auth_to_upstream: true"));
        let errors = World::with_env(&[("S", "s")])
            .load(&text)
            .unwrap_err()
            .to_string();
        assert!(
            errors.contains("strangers would act with our own service account"),
            "{errors}"
        );
    }
    for other in [
        "auth_type: none",
        "auth_type: api_key, auth_value: v",
        "description: d",
    ] {
        let ignored = loaded(&server(&format!(
            "{other}, delegate_auth_to_upstream: true"
        )));
        noticed(
            &ignored,
            "mcp_servers.a.delegate_auth_to_upstream",
            "ignored",
        );
        assert_eq!(ignored.config.mcp_servers[0].delegation, Delegation::None);
    }
}

#[test]
fn each_opening_is_told_at_every_start() {
    let body =
        "auth_type: oauth2, delegate_auth_to_upstream: true, available_on_public_internet: false";
    let ours = loaded(&server(body));
    assert_eq!(ours.config.mcp_servers[0].delegation, Delegation::SameSide);
    let relaxed = ours.config.insecure_choices.join("\n");
    assert!(
        relaxed.contains("callers without a key reach this server"),
        "{relaxed}"
    );
    noticed(
        &ours,
        "mcp_servers.a.delegate_auth_to_upstream",
        "stay outside",
    );
    let theirs = loaded(&format!("compat: litellm\n{}", server(body)));
    assert_eq!(
        theirs.config.mcp_servers[0].delegation,
        Delegation::Everywhere
    );
    let relaxed = theirs.config.insecure_choices.join("\n");
    assert!(relaxed.contains("also from outside"), "{relaxed}");
}

#[test]
fn the_service_that_lists_may_be_another_than_the_one_that_calls() {
    let oauth2 =
        "{auth_type: oauth2, client_id: c, client_secret: s, token_url: 'https://a.example.com/t'}";
    let server_of = |discovery: &str| {
        of(&format!(
            "auth_type: true_passthrough, discovery_auth: {discovery}"
        ))
    };
    assert!(matches!(
        server_of(oauth2).discovery_auth,
        Some(Auth::ClientCredentials(_))
    ));
    let fixed = "{auth_type: bearer_token, auth_value: v}";
    assert!(matches!(
        server_of(fixed).discovery_auth,
        Some(Auth::BearerToken(_))
    ));
    for (discovery, expected) in [
        ("{}", "`auth_type` is missing"),
        ("{auth_value: v}", "`auth_type` is missing"),
        ("{auth_type: oauth2}", "client_id"),
        ("{auth_type: true_passthrough}", "auth_type"),
        ("{auth_type: bearer_token}", "without `auth_value`"),
    ] {
        refused(&server(&format!("discovery_auth: {discovery}")), expected);
    }
    let page = crate::explain(
        &loaded(&server(&format!("discovery_auth: {oauth2}"))).config,
        &[],
    );
    assert!(
        page.contains("discovery_auth:") && page.contains("client_id: \"c\""),
        "{page}"
    );
}

#[test]
fn what_is_handed_on_is_explained() {
    let explained = |body: &str| {
        let loaded = loaded(&server(body));
        crate::explain(&loaded.config, &loaded.notices)
    };
    let page = explained("extra_headers: [X-Team, Cookie], allow_caller_headers: false");
    assert!(
        page.contains("extra_headers: [\"x-team\", \"cookie\"]"),
        "{page}"
    );
    assert!(page.contains("allow_caller_headers: false"), "{page}");
    let page = explained("auth: {cookie_passthrough: {cookie_names: [sid]}}");
    assert!(page.contains("cookie_names: [\"sid\"]"), "{page}");
    let page = explained("auth_type: oauth2, delegate_auth_to_upstream: true");
    assert!(page.contains("delegate_auth_to_upstream: true"), "{page}");
    assert!(page.contains("insecure choices"), "{page}");
    let page = explained("headers: {'x-mcp-{{alias}}-authorization': 'Bearer {{token}}'}");
    assert!(
        page.contains("x-mcp-{{alias}}-authorization: \"Bearer {{token}}\""),
        "{page}"
    );
}
