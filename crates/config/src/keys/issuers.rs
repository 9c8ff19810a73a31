//! Issuers of tokens that callers may present.

use super::{Key, Kind, Section};

pub(crate) static ISSUER: Section = Section {
    name: "identity_issuer",
    doc: "An authorization server whose access tokens are accepted. Their bearers see no server without grants.",
    keys: &[
        Key::new(
            "issuer",
            Kind::Text,
            "Its identifier, exactly as its tokens' `iss` and its metadata say it. Required, unique.",
        ),
        Key::new(
            "audience",
            Kind::Texts,
            "Accepted values of `aud`, compared exactly; a token must name one of them. Required.",
        )
        .restricts(),
        Key::new(
            "jwks_uri",
            Kind::Url,
            "Where its keys are. Absent: discovered from `issuer` (RFC 8414, OpenID Connect Discovery).",
        )
        .restricts(),
        Key::new(
            "algorithms",
            Kind::Texts,
            "Accepted signature algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.",
        )
        .default("[RS256, ES256]")
        .restricts(),
        Key::new(
            "token_types",
            Kind::Texts,
            "Accepted values of `typ`; `absent` for tokens without one.",
        )
        .default("[at+jwt, JWT]")
        .restricts(),
        Key::new(
            "leeway",
            Kind::Span,
            "How far its clock may differ from ours; at most 5m.",
        )
        .default("30s"),
        Key::new(
            "max_token_lifetime",
            Kind::Span,
            "Longest time from a token's issue to its end; at most 30d.",
        )
        .default("24h")
        .restricts(),
        Key::new(
            "claims",
            Kind::Section(&CLAIMS),
            "Which claim says what about the caller.",
        ),
        Key::new(
            "id_jag",
            Kind::Flag,
            "Take its identity assertions (ID-JAG) at our own token endpoint: clients with a secret get access tokens for the people that it names, who are not asked.",
        )
        .default("false"),
        Key::new("servers", Kind::Texts, "Servers that every bearer may use.").restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "Access groups whose servers every bearer may use.",
        )
        .restricts(),
        Key::new(
            "all_servers",
            Kind::Flag,
            "Every bearer may use every server, now and later.",
        )
        .default("false")
        .restricts(),
        Key::new(
            "groups",
            Kind::Named(&GRANTS),
            "What members of a group may use in addition, by the group's name as the issuer says it.",
        ),
        Key::new(
            "teams",
            Kind::Named(&GRANTS),
            "What members of a team may use in addition, by the team's name as the issuer says it.",
        ),
        Key::new(
            "introspection",
            Kind::Section(&INTROSPECTION),
            "Its tokens are opaque to us: ask it about each (RFC 7662). For one issuer at most.",
        )
        .restricts(),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept plain http beyond loopback for its URLs: whoever is on the way can be anybody.",
        )
        .default("false"),
    ],
};

pub(crate) static CLAIMS: Section = Section {
    name: "identity_claims",
    doc: "Names of claims, or paths with dots (`realm_access.roles`). A claim of exactly that name comes first.",
    keys: &[
        Key::new("user_id", Kind::Text, "The person or service.").default("sub"),
        Key::new(
            "email",
            Kind::Text,
            "Their e-mail address; not used where `email_verified` is there and not `true`.",
        )
        .default("email"),
        Key::new("team", Kind::Text, "Their team: one text."),
        Key::new("org", Kind::Text, "Their organization: one text."),
        Key::new(
            "groups",
            Kind::Text,
            "Their groups: a list of texts, or one.",
        )
        .default("groups"),
    ],
};

pub(crate) static GRANTS: Section = Section {
    name: "identity_grants",
    doc: "Which servers may be used.",
    keys: &[
        Key::new("servers", Kind::Texts, "These servers.").restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "The servers of these access groups.",
        )
        .restricts(),
        Key::new("all_servers", Kind::Flag, "Every server, now and later.")
            .default("false")
            .restricts(),
    ],
};

pub(crate) static INTROSPECTION: Section = Section {
    name: "identity_introspection",
    doc: "The introspection endpoint, and our client there. A good answer is believed for a minute at most.",
    keys: &[
        Key::new("url", Kind::Url, "The introspection endpoint. Required."),
        Key::new("client_id", Kind::Text, "Our client. Required."),
        Key::new("client_secret", Kind::Secret, "Its secret. Required."),
        Key::new(
            "token_endpoint_auth_method",
            Kind::Choice(&["client_secret_basic", "client_secret_post"]),
            "How the secret is presented.",
        )
        .default("client_secret_basic"),
    ],
};
