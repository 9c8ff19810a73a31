//! Every form that LiteLLM's documentation and guides written for it show.

use super::*;
use crate::{AssertionAudience, Auth, ClientProof, Origin};

fn client_credentials(loaded: &Loaded, index: usize) -> &crate::ClientCredentials {
    match &loaded.config.mcp_servers[index].auth {
        Auth::ClientCredentials(oauth2) => oauth2,
        other => panic!("{other:?}"),
    }
}

fn secret(oauth2: &crate::ClientCredentials) -> &crate::Sourced<portcullis_core::ClientSecret> {
    match &oauth2.client.proof {
        ClientProof::Post(secret) | ClientProof::Basic(secret) => secret,
        other @ ClientProof::PrivateKeyJwt(_) => panic!("{other:?}"),
    }
}

#[test]
fn a_client_may_sign_instead_of_sending_a_secret() {
    let of = |more: &str| {
        let text = format!(
            "mcp_servers:\n  a: {{url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: client_credentials, \
             client_id: c, token_endpoint_auth_method: private_key_jwt, \
             client_private_key: 'canary key', token_validation: {{team.id: T1, ok: true}}{more}}}\n"
        );
        let loaded = loaded(&text);
        let oauth2 = client_credentials(&loaded, 0).clone();
        assert_eq!(oauth2.token_validation["team.id"], "T1");
        assert_eq!(oauth2.token_validation["ok"], "true");
        let page = crate::explain(&loaded.config, &[]);
        assert!(page.contains("token_endpoint_auth_method: private_key_jwt"));
        assert!(page.contains("client_private_key: (set)"), "{page}");
        assert!(!page.contains("canary"), "{page}");
        match oauth2.client.proof {
            ClientProof::PrivateKeyJwt(key) => key,
            other => panic!("{other:?}"),
        }
    };
    let key = of("");
    assert_eq!(key.private_key.value.expose(), "canary key");
    assert_eq!(key.audience, AssertionAudience::Server);
    assert_eq!((key.key_id, key.algorithm), (None, None));
    let key = of(", client_private_key_id: k1, client_assertion_signing_alg: PS256");
    assert_eq!(key.key_id.as_deref(), Some("k1"));
    assert_eq!(key.algorithm, Some("PS256"));
    for (written, expected) in [
        (
            "issuer: 'https://as.example.com'",
            AssertionAudience::Exactly("https://as.example.com".to_owned()),
        ),
        (
            "client_assertion_audience: token_endpoint",
            AssertionAudience::TokenEndpoint,
        ),
        (
            "client_assertion_audience: 'urn:as'",
            AssertionAudience::Exactly("urn:as".to_owned()),
        ),
    ] {
        assert_eq!(of(&format!(", {written}")).audience, expected);
    }
}

#[test]
fn the_rules_on_token_responses_hold_for_a_client_in_a_map_too() {
    let loaded = loaded(
        "mcp_servers:\n  a: {url: https://a.example.com/mcp, token_validation: {team.id: T1}, \
         auth: {oauth2: {token_url: https://as.example.com/t, client_id: c, client_secret: s}}}\n",
    );
    let rules = &client_credentials(&loaded, 0).token_validation;
    assert_eq!(rules["team.id"], "T1");
}

#[test]
fn callers_tokens_may_be_exchanged_in_both_ways() {
    let of = |more: &str| {
        let text = format!(
            "mcp_servers:\n  a: {{url: 'https://a.example.com/mcp?key=x', auth_type: oauth2_token_exchange, \
             client_id: c, client_secret: canary-secret, token_exchange_endpoint: 'https://as.example.com/t'{more}}}\n"
        );
        let loaded = loaded(&text);
        let page = crate::explain(&loaded.config, &[]);
        assert!(page.contains("auth_type: oauth2_token_exchange"), "{page}");
        assert!(!page.contains("canary"), "{page}");
        match &loaded.config.mcp_servers[0].auth {
            Auth::TokenExchange(exchange) => (**exchange).clone(),
            other => panic!("{other:?}"),
        }
    };
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let crate::ExchangeProfile::Rfc8693(least) = of("").profile else {
        panic!("RFC 8693 is the default");
    };
    assert_eq!(least.subject_token_type, access);
    assert_eq!((&least.requested_token_type, &least.actor), (&None, &None));
    assert_eq!((&least.audience, &least.resource), (&None, &None));
    let most = of(
        ", audience: api, resource: auto, subject_token_type: 'urn:s', \
         requested_token_type: 'urn:r', actor_token: canary-actor, scopes: b a",
    );
    assert_eq!(most.scopes.to_string(), "a b");
    let crate::ExchangeProfile::Rfc8693(most) = most.profile else {
        panic!("RFC 8693 is the default");
    };
    assert_eq!(most.subject_token_type, "urn:s");
    assert_eq!(most.requested_token_type.as_deref(), Some("urn:r"));
    assert_eq!(most.resource.as_deref(), Some("https://a.example.com/mcp"));
    let (actor, kind) = most.actor.unwrap();
    let crate::ActorSource::Secret(actor) = actor else {
        panic!("{actor:?}");
    };
    assert_eq!(
        (actor.value.expose(), kind.as_str()),
        ("canary-actor", access)
    );
    let own = of(", actor_token_source: client_credentials, actor_scopes: act");
    let crate::ExchangeProfile::Rfc8693(own) = own.profile else {
        panic!("RFC 8693 is the default");
    };
    let source = crate::ActorSource::ClientCredentials("act".parse().unwrap());
    assert_eq!(own.actor, Some((source, access.to_owned())));
    let entra = of(", token_exchange_profile: entra_obo, scopes: ['api://x/.default']");
    assert_eq!(entra.profile, crate::ExchangeProfile::EntraObo);
}

#[test]
fn two_legs_have_a_client_each_and_no_secret_for_the_other() {
    let of = |more: &str| {
        let text = format!(
            "mcp_servers:\n  a: {{url: 'https://a.example.com/mcp?key=x', auth_type: oauth2_id_jag, \
             client_id: c, audience: 'https://as.example.com'{more}}}\n"
        );
        let loaded = loaded(&text);
        let page = crate::explain(&loaded.config, &[]);
        assert!(page.contains("auth_type: oauth2_id_jag"), "{page}");
        assert!(!page.contains("canary"), "{page}");
        match &loaded.config.mcp_servers[0].auth {
            Auth::IdJag(terms) => (**terms).clone(),
            other => panic!("{other:?}"),
        }
    };
    let least = of(
        ", client_secret: canary-a, issuer: 'https://idp.example.com', \
         id_jag_resource_client_id: r, id_jag_resource_client_secret: canary-b",
    );
    assert_eq!(least.issuer.as_deref(), Some("https://idp.example.com"));
    assert_eq!((&least.endpoint, &least.resource_endpoint), (&None, &None));
    assert_eq!(
        least.subject_token_type,
        "urn:ietf:params:oauth:token-type:id_token"
    );
    assert_eq!(least.resource.as_deref(), Some("https://a.example.com/mcp"));
    assert_eq!(least.resource_client.client_id, "r");
    let crate::ClientProof::Post(secret) = &least.resource_client.proof else {
        panic!("the same method as in the first leg");
    };
    assert_eq!(secret.value.expose(), "canary-b");

    let signs = ", client_private_key: canary-key, token_endpoint_auth_method: private_key_jwt, \
         issuer: 'https://idp.example.com'";
    let both = of(signs);
    assert_eq!(both.resource_client.client_id, "c");
    let audience_of = |client: &crate::OAuthClient| match &client.proof {
        crate::ClientProof::PrivateKeyJwt(key) => key.audience.clone(),
        other => panic!("{other:?}"),
    };
    let exactly = |text: &str| crate::AssertionAudience::Exactly(text.to_owned());
    assert_eq!(
        audience_of(&both.client),
        exactly("https://idp.example.com")
    );
    assert_eq!(
        audience_of(&both.resource_client),
        exactly("https://as.example.com")
    );

    let mixed = of(
        ", client_secret: canary-a, client_private_key: canary-key, \
         token_exchange_endpoint: 'https://idp.example.com/t', \
         id_jag_resource_token_endpoint: 'https://as.example.com/t', \
         id_jag_resource_auth_method: private_key_jwt, id_jag_resource_client_id: r, \
         id_jag_resource: 'https://mcp.example.com/', subject_token_type: 'urn:s', scopes: b a",
    );
    assert!(matches!(mixed.client.proof, crate::ClientProof::Post(_)));
    assert_eq!(mixed.resource_client.client_id, "r");
    audience_of(&mixed.resource_client);
    assert_eq!(mixed.resource.as_deref(), Some("https://mcp.example.com/"));
    assert_eq!(
        mixed.resource_endpoint.unwrap().as_str(),
        "https://as.example.com/t"
    );
    assert_eq!(
        (mixed.issuer, mixed.scopes.to_string()),
        (None, "a b".to_owned())
    );
}

#[test]
fn client_credentials_without_a_flow_are_inferred_and_the_inference_is_explained() {
    let text = r#"
mcp_servers:
  my_mcp_server:
    url: "https://my-mcp-server.com/mcp"
    auth_type: oauth2
    client_id: os.environ/MCP_CLIENT_ID
    client_secret: os.environ/MCP_CLIENT_SECRET
    token_url: "https://auth.example.com/oauth/token"
    scopes: ["mcp:read", "mcp:write"] # optional
"#;
    let world = World::with_env(&[
        ("MCP_CLIENT_ID", "the-client"),
        ("MCP_CLIENT_SECRET", "canary-1f9a"),
    ]);
    let loaded = world.load(text).unwrap();
    let oauth2 = client_credentials(&loaded, 0);
    assert_eq!(oauth2.client.client_id, "the-client");
    assert_eq!(secret(oauth2).value.expose(), "canary-1f9a");
    assert_eq!(
        secret(oauth2).origin,
        Origin::Variable("MCP_CLIENT_SECRET".to_owned())
    );
    assert_eq!(oauth2.scopes.to_string(), "mcp:read mcp:write");
    assert!(matches!(oauth2.client.proof, ClientProof::Post(_)));
    noticed(
        &loaded,
        "mcp_servers.my_mcp_server.auth_type",
        "taken for client credentials",
    );
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("# taken for client credentials"), "{page}");
    assert!(page.contains("client_secret: (from env MCP_CLIENT_SECRET)"));
    assert!(!page.contains("canary"), "{page}");
}

#[test]
fn the_mock_servers_config_loads_with_its_literal_secret_warned_about() {
    let loaded = loaded(
        r#"
mcp_servers:
  test_oauth2:
    url: "http://localhost:8765/mcp"
    auth_type: oauth2
    client_id: "test-client"
    client_secret: "test-secret"
    token_url: "http://localhost:8765/oauth/token"
"#,
    );
    assert_eq!(
        client_credentials(&loaded, 0).client.client_id,
        "test-client"
    );
    noticed(
        &loaded,
        "mcp_servers.test_oauth2.client_secret",
        "stands in the file itself",
    );
}

#[test]
fn an_explicit_flow_wins_over_an_authorization_url() {
    let loaded = loaded(
        r"
mcp_servers:
  both:
    url: https://both.example.com/mcp
    auth_type: oauth2
    oauth2_flow: client_credentials
    client_id: c
    client_secret: ${ABSENT:-s3cret-default}
    token_url: https://auth.example.com/token
    authorization_url: https://auth.example.com/authorize
",
    );
    assert!(client_credentials(&loaded, 0).token_url.is_some());
    let silent = loaded
        .notices
        .iter()
        .all(|notice| !notice.text.contains("taken for"));
    assert!(silent, "nothing was inferred");
}

fn authorization_code(text: &str) -> crate::AuthorizationCode {
    match &loaded(text).config.mcp_servers[0].auth {
        Auth::AuthorizationCode(terms) => (**terms).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_of_people_is_recognised_by_what_is_written() {
    let by_discovery = r#"
mcp_servers:
  github_mcp:
    url: "https://api.githubcopilot.com/mcp"
    auth_type: oauth2
    client_id: the-id
    client_secret: canary-secret
"#;
    let by_url = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, client_id: c, client_secret: s, token_url: https://a.example.com/t, authorization_url: https://a.example.com/a}
";
    let explicit = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code}
";
    let other_spelling = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth_flow: authorization_code}
";
    for (text, said) in [
        (by_discovery, true),
        (by_url, true),
        (explicit, false),
        (other_spelling, false),
    ] {
        authorization_code(text);
        let notices = loaded(text).notices;
        let inferred = notices
            .iter()
            .any(|notice| notice.text.contains("taken for interactive"));
        assert_eq!(inferred, said, "{text}");
    }
    let terms = authorization_code(by_discovery);
    let client = terms.client.unwrap();
    assert_eq!(client.client_id, "the-id");
    assert!(!client.method_is_written);
    let page = crate::explain(&loaded(by_discovery).config, &[]);
    assert!(page.contains("oauth2_flow: authorization_code"), "{page}");
    assert!(!page.contains("canary"), "{page}");
    let terms = authorization_code(explicit);
    assert_eq!((terms.client, terms.resource), (None, crate::Resource::Own));
}

#[test]
fn what_a_server_of_people_may_say() {
    let terms = |more: &str| {
        authorization_code(&format!(
            "mcp_servers:\n  a: {{url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code, {more}}}\n"
        ))
    };
    let all = terms(
        "issuer: https://as.example.com, authorization_url: https://as.example.com/a, \
         token_url: https://as.example.com/t, registration_url: https://as.example.com/r, \
         scopes: [b, a], audience: api, resource: 'https://a.example.com', \
         token_validation: {team.id: T1}, token_storage_ttl_seconds: 600",
    );
    let written = all.registration_url.as_ref().map(url::Url::as_str);
    assert_eq!(written, Some("https://as.example.com/r"));
    assert_eq!(all.scopes.to_string(), "a b");
    let exactly = crate::Resource::Exactly("https://a.example.com".to_owned());
    assert_eq!(all.resource, exactly);
    assert_eq!(all.storage_ttl, Some(std::time::Duration::from_mins(10)));
    assert_eq!(all.token_validation["team.id"], "T1");
    assert_eq!(terms("resource: none").resource, crate::Resource::Unsaid);
    assert_eq!(terms("resource: auto").resource, crate::Resource::Own);
    for public in [
        "client_id: c",
        "client_id: c, token_endpoint_auth_method: none",
    ] {
        let client = terms(public).client.unwrap();
        assert!(
            client.proof.is_none() && client.method_is_written,
            "{public}"
        );
    }
    let basic =
        terms("client_id: c, client_secret: s, token_endpoint_auth_method: client_secret_basic");
    assert!(basic.client.unwrap().method_is_written);
}

#[test]
fn what_a_server_of_people_may_not_say() {
    let server = |more: &str| {
        format!(
            "mcp_servers:\n  a: {{url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code, {more}}}\n"
        )
    };
    for (more, problem) in [
        ("client_secret: s", "`client_secret` without `client_id`"),
        (
            "client_id: c, token_endpoint_auth_method: client_secret_basic",
            "`client_secret_basic` without `client_secret`",
        ),
        (
            "client_id: c, client_secret: s, token_endpoint_auth_method: none",
            "has no secret",
        ),
        (
            "authorization_url: 'http://as.example.com/a'",
            "authorization_url",
        ),
        ("token_url: 'https://169.254.169.254/t'", "token_url"),
        ("token_storage_ttl_seconds: 0", "token_storage_ttl_seconds"),
        ("oauth_flow: authorization_code", "two names of one thing"),
        ("token_validation: {}", "no rule is written"),
    ] {
        refused(&server(more), problem);
    }
    let m2m = "mcp_servers:\n  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: client_credentials, \
         client_id: c, client_secret: s, token_endpoint_auth_method: none}\n";
    refused(m2m, "proves nothing");
    let bad = [
        "http://gw.example/x",
        "https://gw.example",
        "https://gw.example/a/../b",
        "x",
    ];
    for url in bad {
        let text = format!("server: {{client_metadata_url: '{url}'}}");
        refused(&text, "not the URL of a client document");
    }
}

#[test]
fn a_default_service_token_goes_to_servers_that_say_nothing_and_to_no_other() {
    let text = r#"
{
    "mcp_config": {
        "default_oauth2": {
            "token_url": "https://auth.company.com/oauth2/token",
            "client_id": "litellm-proxy",
            "client_secret": "${MCP_OAUTH2_CLIENT_SECRET}"
        }
    },
    "mcp_servers": {
        "protected_server": {
            "url": "https://protected-mcp.company.com/mcp",
            "transport": "http"
        },
        "open_server": { "url": "https://open.company.com/mcp", "auth_type": "none" },
        "own_header": {
            "url": "https://own.company.com/mcp",
            "static_headers": { "authorization": "${OWN}" }
        }
    }
}
"#;
    let world = World::with_env(&[("MCP_OAUTH2_CLIENT_SECRET", "c4nary"), ("OWN", "Bearer x")]);
    let loaded = world.load(text).unwrap();
    assert_eq!(
        client_credentials(&loaded, 0).client.client_id,
        "litellm-proxy"
    );
    assert_eq!(loaded.config.mcp_servers[1].auth, Auth::None);
    assert_eq!(loaded.config.mcp_servers[2].auth, Auth::None);
    noticed(
        &loaded,
        "mcp_servers.protected_server",
        "mcp_config.default_oauth2",
    );
}

#[test]
fn the_default_may_come_from_variables() {
    let text = "mcp_servers: {a: {url: https://a.example.com/mcp}}";
    let world = World::with_env(&[
        (
            "MCP_OAUTH2_TOKEN_URL",
            "https://auth.company.com/oauth2/token",
        ),
        ("MCP_OAUTH2_CLIENT_ID", "litellm-proxy"),
        ("MCP_OAUTH2_CLIENT_SECRET", "your-secret"),
        ("MCP_OAUTH2_SCOPES", "mcp:read mcp:write"),
        ("LITELLM_MCP_AUTH_AUTO_PATCH", "true"),
    ]);
    let loaded = world.load(text).unwrap();
    let oauth2 = client_credentials(&loaded, 0);
    assert_eq!(oauth2.scopes.to_string(), "mcp:read mcp:write");
    noticed(&loaded, "LITELLM_MCP_AUTH_AUTO_PATCH", "without effect");

    let half = World::with_env(&[("MCP_OAUTH2_CLIENT_ID", "litellm-proxy")]);
    let loaded = half.load(text).unwrap();
    assert_eq!(loaded.config.mcp_servers[0].auth, Auth::None);
    noticed(&loaded, "MCP_OAUTH2_TOKEN_URL", "not set");

    let plain = World::with_env(&[
        ("MCP_OAUTH2_TOKEN_URL", "http://auth.company.com/token"),
        ("MCP_OAUTH2_CLIENT_ID", "c"),
        ("MCP_OAUTH2_CLIENT_SECRET", "s"),
    ]);
    let errors = plain.load(text).unwrap_err().to_string();
    assert!(
        errors.contains("MCP_OAUTH2_TOKEN_URL: plain http"),
        "{errors}"
    );
}

#[test]
fn an_auth_map_with_cookies_loads() {
    let text = r#"
{
    "mcp_servers": {
        "user_aware_server": {
            "url": "https://user-tools.company.com/mcp",
            "auth": {
                "oauth2": {
                    "token_url": "https://auth.company.com/oauth2/token",
                    "client_id": "specific-client-id",
                    "client_secret": "${SPECIFIC_SECRET}"
                },
                "cookie_passthrough": {
                    "enabled": true,
                    "cookie_names": ["session_id", "user_context"]
                }
            }
        }
    }
}
"#;
    let loaded = World::with_env(&[("SPECIFIC_SECRET", "s")])
        .load(text)
        .unwrap();
    assert_eq!(
        client_credentials(&loaded, 0).client.client_id,
        "specific-client-id"
    );
    let cookies = loaded.config.mcp_servers[0].forwarding.cookies.as_ref();
    assert_eq!(
        cookies.unwrap().names,
        ["session_id".to_owned(), "user_context".to_owned()].into()
    );
}

const GUIDE: &str = r#"
# config.yaml (LiteLLM side)
servers:
  my_mcp:
    url: https://mcp.mycompany.com
    auth_type: header
    headers:
      x-mcp-{{alias}}-authorization: "Bearer {{token}}"
    allowed_scopes:
      - read:data
      - write:data
"#;

#[test]
fn a_server_that_names_scopes_and_maps_no_tool_to_them_is_closed_and_says_so() {
    let loaded = loaded(GUIDE);
    let server = &loaded.config.mcp_servers[0];
    assert_eq!(server.scopes, Some(crate::ToolScopes::default()));
    noticed(
        &loaded,
        "servers.my_mcp.allowed_scopes",
        "every call is refused; write `tool_scopes: {my_mcp/*: [...]}`",
    );
}

#[test]
fn a_callers_header_template_loads() {
    let text = GUIDE.replace(
        "allowed_scopes:\n      - read:data\n      - write:data\n",
        "",
    );
    let loaded = loaded(&text);
    let server = &loaded.config.mcp_servers[0];
    assert_eq!(server.auth, Auth::None);
    assert!(server.static_headers.is_empty());
    assert_eq!(
        server.forwarding.caller_headers,
        crate::CallerHeaders::Templates(vec![crate::HeaderTemplate {
            header: "authorization".to_owned(),
            before: "Bearer ".to_owned(),
            after: String::new(),
        }])
    );
    for other in [
        text.replace("{{token}}", "{{user}}"),
        text.replace("{{token}}", "token"),
        text.replace("x-mcp-{{alias}}-authorization", "Authorization"),
        text.replace("x-mcp-{{alias}}-authorization", "x-mcp-{{alias}}-host"),
    ] {
        let loaded = self::loaded(&other);
        let notices = &loaded.notices;
        let told = |text: &str| notices.iter().any(|notice| notice.text.contains(text));
        assert!(told("nothing will be sent"), "{other} {notices:?}");
        let taken = &loaded.config.mcp_servers[0].forwarding.caller_headers;
        assert_eq!(*taken, crate::CallerHeaders::Any);
    }
}

#[test]
fn a_guardrail_is_never_dropped_in_silence() {
    let text = r"
guardrails:
  - guardrail_name: pii
    litellm_params: {guardrail: presidio, mode: pre_call, unknown: x}
  - guardrail_name: nothing
";
    let errors = errors(text);
    assert_eq!(errors.errors.len(), 2, "{errors}");
    for error in &errors.errors {
        assert!(error.message.contains("a guardrail is never ignored"));
    }
}

#[test]
fn a_litellm_file_for_models_loads_and_says_that_no_model_is_served() {
    let world = World::with_env(&[("OPENAI_API_KEY", "unused")]);
    let loaded = world
        .load(
            r"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
router_settings: {routing_strategy: simple-shuffle}
litellm_settings:
  drop_params: true
  set_verbose: false
  mcp_aliases: {gh: github_mcp_server}
general_settings:
  master_key: os.environ/MASTER
  database_url: os.environ/DATABASE_URL
environment_variables:
  MASTER: os.environ/OPENAI_API_KEY
mcp_servers:
  github_mcp_server:
    url: https://api.example.com/mcp
    auth_type: bearer_token
    authentication_token: ${OPENAI_API_KEY}
",
        )
        .unwrap();
    noticed(&loaded, "model_list", "LLM gateway is not available");
    noticed(
        &loaded,
        "general_settings.database_url",
        "database is not read",
    );
    let silent = loaded
        .notices
        .iter()
        .all(|n| n.path != "litellm_settings.set_verbose");
    assert!(silent, "a switch that is off needs no warning");
    assert_eq!(loaded.config.mcp_servers[0].alias.as_deref(), Some("gh"));
    let master = loaded.config.identity.master_key.unwrap();
    assert_eq!(master.value.expose(), "unused");
}

#[test]
fn the_compat_preset_names_each_default_that_it_relaxes() {
    let text = format!(
        "compat: litellm\nidentity: {{keys: [{{id: a, key: {STRONG}}}]}}\nmcp_servers: {{a: {{url: 'http://a.example.com/mcp'}}}}"
    );
    let loaded = loaded(&text);
    assert!(loaded.config.identity.keys[0].grants.all);
    assert_eq!(
        loaded.config.insecure_choices.len(),
        2,
        "{:?}",
        loaded.config.insecure_choices
    );
    let strict = text.replace("compat: litellm", "compat: none");
    refused(&strict, "plain http beyond loopback");
}

/// LiteLLM's own way to close what `compat: litellm` opens.
#[test]
fn the_switch_that_demands_grants_holds_under_compat() {
    let key = format!("identity: {{keys: [{{id: a, key: {STRONG}}}]}}");
    let with = |head: &str| loaded(&format!("{head}\n{key}"));
    let sees_all = |loaded: &Loaded| loaded.config.identity.keys[0].grants.all;
    let closed = with("compat: litellm\ngeneral_settings: {require_key_mcp_access_defined: true}");
    assert!(!sees_all(&closed));
    assert!(closed.config.insecure_choices.is_empty());
    let open = with("compat: litellm\ngeneral_settings: {require_key_mcp_access_defined: false}");
    assert!(sees_all(&open));
    let ours = with("general_settings: {require_key_mcp_access_defined: false}");
    assert!(!sees_all(&ours));
    noticed(
        &ours,
        "general_settings.require_key_mcp_access_defined",
        "a key without grants sees no server",
    );
    refused(
        "compat: litellm\ngeneral_settings: {require_key_mcp_access_defined: 'true'}",
        "expected `true` or `false`",
    );
}
