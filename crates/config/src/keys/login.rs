//! How people sign in with a browser.

use super::{Key, Kind, Section, issuers};

pub(crate) static LOGIN: Section = Section {
    name: "identity_login",
    doc: "How people sign in with a browser: with a key of ours, and with an OpenID provider where `issuer` names one. Who signs in with the provider sees no server without grants.",
    keys: &[
        Key::new(
            "with_key",
            Kind::Flag,
            "People may type in an API key, over https or on loopback.",
        )
        .default("true")
        .restricts(),
        Key::new(
            "session_ttl",
            Kind::Span,
            "How long a sign-in lasts; 1m to 30d. What a key or a person may do is looked up anew with each request, their groups only at the next sign-in.",
        )
        .default("8h")
        .restricts(),
        Key::new(
            "issuer",
            Kind::Text,
            "The provider's identifier, exactly as its metadata says it. Its metadata is discovered (OpenID Connect Discovery). Register `<our origin>/login/callback` there as redirect URI.",
        ),
        Key::new(
            "name",
            Kind::Text,
            "What people call the provider, for its button. Absent: its host.",
        ),
        Key::new("client_id", Kind::Text, "Our client there. Required with `issuer`."),
        Key::new(
            "client_secret",
            Kind::Secret,
            "Its secret; absent for a public client, which S256 protects.",
        ),
        Key::new(
            "token_endpoint_auth_method",
            Kind::Choice(&["client_secret_basic", "client_secret_post", "none"]),
            "How the secret is presented. Without a secret `none`.",
        )
        .default("client_secret_basic"),
        Key::new(
            "scopes",
            Kind::Words,
            "What is asked for; `openid` always is.",
        )
        .default("openid email profile"),
        Key::new(
            "algorithms",
            Kind::Texts,
            "Accepted signature algorithms of its ID tokens: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.",
        )
        .default("[RS256, ES256]")
        .restricts(),
        Key::new(
            "leeway",
            Kind::Span,
            "How far its clock may differ from ours; at most 5m.",
        )
        .default("30s"),
        Key::new(
            "claims",
            Kind::Section(&issuers::CLAIMS),
            "Which claim of the ID token says what about the person.",
        ),
        Key::new("servers", Kind::Texts, "Servers that everybody who signs in may use.")
            .restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "Access groups whose servers everybody who signs in may use.",
        )
        .restricts(),
        Key::new(
            "all_servers",
            Kind::Flag,
            "Everybody who signs in may use every server, now and later.",
        )
        .default("false")
        .restricts(),
        Key::new(
            "granted_scopes",
            Kind::Words,
            "Scopes that everybody who signs in has. A client that acts for a person gets no scope that the person has not.",
        )
        .restricts(),
        Key::new(
            "groups",
            Kind::Named(&GRANTS),
            "What members of a group may use in addition, by the group's name as the provider says it.",
        ),
        Key::new(
            "teams",
            Kind::Named(&GRANTS),
            "What members of a team may use in addition, by the team's name as the provider says it.",
        ),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept plain http beyond loopback for its URLs: whoever is on the way can be anybody.",
        )
        .default("false"),
    ],
};

pub(crate) static GRANTS: Section = Section {
    name: "identity_login_grants",
    doc: "Which servers may be used, and with which scopes.",
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
        Key::new("granted_scopes", Kind::Words, "These scopes.").restricts(),
    ],
};
