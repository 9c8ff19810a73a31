//! LiteLLM's `litellm_jwtauth`.

use super::{Key, Kind, Section, inert, unavailable};

const NO_ROLES: &str = "roles of tokens are not available in this build yet, and without them others would be let in; write `identity.issuers` with grants by group, and remove the key";
const NO_SCOPE_RULES: &str =
    "rules by scope are not available here; write `tool_scopes` at the servers, and remove the key";
const NO_RECORDS: &str = "without effect: there are no records of users and teams";
const NO_ADMIN: &str = "without effect: no token makes an administrator";
const NO_END_USER: &str = "without effect: end users of a caller are not told apart";

pub(crate) static JWT_AUTH: Section = Section {
    name: "litellm_jwtauth",
    doc: "LiteLLM's settings for tokens of issuers; `identity.issuers` says the same and more, and is used instead where it is written. Beside `issuers`, what each of them does not say itself.",
    keys: &[
        Key::new("user_id_jwt_field", Kind::Text, "The claim with the user: `claims.user_id` of `identity.issuers`."),
        Key::new("user_email_jwt_field", Kind::Text, "The claim with their e-mail address: `claims.email`."),
        Key::new("team_id_jwt_field", Kind::Text, "The claim with their team: `claims.team`."),
        Key::new("team_ids_jwt_field", Kind::Text, "The claim with their groups: `claims.groups`."),
        Key::new("org_id_jwt_field", Kind::Text, "The claim with their organization: `claims.org`."),
        Key::new(
            "issuers",
            Kind::Sections(&JWT_ISSUER),
            "Issuers whose tokens are accepted. Absent: the one of `JWT_ISSUER`, `JWT_AUDIENCE` and `JWT_PUBLIC_KEY_URL`.",
        )
        .restricts(),
        inert("admin_jwt_scope", NO_ADMIN),
        inert("admin_allowed_routes", NO_ADMIN),
        inert("user_id_upsert", NO_RECORDS),
        inert("team_id_upsert", NO_RECORDS),
        inert("team_id_default", NO_RECORDS),
        inert("sync_user_role_and_teams", NO_RECORDS),
        inert("team_alias_jwt_field", NO_RECORDS),
        inert("org_alias_jwt_field", NO_RECORDS),
        inert("object_id_jwt_field", NO_RECORDS),
        inert("end_user_id_jwt_field", NO_END_USER),
        inert(
            "public_key_ttl",
            "without effect: keys are asked for every five minutes, and at once for a new `kid`",
        ),
        unavailable(
            "user_allowed_email_domain",
            "",
            "admitting by e-mail domain is not available in this build yet; let the issuer decide who gets a token for this audience, and remove the key",
        ),
        unavailable("user_allowed_roles", "", NO_ROLES),
        unavailable("user_roles_jwt_field", "", NO_ROLES),
        unavailable("roles_jwt_field", "", NO_ROLES),
        unavailable("jwt_litellm_role_map", "", NO_ROLES),
        unavailable("role_mappings", "", NO_ROLES),
        unavailable("enforce_rbac", "false", NO_ROLES),
        unavailable("team_allowed_routes", "", NO_SCOPE_RULES),
        unavailable("scope_mappings", "", NO_SCOPE_RULES),
        unavailable("enforce_scope_based_access", "false", NO_SCOPE_RULES),
        unavailable("enforce_team_based_model_access", "false", NO_SCOPE_RULES),
        unavailable(
            "custom_validate",
            "",
            "checks in Python cannot run here; remove the key where tokens may pass without",
        ),
        unavailable(
            "mcp_client_id_jwt_field",
            "",
            "admitting clients by name is not available in this build yet; let the issuer decide which clients get a token for this audience, and remove the key",
        ),
        unavailable(
            "virtual_key_claim_field",
            "",
            "a token cannot stand for a key: write grants by group or team into `identity.issuers`, and remove the key",
        ),
        inert(
            "public_allowed_routes",
            "without effect: nothing is public but health and the documents for strangers",
        ),
        unavailable(
            "oidc_userinfo_enabled",
            "false",
            "tokens are not shown to a userinfo endpoint; write `introspection` into `identity.issuers`",
        ),
        inert("oidc_userinfo_endpoint", "not asked"),
        inert("oidc_userinfo_cache_ttl", "not asked"),
    ],
};

pub(crate) static JWT_ISSUER: Section = Section {
    name: "litellm_jwtauth_issuer",
    doc: "One issuer, in LiteLLM's words.",
    keys: &[
        Key::new(
            "issuer",
            Kind::Text,
            "Its identifier, exactly as its tokens' `iss` says it. Required.",
        ),
        Key::new(
            "audience",
            Kind::Texts,
            "The `aud` of tokens that are meant for this gateway. Required.",
        )
        .restricts(),
        Key::new(
            "jwks_url",
            Kind::Url,
            "Where its keys are; absent, discovered from `issuer`.",
        )
        .restricts(),
        unavailable(
            "disable_audience_validation",
            "false",
            "tokens that were made for anybody else would be accepted; write `audience`, and remove the key",
        ),
        Key::new(
            "user_id_jwt_field",
            Kind::Text,
            "The claim with the user: `claims.user_id` of `identity.issuers`.",
        ),
        Key::new(
            "user_email_jwt_field",
            Kind::Text,
            "The claim with their e-mail address: `claims.email`.",
        ),
        Key::new(
            "team_id_jwt_field",
            Kind::Text,
            "The claim with their team: `claims.team`.",
        ),
        Key::new(
            "team_ids_jwt_field",
            Kind::Text,
            "The claim with their groups: `claims.groups`.",
        ),
        Key::new(
            "org_id_jwt_field",
            Kind::Text,
            "The claim with their organization: `claims.org`.",
        ),
        inert("end_user_id_jwt_field", NO_END_USER),
    ],
};
