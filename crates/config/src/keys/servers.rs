//! Upstream MCP servers.

use super::{Key, Kind, Section, aws, inert, unavailable};

/// `auth_type` values that this build can present.
pub(crate) const AUTH_TYPES: &[&str] = &[
    "none",
    "api_key",
    "bearer_token",
    "basic",
    "authorization",
    "token",
    "header",
    "oauth2",
    "oauth2_token_exchange",
    "oauth2_id_jag",
    "aws_sigv4",
    "true_passthrough",
    "oauth_delegate",
];

/// `on_drift`
pub(crate) const ON_DRIFT: &[&str] = &["allow", "warn", "block"];

/// Revisions of the protocol.
pub(crate) const REVISIONS: &[&str] = &[
    "auto",
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];

/// RFC 8693 §3.
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// RFC 8693 §3.
pub(crate) const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// How a client signs its assertions.
const SIGNING_ALGORITHMS: &[&str] = &["RS256", "PS256", "ES256", "EdDSA"];

pub(crate) static MCP_SERVER: Section = Section {
    name: "mcp_server",
    doc: "One upstream MCP server. Its name is what grants and URLs say.",
    keys: &[
        Key::new("url", Kind::Url, "Its endpoint. Required, except on stdio and beside `spec_path`."),
        Key::new("spec_path", Kind::Text, "An OpenAPI 3.0, 3.1 or Swagger 2 document, JSON or YAML: a file, or an https address at which it is fetched and looked at again every five minutes. Its operations are the tools. `url` is then where the API is, and may be left out if the document says it."),
        Key::new("alias", Kind::Text, "Prefix of its tools at the aggregate endpoint; default: the name. Empty: no prefix, for one server."),
        Key::new("description", Kind::Prose, "For people."),
        Key::new("instructions", Kind::Prose, "Added to what `initialize` tells the model."),
        Key::new(
            "transport",
            Kind::Choice(&["http", "sse", "stdio"]),
            "`http` is Streamable HTTP, and HTTP+SSE where a server turns out to speak only that; `sse` is HTTP+SSE without asking; `stdio` is a program that the gateway starts (`command`), only with `general_settings.allow_stdio`.",
        )
        .default("http"),
        Key::new("command", Kind::Text, "With `transport: stdio`: the program, by its name in `PATH` or its path from the root. `npx`, `uvx`, `python`, `python3`, `node`, `docker`, `deno`, or one of `general_settings.stdio_commands`. No shell reads it."),
        Key::new("args", Kind::Texts, "Its arguments, each as it is."),
        Key::new("env", Kind::SecretMap, "Its environment, beside what programs need to run (`PATH`, `HOME`, `LANG` and the like): nothing else of the gateway's own. `${X-HEADER}`, a name with a dash, is that header of the caller's; only with `stdio_processes: per_principal`."),
        Key::new("cwd", Kind::FilePath, "Its working directory, from the root. Default: the gateway's."),
        Key::new("stdio_processes", Kind::Choice(&["per_principal", "shared"]), "`per_principal`: each caller has processes of their own, and nothing that one remembers reaches another. `shared`: one process serves everybody; it is offered no sampling and no elicitation, its log messages reach nobody.")
            .default("per_principal"),
        Key::new("protocol_version", Kind::Choice(REVISIONS), "Revision to speak to it; `auto` finds out, and asks anew from time to time. `2024-11-05` is spoken on HTTP+SSE and stdio.")
            .default("auto"),
        Key::new(
            "auth_type",
            Kind::Choice(AUTH_TYPES),
            "How we authenticate: `none`, `api_key` (`X-API-Key`), `bearer_token`, `basic` (`user:password`), `authorization` (verbatim), `token`, `header` (with `auth_header`), `oauth2` (see `oauth2_flow`), `oauth2_token_exchange` (on behalf of the caller), `oauth2_id_jag` (the same by way of the caller's organisation: enterprise-managed authorization), `aws_sigv4` (each request is signed), `true_passthrough` or `oauth_delegate` (the caller's own bearer token, beside a key in `x-litellm-api-key`). The others are not available in this build yet.",
        )
        .default("none"),
        Key::new("auth_value", Kind::Secret, "The static credential."),
        Key::new("authentication_token", Kind::Secret, "LiteLLM's other name of `auth_value`."),
        Key::new("auth_header", Kind::Text, "The header's name, with `auth_type: header`."),
        Key::new("auth", Kind::Section(&AUTH), "Authentication as a map."),
        Key::new(
            "oauth2_flow",
            Kind::Choice(&["client_credentials", "authorization_code"]),
            "`client_credentials`: one account of the gateway's own. `authorization_code`: each caller connects an account of theirs, in a browser. Inferred from the other keys when absent.",
        ),
        Key::new(
            "oauth_flow",
            Kind::Choice(&["client_credentials", "authorization_code"]),
            "Another spelling of `oauth2_flow`.",
        ),
        Key::new("client_id", Kind::Text, "OAuth client."),
        Key::new("client_secret", Kind::Secret, "Its secret."),
        Key::new("token_url", Kind::Url, "Token endpoint; discovered from the server when absent."),
        Key::new("issuer", Kind::Url, "The authorization server, pinned for discovery (RFC 8414).").restricts(),
        Key::new("authorization_url", Kind::Url, "Authorization endpoint, with `oauth2_flow: authorization_code`; discovered from the server when absent. Makes a server without `oauth2_flow` interactive."),
        Key::new("registration_url", Kind::Url, "Where a client is registered (RFC 7591), with `oauth2_flow: authorization_code` and no `client_id`; discovered when absent."),
        Key::new("token_storage_ttl_seconds", Kind::Whole(1, 315_360_000), "With `oauth2_flow: authorization_code`: no token is used longer than this; it is renewed, or its caller connects again. It also ends tokens whose response names no `expires_in`, which are used until the server refuses them otherwise."),
        Key::new("scopes", Kind::Words, "Scopes to ask for. With `oauth2_flow: authorization_code` these and no others; absent, those that the server asks for.").restricts(),
        Key::new("audience", Kind::Text, "`audience` form field; with `auth_type: oauth2_id_jag` the issuer of the server's authorization server."),
        Key::new("resource", Kind::Text, "Resource indicator (RFC 8707); `auto` is the server's URL without its query. With `oauth2_flow: authorization_code` it is sent in any case, as the server's metadata names it; `none` leaves it out, for authorization servers that do not take it."),
        Key::new("upstream_resource", Kind::Text, "LiteLLM's name of `resource`."),
        Key::new(
            "token_endpoint_auth_method",
            Kind::Choice(&["client_secret_post", "client_secret_basic", "private_key_jwt", "none"]),
            "How the client authenticates at the token endpoint. With `oauth2_flow: authorization_code` what the server's metadata asks for, when absent; `none` is a public client.",
        )
        .default("client_secret_post"),
        Key::new("client_private_key", Kind::Secret, "Private key of `private_key_jwt`, in PEM: RSA of 2048 bits or more, P-256, or Ed25519; best `file:/run/secrets/…`."),
        Key::new("client_private_key_id", Kind::Text, "`kid` in the head of the client's assertions."),
        Key::new("client_assertion_signing_alg", Kind::Choice(SIGNING_ALGORITHMS), "How they are signed; default: what the key is made for (`RS256`, `ES256`, `EdDSA`)."),
        Key::new("client_assertion_audience", Kind::Text, "`aud` of the client's assertions: `token_endpoint`, or a text of yours. Default: `issuer` as written or discovered, else the token endpoint."),
        Key::new("token_exchange_endpoint", Kind::Url, "Where callers' tokens are exchanged, with `auth_type: oauth2_token_exchange`; `token_url` when absent. Never discovered, except by `issuer` with `oauth2_id_jag`."),
        Key::new("token_exchange_profile", Kind::Choice(&["rfc8693", "entra_obo"]), "`rfc8693` is OAuth token exchange, `entra_obo` Microsoft Entra's on-behalf-of flow, which needs `scopes`.").default("rfc8693"),
        Key::new("subject_token_type", Kind::Text, "`subject_token_type` (RFC 8693 §3); with `oauth2_id_jag` by default that of an ID token.").default(ACCESS_TOKEN),
        Key::new("scopes_within_subject", Kind::Flag, "Asks in an exchange only for those of `scopes` that the caller's own token carries too, and takes no token that is worth more. For an authorization server that calls the rights on both sides alike.").default("false").restricts(),
        Key::new("requested_token_type", Kind::Text, "`requested_token_type` (RFC 8693 §3); not sent when absent."),
        Key::new("actor_token", Kind::Secret, "`actor_token`: who acts for the caller (RFC 8693 §2.1)."),
        Key::new("actor_token_type", Kind::Text, "Its type.").default(ACCESS_TOKEN),
        Key::new("actor_token_source", Kind::Choice(&["secret", "client_credentials"]), "Where the actor's token comes from: `secret` is `actor_token`; `client_credentials` a token that the same client gets for itself at the same endpoint."),
        Key::new("actor_scopes", Kind::Words, "Scopes of that token.").restricts(),
        Key::new("id_jag_subject_source", Kind::Choice(&["bearer", "login_assertion", "refresh_token"]), "What of the caller's is exchanged: `bearer` is the token that they send; `login_assertion` is the ID token of the sign-in (`identity.login`) in which they let their client in. `refresh_token` is not available in this build yet.").default("bearer"),
        Key::new("id_jag_resource", Kind::Text, "`resource` of the first leg: the server as its own metadata names it (RFC 9728); `auto` is its URL without the query.").default("auto"),
        Key::new("id_jag_resource_token_endpoint", Kind::Url, "Token endpoint of the server's authorization server, for the second leg; discovered from `audience` when absent."),
        Key::new("id_jag_resource_client_id", Kind::Text, "OAuth client of the second leg; `client_id` when absent, with `private_key_jwt` only."),
        Key::new("id_jag_resource_client_secret", Kind::Secret, "Its secret. The first leg's is never shown there."),
        Key::new(
            "id_jag_resource_auth_method",
            Kind::Choice(&["client_secret_post", "client_secret_basic", "private_key_jwt"]),
            "How the client authenticates in the second leg; `token_endpoint_auth_method` when absent. `private_key_jwt` signs with `client_private_key`.",
        ),
        aws::ACCESS_KEY_ID,
        aws::SECRET_ACCESS_KEY,
        aws::SESSION_TOKEN,
        aws::REGION,
        Key::new("aws_service_name", Kind::Text, "Signing name of the service.").default("bedrock-agentcore"),
        aws::ROLE,
        aws::SESSION_NAME,
        aws::EXTERNAL_ID,
        aws::TOKEN_FILE,
        aws::STS_ENDPOINT,
        Key::new("token_validation", Kind::TextMap, "What a token response must say beside the token, by dotted path: `team.enterprise_id: T12345`. A response that says anything else is refused.").restricts(),
        Key::new("static_headers", Kind::SecretMap, "Headers sent with every request."),
        Key::new("headers", Kind::SecretMap, "Another spelling of `static_headers`."),
        Key::new("extra_headers", Kind::Texts, "Headers of callers that are handed on as they came. Never what opens our own door, what belongs to the connection, or what `static_headers` has."),
        Key::new(
            "allow_caller_headers",
            Kind::Flag,
            "Callers' `x-mcp-{alias}-{header}` and `x-mcp-auth` are handed on, and a credential among them replaces ours. Default: `true` where there is no credential of ours (`auth_type: none`), else `false`.",
        ),
        Key::new(
            "delegate_auth_to_upstream",
            Kind::Flag,
            "With `auth_type: oauth2`: callers without a key reach the server, which judges them by their own bearer token.",
        )
        .default("false"),
        Key::new("discovery_auth", Kind::Section(&DISCOVERY_AUTH), "How we authenticate where we ask for lists in our own name, if in another way."),
        Key::new("access_groups", Kind::Texts, "Groups that a grant may name instead of the server.").restricts(),
        Key::new("allow_all_keys", Kind::Flag, "Every authenticated caller may use it.").default("false"),
        Key::new(
            "available_on_public_internet",
            Kind::Flag,
            "`false`: for callers from outside `general_settings.mcp_internal_ip_ranges` it does not exist, whatever their key.",
        )
        .default("true")
        .restricts(),
        Key::new("allowed_tools", Kind::Texts, "Only these tools. An empty list allows none.").restricts(),
        Key::new("disallowed_tools", Kind::Texts, "Never these tools; beats `allowed_tools`.").restricts(),
        Key::new("allowed_params", Kind::TextsMap, "For a tool listed here, only these top-level arguments.").restricts(),
        Key::new("argument_schemas", Kind::Anything, "For a tool listed here, what its arguments may hold: a JSON Schema (draft 2020-12) of the whole `arguments` object. Nothing outside of it is fetched, and a keyword that would be ignored is an error.").restricts(),
        Key::new(
            "tool_scopes",
            Kind::TextsMap,
            "Tools to the scopes that a caller needs, all of them. `NAME/*` is what is not listed itself: the other tools, prompts and resources. Where there is any entry, what has none is refused.",
        )
        .restricts(),
        Key::new(
            "allowed_scopes",
            Kind::Words,
            "The scopes that `tool_scopes` may ask for. Written, it closes: what `tool_scopes` does not map is refused.",
        )
        .restricts(),
        Key::new("allow_sampling", Kind::Flag, "It may ask the client's model.").default("false"),
        Key::new("allow_elicitation", Kind::Flag, "It may ask the client's user.").default("false"),
        Key::new("timeout", Kind::Span, "Longest wait for an answer, or for the first sign of one: a stream that has begun may go on, as long as it is not silent for five minutes (or `timeout`, if that is longer).").default("60s"),
        Key::new("total_timeout", Kind::Span, "Longest that one call may go on in all, whatever progress it makes; never less than `timeout`.").default("1h"),
        Key::new(
            "jwt_signer",
            Kind::Flag,
            "Whether the `mcp_jwt_signer` guardrail signs what is sent to it. Absent: what `default_on` of the guardrail says.",
        )
        .restricts(),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept plain http beyond loopback for this server, its token endpoint and `aws_sts_endpoint`: credentials cross the network in the clear.",
        )
        .default("false"),
        Key::new("require_approval", Kind::Anything, "Which tools are called only once somebody has approved the very call: `never`, `always`, `destructive` (tools that the server does not mark `readOnlyHint`), or `{always: {tool_names: […]}, never: {tool_names: […]}}`, where a list of what never needs one means that everything else does.").default("never").restricts(),
        Key::new("on_drift", Kind::Choice(ON_DRIFT), "What happens when a tool is not what it was when it was first seen, or last approved, until somebody approves it: `allow` serves it, `warn` serves it and tells the operator, `block` neither lists nor calls it. Default: `policy.on_drift`."),
        Key::new("mcp_info", Kind::Anything, "Free facts for lists: `logo_url` and the like. `mcp_server_cost_info` says what calls cost in US dollars: `default_cost_per_query`, and `tool_name_to_cost_per_query` by the server's own names."),
        Key::new(
            "rpm",
            Kind::Whole(0, u32::MAX as u64),
            "Requests a minute of all callers together, on all replicas; so many may come at once after a quiet minute. More are answered 429 with `Retry-After`.",
        )
        .restricts(),
        Key::new(
            "max_concurrent_requests",
            Kind::Whole(0, u32::MAX as u64),
            "Requests of all callers together at the same time, for as long as their answers stream.",
        )
        .restricts(),
        Key::new(
            "tool_limits",
            Kind::Named(&super::limits::TOOL),
            "The same for single tools, by the server's own names.",
        )
        .restricts(),
        inert("server_id", "grants name the server's key in `mcp_servers`, not this id"),
        inert("env_vars", "they are not used; write `${VAR}` in `static_headers` and set VAR in the environment"),
        inert("dcr_bridge", "clients are not registered dynamically"),
        inert("per_server_oauth_discovery", "callers find the gateway's own authorization server"),
        inert("tool_name_to_display_name", "tools keep their own names"),
        inert("tool_name_to_description", "tools keep their own descriptions"),
        inert("source_url", "it is not shown"),
        inert("spec_version", "it was removed from LiteLLM; write `protocol_version`"),
        unavailable("allowed_cidrs", "", "restricting a server by the caller's address is not available in this build yet; restrict at the ingress and remove the key"),
        unavailable("pinned_tools", "", "what tools look like is pinned when they are first seen: write `on_drift: block`, and list their names in `allowed_tools`"),
        unavailable("oauth_identity_binding", "", "binding upstream identities is not available in this build yet"),
        unavailable("oauth_passthrough", "false", "forwarding the caller's own bearer is not available in this build yet"),
        unavailable("is_byok", "false", "per-user upstream keys are not available in this build yet"),
        unavailable("upstream_token_header", "Authorization", "the token is always sent as `Authorization`"),
    ],
};

pub(crate) static AUTH: Section = Section {
    name: "mcp_server_auth",
    doc: "Authentication as a map.",
    keys: &[
        Key::new(
            "oauth2",
            Kind::Section(&OAUTH2),
            "Client credentials (RFC 6749 §4.4).",
        ),
        Key::new(
            "cookie_passthrough",
            Kind::Section(&COOKIES),
            "The caller's cookies.",
        ),
    ],
};

pub(crate) static OAUTH2: Section = Section {
    name: "client_credentials",
    doc: "OAuth 2.0 client credentials.",
    keys: &[
        Key::new("token_url", Kind::Url, "Token endpoint. Required."),
        Key::new("client_id", Kind::Text, "OAuth client. Required."),
        Key::new("client_secret", Kind::Secret, "Its secret. Required."),
        Key::new("scopes", Kind::Words, "Scopes to ask for.").restricts(),
        Key::new("scope", Kind::Words, "Another spelling of `scopes`.").restricts(),
        Key::new("audience", Kind::Text, "`audience` form field."),
        Key::new("resource", Kind::Text, "Resource indicator (RFC 8707)."),
        Key::new(
            "token_endpoint_auth_method",
            Kind::Choice(&[
                "client_secret_post",
                "client_secret_basic",
                "private_key_jwt",
            ]),
            "How the client authenticates at the token endpoint.",
        )
        .default("client_secret_post"),
    ],
};

pub(crate) static COOKIES: Section = Section {
    name: "cookie_passthrough",
    doc: "Which of the caller's cookies a server is handed; never our own.",
    keys: &[
        Key::new("enabled", Kind::Flag, "Whether they are.").default("true"),
        Key::new("cookie_names", Kind::Texts, "These, by their exact names."),
        Key::new("cookie_prefix", Kind::Text, "And all whose names begin so."),
    ],
};

pub(crate) static MCP_CONFIG: Section = Section {
    name: "mcp_config",
    doc: "Defaults for all MCP servers.",
    keys: &[Key::new(
        "default_oauth2",
        Kind::Section(&OAUTH2),
        "Client credentials for servers that say nothing about authentication. Also `MCP_OAUTH2_TOKEN_URL`, `MCP_OAUTH2_CLIENT_ID`, `MCP_OAUTH2_CLIENT_SECRET`, `MCP_OAUTH2_SCOPES`.",
    )],
};

/// What the gateway itself may be to a server.
const DISCOVERY_AUTH_TYPES: &[&str] = &[
    "none",
    "api_key",
    "bearer_token",
    "basic",
    "authorization",
    "token",
    "header",
    "oauth2",
];

pub(crate) static DISCOVERY_AUTH: Section = Section {
    name: "discovery_auth",
    doc: "Who we are where we ask a server for its lists, find out its revision, or probe it.",
    keys: &[
        Key::new(
            "auth_type",
            Kind::Choice(DISCOVERY_AUTH_TYPES),
            "A fixed credential, or `oauth2` for client credentials. Required.",
        ),
        Key::new("auth_value", Kind::Secret, "The static credential."),
        Key::new(
            "authentication_token",
            Kind::Secret,
            "LiteLLM's other name of `auth_value`.",
        ),
        Key::new(
            "auth_header",
            Kind::Text,
            "The header's name, with `auth_type: header`.",
        ),
        Key::new(
            "token_url",
            Kind::Url,
            "Token endpoint, with `auth_type: oauth2`.",
        ),
        Key::new("client_id", Kind::Text, "OAuth client."),
        Key::new("client_secret", Kind::Secret, "Its secret."),
        Key::new("scopes", Kind::Words, "Scopes to ask for.").restricts(),
        Key::new("scope", Kind::Words, "Another spelling of `scopes`.").restricts(),
        Key::new("audience", Kind::Text, "`audience` form field."),
        Key::new(
            "resource",
            Kind::Text,
            "Resource indicator (RFC 8707); `auto` is the server's URL without its query.",
        ),
        Key::new(
            "token_endpoint_auth_method",
            Kind::Choice(&[
                "client_secret_post",
                "client_secret_basic",
                "private_key_jwt",
            ]),
            "How the client authenticates at the token endpoint.",
        )
        .default("client_secret_post"),
    ],
};
