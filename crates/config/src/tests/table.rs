//! The table of keys, and what is printed from it.

use std::fmt::Write;

use super::*;
use crate::keys::{Standing, all_sections};

#[test]
fn the_starter_file_loads_without_a_word() {
    let loaded = World::with_env(&[("PORTCULLIS_MASTER_KEY", STRONG)])
        .load(crate::sample_config())
        .unwrap();
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    assert!(loaded.config.insecure_choices.is_empty());
}

#[test]
fn the_starter_file_loads_in_an_empty_environment() {
    let config = loaded(crate::sample_config()).config;
    assert!(config.insecure_choices.is_empty());
    assert_eq!(config.server.listen.host, "127.0.0.1");
}

/// The examples that the starter file shows as comments must be right too.
#[test]
fn the_starter_files_examples_load_when_uncommented() {
    let text: String = crate::sample_config()
        .lines()
        .map(|line| match line.strip_prefix("  # ") {
            Some(rest) if !rest.starts_with(char::is_uppercase) => format!("  {rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let world = World {
        files: [("/run/secrets/tickets", "s3cret")].into(),
        ..World::with_env(&[
            ("PORTCULLIS_MASTER_KEY", STRONG),
            ("CI_KEY", "sk-pc-another-4kV8zQ2mT7pL"),
            ("GITHUB_TOKEN", "t"),
        ])
    };
    let loaded = world
        .load(&text)
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(loaded.config.mcp_servers.len(), 3);
    assert!(loaded.config.identity.master_key.is_some());
    assert_eq!(loaded.config.identity.keys.len(), 1);
    assert!(loaded.config.server.tls.is_some());
}

#[test]
fn no_key_stands_twice_and_each_says_what_it_does() {
    for section in all_sections() {
        for (index, key) in section.keys.iter().enumerate() {
            let twice = section.keys[index + 1..]
                .iter()
                .any(|other| other.name == key.name);
            assert!(!twice, "{}.{}", section.name, key.name);
            match key.standing {
                Standing::Works => assert!(!key.doc.is_empty(), "{}.{}", section.name, key.name),
                Standing::Inert(text) | Standing::Unavailable { text, .. } => {
                    assert!(!text.is_empty(), "{}.{}", section.name, key.name);
                }
            }
        }
    }
}

#[test]
fn every_key_that_is_said_to_work_is_read() {
    let text = "
server: {tls: {}}
policy: {rules: [{}], approvals: {}}
identity:
  keys: [{id: a, key: k}, {id: b, sha256: s}]
  issuers: [{claims: {}, groups: {g: {}}, introspection: {}}]
  client_certificates: [{}]
audit: {sinks: [{}]}
guardrails: [{litellm_params: {guardrail: mcp_jwt_signer, token_introspection_endpoint: 'https://a.b/i'}}]
mcp_config: {default_oauth2: {}}
limits: {on_store_fault: deny, defaults: {key: {}}}
teams: {t: {object_permission: {}}}
toolsets: {s: {tools: [{}]}}
mcp_servers:
  a: {url: https://a.b/m, auth_type: header, auth_value: v}
  l: {url: https://a.b/m, auth_type: none, tool_limits: {x: {}}}
  b: {url: https://a.b/m, auth_type: oauth2, oauth2_flow: client_credentials}
  c: {url: https://a.b/m, auth: {oauth2: {}, cookie_passthrough: {}}}
  d: {url: https://a.b/m, auth_type: oauth2}
  g: {url: https://a.b/m, auth_type: oauth2_token_exchange}
  h: {url: https://a.b/m, auth_type: oauth2_id_jag}
  f: {url: https://a.b/m, auth_type: oauth2, oauth2_flow: client_credentials, token_endpoint_auth_method: private_key_jwt}
  e: {url: https://a.b/m, auth_type: api_key}
  k: {url: https://a.b/m, auth_type: none, discovery_auth: {auth_type: oauth2}}
  i: {url: https://a.b/m, auth_type: none, discovery_auth: {auth_type: header}}
";
    assert!(World::default().load(text).is_err());
    // Our own issuers silence LiteLLM's.
    let text = "general_settings: {enable_jwt_auth: true, litellm_jwtauth: {issuers: [{}]}}";
    assert!(World::default().load(text).is_err());
    let text = "identity: {authorization_server: {enabled: true, access_token_ttl: 2h, \
                refresh_token_ttl: 1h, grant_ttl: 1h, dynamic_registration: true, \
                client_id_metadata_documents: true, allow_loopback_client_documents: false, \
                native_redirects: [a], clients: [{client_id: a, client_secret: x, name: n, \
                redirect_uris: ['https://a.b/'], scopes: a}]}}";
    assert!(World::default().load(text).is_err());
    let text = "identity: {login: {issuer: x, client_secret: x, claims: {}, groups: {g: {}}, session_ttl: 1s}}";
    assert!(World::default().load(text).is_err());
    assert!(World::default().load("server: {limits: {}}").is_ok());
    let text = "{redis: {url: 'redis://localhost'}, router_settings: {}, litellm_settings: {cache_params: {}}}";
    assert!(World::default().load(text).is_ok());
    for login in ["token", "approle", "kubernetes"] {
        let text = format!("secrets: {{aws: {{}}, vault: {{auth: {login}}}}}");
        assert!(World::default().load(&text).is_err());
    }
    for section in all_sections() {
        for key in section.keys {
            let works = matches!(key.standing, Standing::Works);
            assert!(
                !works || crate::fields::read_keys::contains(section.name, key.name),
                "{}.{} is documented and never read",
                section.name,
                key.name
            );
        }
    }
}

#[test]
fn reference_and_schema_name_every_key_of_the_table() {
    let page = crate::reference_markdown();
    let schema: serde_json::Value = serde_json::from_str(&crate::schema_json()).unwrap();
    for section in all_sections() {
        for key in section.keys {
            assert!(
                page.contains(&format!("| `{}` |", key.name)),
                "{}",
                key.name
            );
            let property = &schema["$defs"][section.name]["properties"][key.name];
            assert!(
                property["description"].is_string(),
                "{}.{}",
                section.name,
                key.name
            );
        }
        assert_eq!(schema["$defs"][section.name]["additionalProperties"], false);
    }
}

/// Every documented default is what the reader does when the key is absent.
#[test]
fn documented_defaults_are_the_defaults_in_force() {
    let mut text = String::new();
    for section in ["server", "audit", "store", "telemetry"] {
        let table = all_sections()
            .into_iter()
            .find(|s| s.name == section)
            .unwrap();
        writeln!(text, "{section}:").unwrap();
        for key in table.keys {
            if let Some(default) = key.default {
                writeln!(text, "  {}: {default}", key.name).unwrap();
            }
        }
    }
    let written = loaded(&text);
    let absent = loaded("");
    assert_eq!(
        crate::explain(&written.config, &[]),
        crate::explain(&absent.config, &[])
    );
    let mut text = "identity:\n  issuers:\n  - issuer: https://a.b\n    audience: a\n".to_owned();
    let absent = text.clone();
    for (section, indent) in [("identity_issuer", "    "), ("identity_claims", "      ")] {
        let table = all_sections().into_iter().find(|s| s.name == section);
        for key in table.unwrap().keys {
            if let Some(default) = key.default {
                writeln!(text, "{indent}{}: {default}", key.name).unwrap();
            }
        }
        text += if section == "identity_issuer" {
            "    claims:\n"
        } else {
            ""
        };
    }
    assert_eq!(
        loaded(&text).config.identity.issuers,
        loaded(&absent).config.identity.issuers
    );
    let server = all_sections()
        .into_iter()
        .find(|s| s.name == "mcp_server")
        .unwrap();
    two_legs_have_the_documented_defaults(server);
    let url = "mcp_servers:\n  a:\n    url: https://a.example.com/mcp\n";
    let mut text = url.to_owned();
    for key in server.keys {
        if let Some(default) = key.default
            && ![
                "token_endpoint_auth_method",
                "token_exchange_profile",
                "subject_token_type",
                "actor_token_type",
                "scopes_within_subject",
                "id_jag_subject_source",
                "id_jag_resource",
                "aws_service_name",
                "aws_session_name",
                "stdio_processes",
            ]
            .contains(&key.name)
        {
            writeln!(text, "    {}: {default}", key.name).unwrap();
        }
    }
    assert_eq!(
        crate::explain(&loaded(&text).config, &[]),
        crate::explain(&loaded(url).config, &[])
    );
}

fn two_legs_have_the_documented_defaults(server: &crate::keys::Section) {
    let absent = "mcp_servers:\n  a: {url: https://a.b/m, auth_type: oauth2_id_jag, client_id: c, \
        client_secret: s, issuer: https://i.b, audience: https://r.b, \
        id_jag_resource_client_id: r, id_jag_resource_client_secret: t";
    let mut text = absent.to_owned();
    for key in server.keys {
        if let Some(default) = key.default.filter(|_| key.name.starts_with("id_jag_")) {
            write!(text, ", {}: {default}", key.name).unwrap();
        }
    }
    assert_eq!(
        crate::explain(&loaded(&format!("{text}}}")).config, &[]),
        crate::explain(&loaded(&format!("{absent}}}")).config, &[])
    );
}
