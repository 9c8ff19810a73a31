//! The root and our own sections.

use super::{
    Key, Kind, Section, audit, authorization_server, certificates, inert, issuers, limits, litellm,
    login, people, policy, redis, secrets, servers, traces, unavailable,
};

pub(crate) static ROOT: Section = Section {
    name: "config",
    doc: "The whole file: a superset of LiteLLM's `config.yaml`.",
    keys: &[
        Key::new(
            "compat",
            Kind::Choice(&["none", "litellm"]),
            "`litellm` restores LiteLLM's permissive defaults and names each one that it relaxes.",
        )
        .default("none"),
        Key::new("server", Kind::Section(&SERVER), "How we listen."),
        Key::new("identity", Kind::Section(&IDENTITY), "Who may call."),
        Key::new(
            "mcp_servers",
            Kind::Named(&servers::MCP_SERVER),
            "The upstream MCP servers, by name.",
        ),
        Key::new(
            "servers",
            Kind::Named(&servers::MCP_SERVER),
            "Another spelling of `mcp_servers`.",
        ),
        Key::new(
            "mcp_config",
            Kind::Section(&servers::MCP_CONFIG),
            "Defaults for all MCP servers.",
        ),
        Key::new(
            "teams",
            Kind::Named(&people::LEVEL),
            "Teams, by the `team` of keys and tokens. Once one is defined, here or in the store, a credential that names another is refused; the same holds for organizations and users.",
        ),
        Key::new(
            "organizations",
            Kind::Named(&people::LEVEL),
            "Organizations, by the `org` of keys, tokens and teams.",
        ),
        Key::new(
            "users",
            Kind::Named(&people::LEVEL),
            "People and services, by the `user_id` of keys and tokens.",
        ),
        Key::new(
            "end_users",
            Kind::Named(&people::LEVEL),
            "End users, by the `x-litellm-end-user-id` that callers send.",
        ),
        Key::new(
            "toolsets",
            Kind::Named(&people::TOOLSET),
            "Tools of several servers under one name.",
        ),
        Key::new("store", Kind::Section(&STORE), "Where state is kept."),
        Key::new(
            "redis",
            Kind::Section(&redis::REDIS),
            "A Redis or Valkey server that replicas share.",
        ),
        Key::new(
            "audit",
            Kind::Section(&AUDIT),
            "The record of every request.",
        ),
        Key::new(
            "telemetry",
            Kind::Section(&TELEMETRY),
            "Logs, metrics and traces.",
        ),
        Key::new(
            "general_settings",
            Kind::Section(&litellm::GENERAL_SETTINGS),
            "LiteLLM's general settings.",
        ),
        Key::new(
            "litellm_settings",
            Kind::Section(&litellm::LITELLM_SETTINGS),
            "LiteLLM's module settings.",
        ),
        Key::new(
            "environment_variables",
            Kind::SecretMap,
            "Variables for references in this file. As in LiteLLM, they win over the process's own.",
        ),
        Key::new(
            "guardrails",
            Kind::Sections(&litellm::GUARDRAIL),
            "LiteLLM's guardrails. `mcp_jwt_signer` is the only one that is available in this build; a guardrail is never ignored, so each other entry is an error.",
        ),
        Key::new(
            "policy",
            Kind::Section(&policy::POLICY),
            "Rules about what is called, by whom, when and with what.",
        ),
        Key::new(
            "limits",
            Kind::Section(&limits::LIMITS),
            "How much callers may do.",
        ),
        Key::new(
            "secrets",
            Kind::Section(&secrets::SECRETS),
            "Stores that secrets may live in.",
        ),
        unavailable(
            "include",
            "",
            "other files are not included; put everything into one file",
        ),
        inert("model_list", litellm::NO_LLM),
        Key::new(
            "router_settings",
            Kind::Section(&redis::ROUTER_SETTINGS),
            "LiteLLM's router, of which only the Redis server counts.",
        ),
        inert("callback_settings", "nothing is sent to logging callbacks"),
        inert("files_settings", litellm::NO_LLM),
        inert("finetune_settings", litellm::NO_LLM),
        inert("assistant_settings", litellm::NO_LLM),
        inert("vector_store_registry", litellm::NO_LLM),
        inert("search_tools", "these search tools will not be offered"),
        inert(
            "mcp_tools",
            "these in-process tools will not be offered; run them as an MCP server",
        ),
        inert("credential_list", litellm::NO_LLM),
        inert("prompts", "these prompts will not be offered"),
    ],
};

pub(crate) static SERVER: Section = Section {
    name: "server",
    doc: "How we listen and what we call ourselves.",
    keys: &[
        Key::new(
            "host",
            Kind::Text,
            "Address to listen on. Anything beyond loopback needs strong keys. `--host` wins.",
        )
        .default("127.0.0.1"),
        Key::new(
            "port",
            Kind::Whole(0, 65535),
            "Port to listen on; 0 picks a free one. `--port` wins.",
        )
        .default("4000"),
        Key::new(
            "public_url",
            Kind::Text,
            "The origin that clients see: scheme, host and port, no path. Also `PROXY_BASE_URL`.",
        ),
        Key::new(
            "client_metadata_url",
            Kind::Text,
            "Our OAuth client document for upstream authorization servers, where it is published elsewhere (Client ID Metadata Documents): https, with a path. Its redirect URI is `/callback` of `public_url`. Absent: `/oauth/client-metadata/{name}` of `public_url` for each server, where that is https.",
        ),
        Key::new("tls", Kind::Section(&TLS), "Terminate TLS here.").restricts(),
        Key::new(
            "admin_listen",
            Kind::Text,
            "`host:port` of a second listener for metrics and the admin API.",
        )
        .restricts(),
        Key::new(
            "replica_listen",
            Kind::Text,
            "`host:port` of a listener for the other replicas, where several processes share one store; port 0 picks a free one. What a caller's request needs of another replica is handed over there. Absent: this is the only replica.",
        ),
        Key::new(
            "replica_url",
            Kind::Text,
            "Where the other replicas reach `replica_listen`: scheme, host and port, no path. With `https://` it uses the certificate of `tls`. Absent: `http://` and the address that it is bound to.",
        ),
        Key::new(
            "allowed_hosts",
            Kind::Texts,
            "`Host` values to answer to besides our own address and `public_url`: `host` or `host:port`.",
        )
        .restricts(),
        Key::new(
            "allowed_origins",
            Kind::Texts,
            "Browser origins that may call, besides our own.",
        ),
        Key::new(
            "trusted_redirect_origins",
            Kind::Texts,
            "Origins to which `/{name}/authorize` may send codes, besides our own and loopback: `host`, \
             `host:port` or `*.example.com` (names strictly below it), of https only. Also \
             `MCP_TRUSTED_REDIRECT_ORIGINS`, a comma-separated list, if this key is absent.",
        ),
        Key::new(
            "ca_file",
            Kind::FilePath,
            "PEM file of further certification authorities for outgoing TLS, beside the system's \
             (and `TLS_CA_CERT_PATH`); `SSL_CERT_FILE` replaces the system's.",
        ),
        Key::new(
            "api_secret_stores",
            Kind::Texts,
            "Which references a server that is defined by the admin API may hold: `vault` and `aws-sm`, the stores of `secrets`. Absent: none. The environment and files of this machine are never read for it.",
        ),
        Key::new(
            "api_private_addresses",
            Kind::Flag,
            "Servers that are defined by the admin API may be on this machine and in private networks; plain http there as for servers of this file. Absent: at public addresses only, by https.",
        )
        .default("false"),
        Key::new(
            "debug_headers",
            Kind::Choice(&["off", "admin", "authenticated"]),
            "Who is told, when it asks with `x-litellm-mcp-debug: true`, how its request was authenticated; credentials are masked.",
        )
        .default("authenticated")
        .restricts(),
        Key::new("max_body", Kind::Size, "Largest request body.").default("4MiB"),
        Key::new(
            "max_connections",
            Kind::Whole(1, 1_000_000),
            "Most connections at one time.",
        )
        .default("10000"),
        Key::new(
            "max_connections_per_address",
            Kind::Whole(1, 1_000_000),
            "Most connections of one address (IPv6: of one /64); more are closed. Absent: 256, and \
             loopback is not counted. Behind a proxy on another machine, write what the proxy needs.",
        ),
        Key::new(
            "strangers_per_minute",
            Kind::Whole(1, 1_000_000),
            "Most requests in a minute of callers without a key (`delegate_auth_to_upstream`) from one \
             address (IPv6: from one /64); a sixth of them may come at once, more are answered 429.",
        )
        .default("600"),
        Key::new(
            "limits",
            Kind::Section(&LIMITS),
            "Most requests in a minute at what needs no key.",
        ),
        Key::new(
            "header_timeout",
            Kind::Span,
            "Time for the TLS handshake and the head of a request; also how long a connection may idle.",
        )
        .default("10s"),
        Key::new(
            "body_timeout",
            Kind::Span,
            "Time for the whole of a request's body to arrive.",
        )
        .default("30s"),
        Key::new(
            "grace_seconds",
            Kind::Span,
            "After a stop signal: how long to go on accepting while readiness says no.",
        )
        .default("0s"),
        Key::new(
            "drain_seconds",
            Kind::Span,
            "After that: how long running requests may take to finish.",
        )
        .default("30s"),
    ],
};

pub(crate) static LIMITS: Section = Section {
    name: "limits",
    doc: "Most requests in a minute of one address (IPv6: of one /64) at what needs no key; a sixth of them \
          may come at once, more are answered 429 with `Retry-After`. Behind a proxy whose word on addresses \
          is not believed, everybody is one address.",
    keys: &[
        Key::new(
            "register_per_minute",
            Kind::Whole(1, 1_000_000),
            "Clients that register (`/register`, `/{name}/register`).",
        )
        .default("240"),
        Key::new(
            "token_per_minute",
            Kind::Whole(1, 1_000_000),
            "Tokens that are asked for or given back (`/token`, `/{name}/token`, `/revoke`).",
        )
        .default("1200"),
        Key::new(
            "authorize_per_minute",
            Kind::Whole(1, 1_000_000),
            "Authorization requests (`/authorize`, `/{name}/authorize`).",
        )
        .default("600"),
        Key::new(
            "introspect_per_minute",
            Kind::Whole(1, 1_000_000),
            "Questions about tokens (`/introspect`).",
        )
        .default("6000"),
        Key::new(
            "sign_in_per_minute",
            Kind::Whole(1, 1_000_000),
            "Sign-ins that begin (`/login` with a key, `/login/provider`).",
        )
        .default("600"),
    ],
};

pub(crate) static TLS: Section = Section {
    name: "tls",
    doc: "Certificate and key as PEM files.",
    keys: &[
        Key::new(
            "cert",
            Kind::FilePath,
            "Certificate chain, leaf first. Required.",
        ),
        Key::new("key", Kind::FilePath, "The leaf's private key. Required."),
        Key::new(
            "client_ca",
            Kind::Texts,
            "Files with the authorities of client certificates, as PEM; absent, clients are asked for none. See `identity.client_certificates`.",
        )
        .restricts(),
        Key::new(
            "client_certificate",
            Kind::Choice(&["required", "optional"]),
            "Whether a connection without a certificate of `client_ca` is refused, or may present a key or token instead. Health checks need one where it is required.",
        )
        .default("required")
        .restricts(),
    ],
};

pub(crate) static IDENTITY: Section = Section {
    name: "identity",
    doc: "Who may call.",
    keys: &[
        Key::new(
            "master_key",
            Kind::Secret,
            "The operator's key: admin, sees every server. Also `general_settings.master_key`, `PORTCULLIS_MASTER_KEY`, `LITELLM_MASTER_KEY`.",
        ),
        Key::new(
            "keys",
            Kind::Sections(&FILE_KEY),
            "API keys, besides those in the store.",
        ),
        Key::new(
            "scopes_supported",
            Kind::Words,
            "Scopes that our protected-resource documents (RFC 9728) name to everybody, also to callers without a key.",
        ),
        Key::new(
            "issuers",
            Kind::Sections(&issuers::ISSUER),
            "Authorization servers whose access tokens are accepted.",
        ),
        Key::new(
            "client_certificates",
            Kind::Sections(&certificates::CERTIFICATE),
            "Whose client certificate means whom, where `server.tls.client_ca` asks for one.",
        ),
        Key::new(
            "authorization_server",
            Kind::Section(&authorization_server::AUTHORIZATION_SERVER),
            "The authorization server that MCP clients sign people in at.",
        ),
        Key::new(
            "allow_undefined_users",
            Kind::Flag,
            "Admit credentials that name a person whom nobody defined, although `users` or the store define others. `compat: litellm` does.",
        )
        .default("false"),
        Key::new(
            "login",
            Kind::Section(&login::LOGIN),
            "How people sign in with a browser, to let an application act for them or to connect accounts.",
        ),
    ],
};

pub(crate) static FILE_KEY: Section = Section {
    name: "identity_key",
    doc: "One API key. Without grants it sees no server.",
    keys: &[
        Key::new("id", Kind::Text, "Public name, for logs. Required, unique."),
        Key::new(
            "key",
            Kind::Secret,
            "What the caller sends. This or `sha256`.",
        ),
        Key::new(
            "sha256",
            Kind::Text,
            "The key's SHA-256 in hexadecimal, so that the key need not be here.",
        ),
        Key::new("servers", Kind::Texts, "Servers it may use.").restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "Access groups whose servers it may use.",
        )
        .restricts(),
        Key::new(
            "all_servers",
            Kind::Flag,
            "May use every server, now and later.",
        )
        .default("false")
        .restricts(),
        Key::new("toolsets", Kind::Texts, "Toolsets whose tools it may use.").restricts(),
        Key::new("scopes", Kind::Words, "OAuth scopes it carries."),
        Key::new(
            "role",
            Kind::Choice(&["user", "approver", "viewer", "admin"]),
            "Rights over the gateway itself.",
        )
        .default("user"),
        Key::new("user_id", Kind::Text, "The person or service behind it."),
        Key::new("email", Kind::Text, "Their e-mail address."),
        Key::new("team", Kind::Text, "Their team."),
        Key::new("org", Kind::Text, "Their organization."),
        Key::new(
            "expires_at",
            Kind::Text,
            "When it ends, RFC 3339: `2027-01-31T00:00:00Z`.",
        )
        .restricts(),
    ],
};

pub(crate) static STORE: Section = Section {
    name: "store",
    doc: "Where state is kept.",
    keys: &[
        Key::new(
            "path",
            Kind::FilePath,
            "The SQLite database. The key ring lies beside it, also where `database_url` is set.",
        )
        .default("portcullis.db"),
        Key::new(
            "database_url",
            Kind::Secret,
            "A PostgreSQL database in place of SQLite, for several replicas: `postgres://user:password@host:5432/database`. `portcullis migrate` prepares it. On another machine it must prove who it is (`sslmode=verify-full`, the default; `sslrootcert=FILE` for an authority of your own).",
        ),
        Key::new(
            "allow_unverified_database",
            Kind::Flag,
            "Admit an `sslmode` in `database_url` that does not prove who answers at another machine.",
        )
        .default("false"),
        Key::new(
            "database_connections",
            Kind::Whole(2, 1000),
            "Most connections of this process to PostgreSQL.",
        )
        .default("10"),
        Key::new(
            "acquire_timeout",
            Kind::Span,
            "How long to wait for a connection to PostgreSQL.",
        )
        .default("5s"),
        Key::new(
            "statement_timeout",
            Kind::Span,
            "How long PostgreSQL may work on one statement; it may wait half of that for others.",
        )
        .default("10s"),
    ],
};

pub(crate) static AUDIT: Section = Section {
    name: "audit",
    doc: "One event for every request, also for those denied.",
    keys: &[
        Key::new(
            "required",
            Kind::Flag,
            "The event is durable before the answer, also against a power cut; what cannot be recorded is denied.",
        )
        .default("false")
        .restricts(),
        Key::new(
            "jsonl_path",
            Kind::FilePath,
            "Also append each event to this file as a line of JSON. A `sinks` entry of `type: file` can rotate it.",
        ),
        Key::new(
            "sinks",
            Kind::Sections(&audit::SINK),
            "Where else each event goes. None of them holds up a request; what cannot be written or delivered is counted, and the count is told.",
        ),
        Key::new(
            "retention_days",
            Kind::Whole(1, 36_500),
            "Events older than that are removed from the store, from the beginning of each chain and with a signed mark, so that `audit verify` still proves the rest. Without it, none are.",
        ),
        Key::new(
            "log_requests",
            Kind::Flag,
            "Also one line of the log for each request: `user`, `tool`, `action`, `outcome` and the request's id.",
        )
        .default("false"),
    ],
};

pub(crate) static TELEMETRY: Section = Section {
    name: "telemetry",
    doc: "Logs, metrics and traces.",
    keys: &[
        Key::new(
            "log_format",
            Kind::Choice(&["auto", "pretty", "json"]),
            "`auto` is pretty on a terminal and JSON elsewhere. `--log-format` wins.",
        )
        .default("auto"),
        Key::new(
            "log_level",
            Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            "Least important level that is logged. `--log` and `PORTCULLIS_LOG` win.",
        )
        .default("info"),
        Key::new("metrics", Kind::Flag, "Serve `/metrics` to admins.").default("true"),
        Key::new("traces", Kind::Section(&traces::TRACES), "Where spans go."),
    ],
};
