//! Every form of a server's credential that LiteLLM's documentation and guides written for it show.

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
    assert!(!least.scopes_within_subject);
    let within = of(", scopes_within_subject: true, scopes: read").profile;
    let crate::ExchangeProfile::Rfc8693(within) = within else {
        panic!("RFC 8693 is the default");
    };
    assert!(within.scopes_within_subject);
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
