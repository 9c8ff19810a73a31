//! Every other form that LiteLLM's documentation and guides written for it show.

use super::*;
use crate::Auth;

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
    let relaxed = &loaded.config.insecure_choices;
    for what in [
        "plain http beyond loopback",
        "identity.allow_undefined_users",
        "compat: a key of the store or a token without a list",
        "identity.keys[0]: a key without grants",
    ] {
        let said = relaxed.iter().filter(|choice| choice.contains(what));
        assert_eq!(said.count(), 1, "{what}: {relaxed:?}");
    }
    assert_eq!(relaxed.len(), 4, "{relaxed:?}");
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
    let relaxed = &closed.config.insecure_choices;
    assert!(
        relaxed
            .iter()
            .all(|choice| !choice.contains("sees every server")),
        "{relaxed:?}"
    );
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
