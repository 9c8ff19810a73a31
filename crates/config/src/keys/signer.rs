//! The `mcp_jwt_signer` guardrail.

use super::{Key, Kind, Section};

pub(crate) static SIGNER: Section = Section {
    name: "mcp_jwt_signer",
    doc: "Signs every request to MCP servers with a token of the gateway that says who asks for what.",
    keys: &[
        Key::new(
            "guardrail",
            Kind::Text,
            "`mcp_jwt_signer`. Any other guardrail is an error: none is available in this build yet, and a guardrail is never ignored.",
        ),
        Key::new(
            "mode",
            Kind::Texts,
            "`pre_mcp_call`.",
        ),
        Key::new(
            "default_on",
            Kind::Flag,
            "Signs for every server; without it, for those with `jwt_signer: true`.",
        )
        .default("false")
        .restricts(),
        Key::new(
            "algorithm",
            Kind::Choice(&["RS256", "PS256", "ES256", "EdDSA"]),
            "How it signs. Absent: RS256, or what fits the key of `signing_key`.",
        ),
        Key::new(
            "signing_key",
            Kind::Secret,
            "The private key: PEM, or `file:///…`. Also `MCP_JWT_SIGNING_KEY`. Absent: made at the first start and kept, sealed, in the store.",
        ),
        Key::new(
            "issuer",
            Kind::Text,
            "`iss`, where servers discover the keys. Also `MCP_JWT_ISSUER`, `LITELLM_EXTERNAL_URL`. Absent: `server.public_url`; on loopback, our own address.",
        ),
        Key::new(
            "audience",
            Kind::Text,
            "`aud`; `per_server` writes each server's own URL, so that no server can use a token at another. Also `MCP_JWT_AUDIENCE`.",
        )
        .default("mcp")
        .restricts(),
        Key::new(
            "ttl_seconds",
            Kind::Span,
            "How long a token lives, 1s to 1h. Also `MCP_JWT_TTL_SECONDS`.",
        )
        .default("300"),
        Key::new(
            "scopes",
            Kind::Choice(&["least", "full"]),
            "`least`: what the request needs. `full`: LiteLLM's `mcp:tools/call mcp:tools/list` and the tool's own on every request.",
        )
        .default("least")
        .restricts(),
        Key::new(
            "allowed_scopes",
            Kind::Words,
            "This `scope` on every request, whatever it needs.",
        ),
        Key::new(
            "token_header",
            Kind::Text,
            "Header of the token, after `Bearer `. Another one than `Authorization` lets the signer stand beside a server's own `auth_type`.",
        )
        .default("Authorization"),
        Key::new(
            "access_token_discovery_uri",
            Kind::Url,
            "Metadata of the callers' issuer (`…/.well-known/openid-configuration`): signs only for callers whose own token it signed.",
        )
        .restricts(),
        Key::new(
            "token_introspection_endpoint",
            Kind::Url,
            "Asks there about callers' opaque tokens (RFC 7662).",
        )
        .restricts(),
        Key::new(
            "token_introspection_client_id",
            Kind::Text,
            "Our client at the introspection endpoint. Required with it.",
        ),
        Key::new(
            "token_introspection_client_secret",
            Kind::Secret,
            "Its secret, sent by HTTP Basic. Required with it.",
        ),
        Key::new(
            "verify_issuer",
            Kind::Text,
            "`iss` of callers' tokens, compared exactly. Absent: the issuer of `access_token_discovery_uri`.",
        )
        .restricts(),
        Key::new(
            "verify_audience",
            Kind::Texts,
            "`aud` of callers' tokens, compared exactly. Required where tokens are verified.",
        )
        .restricts(),
        Key::new(
            "timeout",
            Kind::Span,
            "Longest wait for the callers' issuer, at most 30s.",
        )
        .default("10s"),
        Key::new(
            "end_user_claim_sources",
            Kind::Texts,
            "Where `sub` comes from, in order: `token:<claim>`, `litellm:user_id`, `litellm:email`, `litellm:team_id`. Who is known by none of them is refused. Absent: `token:sub` where tokens are verified, then user id, key id.",
        )
        .restricts(),
        Key::new(
            "required_claims",
            Kind::Texts,
            "Claims that callers' tokens must have.",
        )
        .restricts(),
        Key::new(
            "optional_claims",
            Kind::Texts,
            "Claims of callers' verified tokens that are taken over.",
        ),
        Key::new(
            "add_claims",
            Kind::Anything,
            "Claims to add where there is none of the name.",
        ),
        Key::new(
            "set_claims",
            Kind::Anything,
            "Claims to set. `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, `scope` and `act` are the signer's own.",
        ),
        Key::new(
            "remove_claims",
            Kind::Texts,
            "Claims to leave out; none of the signer's own.",
        )
        .restricts(),
        Key::new(
            "channel_token_audience",
            Kind::Text,
            "`aud` of a second token, sent as `x-mcp-channel-token`.",
        ),
        Key::new(
            "channel_token_ttl",
            Kind::Span,
            "How long the second token lives; absent: `ttl_seconds`.",
        ),
        Key::new(
            "debug_headers",
            Kind::Flag,
            "Sends `x-litellm-mcp-debug` along: key id, subject, issuer, end and scope, never the token.",
        )
        .default("false"),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept an `issuer` of plain http beyond loopback: whoever is between it and a server gives that server its own keys.",
        )
        .default("false"),
    ],
};
