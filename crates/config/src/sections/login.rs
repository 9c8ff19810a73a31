//! `identity.login`: how people sign in with a browser.

use std::time::Duration;

use portcullis_core::{ClientSecret, ScopeSet};

use crate::fields::{At, Fields};
use crate::keys::login::GRANTS;
use crate::model::{ClientAuth, GrantedScopes, Login, LoginProvider, Sourced};
use crate::sections::grants::Surroundings;
use crate::sections::issuers;
use crate::tree::Node;
use crate::validate::urls::PlainHttp;

/// Without `scopes`.
const USUAL_SCOPES: [&str; 3] = ["openid", "email", "profile"];
const SHORTEST_SESSION: Duration = Duration::from_mins(1);
/// Most that `session_ttl` may be.
const LONGEST_SESSION: Duration = Duration::from_hours(30 * 24);

/// Keys that mean nothing without a provider.
const OF_A_PROVIDER: [&str; 15] = [
    "name",
    "client_id",
    "client_secret",
    "token_endpoint_auth_method",
    "scopes",
    "algorithms",
    "leeway",
    "claims",
    "servers",
    "access_groups",
    "all_servers",
    "granted_scopes",
    "groups",
    "teams",
    "allow_insecure_http",
];

pub(crate) fn read(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> Login {
    let Some(fields) = fields.section("login") else {
        return Login::default();
    };
    let with_key = fields.flag("with_key").unwrap_or(true);
    let session_ttl = session_ttl(&fields).unwrap_or(Login::default().session_ttl);
    let provider = if fields.has("issuer") {
        provider(&fields, around)
    } else {
        for name in OF_A_PROVIDER {
            if fields.has(name) {
                fields.findings.error(
                    fields.place(name),
                    format!(
                        "`{name}` without `issuer`: there is no provider that it could be about"
                    ),
                    "write the provider's `issuer`, or remove the key",
                );
            }
        }
        if !with_key {
            fields.findings.error(
                fields.place("with_key"),
                "nobody could sign in: there is no provider either",
                "write the provider's `issuer` and `client_id`, or remove `with_key`",
            );
        }
        None
    };
    Login {
        with_key,
        session_ttl,
        provider,
    }
}

fn session_ttl(fields: &Fields<'_, '_>) -> Option<Duration> {
    if !fields.has("session_ttl") {
        return None;
    }
    let span = fields.span("session_ttl")?;
    if !(SHORTEST_SESSION..=LONGEST_SESSION).contains(&span) {
        fields.findings.error(
            fields.place("session_ttl"),
            "not between 1m and 30d",
            "write for example `8h`: what a provider says of a person is as old as their sign-in",
        );
        return None;
    }
    Some(span)
}

fn provider(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> Option<LoginProvider> {
    let allow_insecure_http = fields.flag("allow_insecure_http").unwrap_or(false);
    let plain = if allow_insecure_http {
        PlainHttp::Accepted("`allow_insecure_http: true`")
    } else {
        PlainHttp::Refused
    };
    let identifier = fields
        .text("issuer")
        .and_then(|text| issuers::identifier(fields.findings, text, plain));
    let client_id = fields.require("client_id", fields.text("client_id"));
    let client_secret = client_secret(fields);
    let scopes = scopes(fields);
    let algorithms = issuers::algorithms(fields);
    let leeway = issuers::bounded(fields, "leeway", issuers::LEEWAY, issuers::LONGEST_LEEWAY);
    let empty = Node::empty_map();
    let claims = issuers::claims(&fields.section_or_empty("claims", &empty)?);
    let mut granted_scopes = GrantedScopes {
        everybody: fields.scopes("granted_scopes"),
        ..GrantedScopes::default()
    };
    let mut further = |kind: &str, name: &str, fields: &Fields<'_, '_>| {
        let scopes = fields.scopes("granted_scopes");
        let named = match kind {
            "groups" => &mut granted_scopes.groups,
            _ => &mut granted_scopes.teams,
        };
        named.insert(name.to_owned(), scopes);
    };
    let grants = issuers::issuer_grants(
        fields,
        around,
        &claims,
        "people who sign in",
        (&GRANTS, &mut further),
    );
    let name = fields.text("name").map(|text| text.value);
    let (issuer, url) = identifier?;
    let name = name.unwrap_or_else(|| url.host_str().unwrap_or("the provider").to_owned());
    Some(LoginProvider {
        issuer,
        url,
        name,
        client_id: client_id?.value,
        client_secret: client_secret?,
        scopes,
        algorithms: algorithms?,
        leeway: leeway?,
        claims,
        grants,
        granted_scopes,
        allow_insecure_http,
    })
}

/// The secret and how it is presented. The outer `None`: what is written cannot be used.
#[expect(
    clippy::option_option,
    reason = "a public client and a mistake are two things"
)]
fn client_secret(fields: &Fields<'_, '_>) -> Option<Option<(Sourced<ClientSecret>, ClientAuth)>> {
    const METHOD: &str = "token_endpoint_auth_method";
    let method = fields.choice(METHOD);
    if fields.has(METHOD) && method.is_none() {
        return None;
    }
    if !fields.has("client_secret") {
        if matches!(method, Some("client_secret_basic" | "client_secret_post")) {
            fields.findings.error(
                fields.place(METHOD),
                "there is no `client_secret` to present",
                "write `client_secret: os.environ/…`, or `none` for a public client",
            );
            return None;
        }
        return Some(None);
    }
    let At { value, .. } = fields.secret("client_secret")?;
    let secret = value.map(|secret| ClientSecret::new(secret.expose()));
    match method {
        Some("none") => {
            fields.findings.error(
                fields.place(METHOD),
                "`none` beside a `client_secret`",
                "keep one of them: a public client has no secret",
            );
            None
        }
        Some("client_secret_post") => Some(Some((secret, ClientAuth::Post))),
        _ => Some(Some((secret, ClientAuth::Basic))),
    }
}

fn scopes(fields: &Fields<'_, '_>) -> ScopeSet {
    let written = fields.scopes("scopes");
    let written: Vec<&str> = if fields.has("scopes") {
        written.iter().chain(["openid"]).collect()
    } else {
        USUAL_SCOPES.to_vec()
    };
    // Each token was judged when it was read.
    ScopeSet::from_tokens(written).unwrap_or_default()
}
