//! What LiteLLM knows and what of it happens here.

use super::signer::SIGNER;
use super::{Key, Kind, Section, inert, jwt_auth, redis, unavailable};

pub(crate) const NO_LLM: &str =
    "the LLM gateway is not available in this build yet: no model will be served";
const NO_DATABASE: &str =
    "LiteLLM's database is not read: its keys, teams and servers will not be there";
const NO_CALLBACK: &str = "nothing is sent to logging callbacks; see `audit` and `telemetry`";
const NO_JWT: &str = "tokens of other issuers are accepted by `identity.issuers` and not by this key: without an entry there, callers with such a token are refused";
const DOCUMENT_FIRST: &str = "without effect: an authorization server that takes our client document is always shown it, and a client is registered only where it takes none";
const NO_ADDRESS_RULES: &str = "restricting by the caller's address is not available in this build yet; restrict at the ingress and remove the key";

pub(crate) static GENERAL_SETTINGS: Section = Section {
    name: "general_settings",
    doc: "LiteLLM's general settings. Those that are not listed as working give a warning or an error.",
    keys: &[
        Key::new(
            "master_key",
            Kind::Secret,
            "The operator's key: admin, sees every server.",
        ),
        Key::new(
            "require_key_mcp_access_defined",
            Kind::Flag,
            "A key without grants sees no server. This is so anyway, unless `compat: litellm` says otherwise.",
        )
        .restricts(),
        Key::new(
            "use_x_forwarded_for",
            Kind::Flag,
            "Believe the `X-Forwarded-*` headers of the proxies in `mcp_trusted_proxy_ranges`, and of nobody else.",
        )
        .default("false"),
        Key::new(
            "mcp_trusted_proxy_ranges",
            Kind::Texts,
            "Address ranges (`10.0.0.0/8`) of the reverse proxies in front of us.",
        )
        .restricts(),
        Key::new(
            "mcp_xff_num_trusted_hops",
            Kind::Whole(1, 32),
            "How many proxies append to `X-Forwarded-For`: the caller is the entry that far from its end. Absent: the last entry that is not in `mcp_trusted_proxy_ranges`.",
        )
        .restricts(),
        inert(
            "trusted_proxy_ranges",
            "write `mcp_trusted_proxy_ranges`, which decides for every request here",
        ),
        Key::new(
            "mcp_internal_ip_ranges",
            Kind::Texts,
            "Address ranges of callers that see servers with `available_on_public_internet: false`. An address that cannot be told is in none.",
        )
        .default("10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 127.0.0.0/8, ::1/128, fc00::/7")
        .restricts(),
        Key::new(
            "allow_stdio",
            Kind::Flag,
            "Servers with `transport: stdio` may be started: programs that run as the gateway's own user. Also `LITELLM_ENABLE_MCP_STDIO=true`.",
        )
        .default("false"),
        Key::new(
            "stdio_commands",
            Kind::Texts,
            "Further programs that `command` may name, exactly as it names them. Also `LITELLM_MCP_STDIO_EXTRA_COMMANDS`, with commas between.",
        ),
        Key::new(
            "max_stdio_processes",
            Kind::Whole(1, 4096),
            "Most processes of stdio servers at once, of all servers and callers together.",
        )
        .default("64"),
        Key::new(
            "enable_mcp_registry",
            Kind::Flag,
            "List the servers that a caller may see at `/v1/mcp/registry.json`, to callers with a credential alone.",
        )
        .default("false"),
        inert(
            "litellm_key_header_name",
            "keys are read from `x-litellm-api-key`, `x-portcullis-api-key` and `Authorization` only",
        ),
        inert(
            "mcp_client_side_auth_header_name",
            "the callers' own upstream credentials are not forwarded in this build yet",
        ),
        inert(
            "mcp_advertised_versions",
            "every revision that we speak is advertised",
        ),
        inert(
            "mcp_required_fields",
            "servers cannot be submitted in this build yet",
        ),
        inert(
            "mcp_session_token_signing",
            "no session tokens are issued in this build yet",
        ),
        inert("mcp_prefer_client_id_metadata_document", DOCUMENT_FIRST),
        inert(
            "user_mcp_management_mode",
            "users cannot manage servers in this build yet",
        ),
        inert("database_url", NO_DATABASE),
        inert("database_connection_pool_limit", NO_DATABASE),
        inert("database_connection_timeout", NO_DATABASE),
        inert("store_model_in_db", NO_DATABASE),
        inert("supported_db_objects", NO_DATABASE),
        inert("store_prompts_in_spend_logs", NO_DATABASE),
        inert("disable_spend_logs", NO_DATABASE),
        inert("proxy_batch_write_at", NO_DATABASE),
        inert(
            "allow_requests_on_db_unavailable",
            "what needs the store is refused while the store is away",
        ),
        inert(
            "encryption_algorithm",
            "secrets in the store are sealed with AES-256-GCM",
        ),
        inert("completion_model", NO_LLM),
        inert("infer_model_from_keys", NO_LLM),
        inert("background_health_checks", NO_LLM),
        inert("health_check_interval", NO_LLM),
        inert("alerting", "no alerts are sent"),
        inert("alerting_threshold", "no alerts are sent"),
        inert("alert_types", "no alerts are sent"),
        inert("alerting_args", "no alerts are sent"),
        Key::new(
            "enable_jwt_auth",
            Kind::Flag,
            "Accept tokens of the issuers of `litellm_jwtauth`, or of `JWT_ISSUER`. Better: `identity.issuers`.",
        )
        .default("false"),
        Key::new(
            "litellm_jwtauth",
            Kind::Section(&jwt_auth::JWT_AUTH),
            "How, for `enable_jwt_auth`.",
        ),
        inert("enable_oauth2_auth", NO_JWT),
        inert("enable_oauth2_proxy_auth", NO_JWT),
        inert("ui_access_mode", "there is no admin UI in this build yet"),
        inert(
            "default_team_disabled",
            "a key whose team is not named has the rights that it is given",
        ),
        inert("max_request_size_mb", "write `server.max_body`"),
        inert("max_response_size_mb", "responses have their own bounds"),
        inert(
            "pass_through_endpoints",
            "no pass-through endpoint is served",
        ),
        inert(
            "key_management_system",
            "secrets are read from `file:` values and environment variables",
        ),
        inert(
            "key_management_settings",
            "secrets are read from `file:` values and environment variables",
        ),
        inert(
            "global_max_parallel_requests",
            "concurrent requests are not limited in this build yet; see `server.max_connections`",
        ),
        inert(
            "max_parallel_requests",
            "concurrent requests are not limited in this build yet; see `server.max_connections`",
        ),
        Key::new(
            "require_end_user_mcp_access_defined",
            Kind::Flag,
            "An end user (`x-litellm-end-user-id`) without a list of servers lets none through.",
        )
        .default("false")
        .restricts(),
        unavailable(
            "mcp_disabled_capabilities",
            "",
            "switching capabilities off is not available in this build yet",
        ),
        unavailable(
            "mcp_allowed_clients",
            "",
            "admitting clients by name is not available in this build yet; give keys to the clients that may call",
        ),
        unavailable(
            "mcp_client_id_header",
            "",
            "admitting clients by name is not available in this build yet",
        ),
        unavailable(
            "mcp_require_explicit_server_scope",
            "false",
            "refusing unscoped sign-in is not available in this build yet",
        ),
        unavailable(
            "mcp_allow_all_keys_respects_mcp_scope",
            "false",
            "`allow_all_keys` shows a server to every key; remove it from servers that scoped keys must not see",
        ),
        unavailable("allowed_ips", "", NO_ADDRESS_RULES),
        unavailable(
            "allowed_routes",
            "",
            "restricting routes is not available in this build yet",
        ),
        unavailable(
            "admin_only_routes",
            "",
            "restricting routes is not available in this build yet",
        ),
        unavailable(
            "custom_auth",
            "",
            "Python code cannot decide who may call; write `identity.keys`",
        ),
        unavailable(
            "enforce_user_param",
            "false",
            "requiring `user` of callers is not available in this build yet",
        ),
        unavailable(
            "enforced_params",
            "",
            "requiring parameters of callers is not available in this build yet",
        ),
    ],
};

pub(crate) static LITELLM_SETTINGS: Section = Section {
    name: "litellm_settings",
    doc: "LiteLLM's module settings. Those that are not listed as working give a warning or an error.",
    keys: &[
        Key::new(
            "mcp_aliases",
            Kind::TextMap,
            "Alias to server name, for servers without an `alias` of their own.",
        ),
        inert(
            "mcp_semantic_tool_filter",
            "tools are not filtered by meaning in this build yet",
        ),
        inert(
            "mcp_tool_search",
            "tool search is not available in this build yet",
        ),
        inert(
            "user_url_validation",
            "URLs from outside always pass the SSRF guard",
        ),
        inert(
            "user_url_allowed_hosts",
            "URLs from outside always pass the SSRF guard",
        ),
        inert("default_mcp_sampling_model", NO_LLM),
        inert("callbacks", NO_CALLBACK),
        inert("success_callback", NO_CALLBACK),
        inert("failure_callback", NO_CALLBACK),
        inert("service_callback", NO_CALLBACK),
        inert(
            "turn_off_message_logging",
            "arguments and results are never logged",
        ),
        inert("redact_user_api_key_info", "keys are never logged"),
        inert("json_logs", "write `telemetry.log_format: json`"),
        inert("set_verbose", "write `telemetry.log_level: debug`"),
        inert("drop_params", NO_LLM),
        inert("modify_params", NO_LLM),
        inert("num_retries", NO_LLM),
        inert("request_timeout", NO_LLM),
        inert("fallbacks", NO_LLM),
        inert("default_fallbacks", NO_LLM),
        inert("context_window_fallbacks", NO_LLM),
        inert("content_policy_fallbacks", NO_LLM),
        inert("allowed_fails", NO_LLM),
        inert("cooldown_time", NO_LLM),
        Key::new(
            "cache",
            Kind::Flag,
            "LiteLLM's cache of answers, of which there is none in this build. Where it is on and names no server, `REDIS_URL` or `REDIS_HOST` name the Redis server that replicas share.",
        )
        .default("false"),
        Key::new(
            "cache_params",
            Kind::Section(&redis::CACHE_PARAMS),
            "LiteLLM's cache, of which only the Redis server counts.",
        ),
        inert("max_budget", NO_LLM),
        inert("budget_duration", NO_LLM),
        inert("telemetry", "nothing is ever reported to us"),
        inert("ssl_verify", "certificates are always verified"),
        inert("forward_traceparent_to_llm_provider", NO_LLM),
        inert("force_ipv4", "both address families are used"),
        inert(
            "default_team_settings",
            "there are no teams with settings of their own in this build yet",
        ),
        inert(
            "default_internal_user_params",
            "there are no internal users in this build yet",
        ),
        inert("enable_json_schema_validation", NO_LLM),
        unavailable(
            "public_mcp_servers",
            "",
            "listing servers for outside callers is not available in this build yet; grant servers to keys instead",
        ),
        unavailable(
            "public_mcp_hub_strict_whitelist",
            "false",
            "the public hub is not available in this build yet",
        ),
        unavailable(
            "upperbound_key_generate_params",
            "",
            "bounds on minted keys are not available in this build yet",
        ),
        unavailable(
            "guardrails",
            "",
            "guardrails are not available in this build yet, and a guardrail is never ignored",
        ),
        unavailable(
            "default_guardrails",
            "",
            "guardrails are not available in this build yet, and a guardrail is never ignored",
        ),
        unavailable(
            "key_generation_settings",
            "",
            "rules on minting keys are not available in this build yet",
        ),
    ],
};

pub(crate) static GUARDRAIL: Section = Section {
    name: "guardrail",
    doc: "One guardrail.",
    keys: &[
        Key::new("guardrail_name", Kind::Text, "Its name."),
        Key::new("litellm_params", Kind::Section(&SIGNER), "Its settings."),
        inert("guardrail_info", "it is not shown"),
    ],
};
