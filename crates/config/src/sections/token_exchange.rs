//! `auth_type: oauth2_token_exchange`: on behalf of the caller.

use url::Url;

use crate::fields::Fields;
use crate::keys::servers::ACCESS_TOKEN;
use crate::model::{ActorSource, Auth, ExchangeProfile, Rfc8693, TokenExchange};
use crate::sections::oauth_client::{self, Keys};
use crate::sections::upstream_auth::{ResourceOwner, either, resource};
use crate::validate::urls::{PlainHttp, callable};

/// Keys that mean nothing with any other `auth_type`.
const OWN: [&str; 9] = [
    "token_exchange_endpoint",
    "token_exchange_profile",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "actor_token_source",
    "actor_scopes",
    "scopes_within_subject",
];

/// `None` only when something was recorded as an error.
pub(crate) fn read(fields: &Fields<'_, '_>, url: Option<&Url>, plain: PlainHttp) -> Option<Auth> {
    let client = oauth_client::read(fields, Keys::Server);
    let token_validation = oauth_client::token_validation(fields);
    let endpoint = endpoint(fields, plain);
    let scopes = fields.scopes("scopes");
    let is_within = fields.flag("scopes_within_subject").unwrap_or(false);
    if is_within && scopes.is_empty() {
        fields.findings.error(
            fields.place("scopes_within_subject"),
            "`scopes_within_subject` without `scopes`: what is not asked for, the endpoint chooses",
            "add `scopes: […]`, the most that is ever asked for",
        );
        return None;
    }
    let profile = match fields.choice("token_exchange_profile") {
        None if fields.has("token_exchange_profile") => None,
        Some("entra_obo") => entra(fields),
        _ => rfc8693(fields, url, is_within),
    };
    if profile == Some(ExchangeProfile::EntraObo) && scopes.is_empty() {
        fields.findings.error(
            fields.place("token_exchange_profile"),
            "`entra_obo` without `scopes`: Entra exchanges a token only for named scopes",
            "add `scopes: [api://…/.default]`",
        );
        return None;
    }
    Some(Auth::TokenExchange(Box::new(TokenExchange {
        endpoint: endpoint?,
        client: client?,
        profile: profile?,
        scopes,
        token_validation: token_validation?,
    })))
}

/// Callers' tokens go where the file says and nowhere else.
fn endpoint(fields: &Fields<'_, '_>, plain: PlainHttp) -> Option<Url> {
    let key = either(fields, "token_exchange_endpoint", "token_url");
    if !fields.has(key) {
        fields.findings.error(
            fields.place("auth_type"),
            "`oauth2_token_exchange` without `token_exchange_endpoint`: callers' tokens are sent only to an address of this file",
            "add `token_exchange_endpoint: https://…`",
        );
        return None;
    }
    callable(fields.findings, fields.url(key)?, plain)
}

fn rfc8693(
    fields: &Fields<'_, '_>,
    url: Option<&Url>,
    scopes_within_subject: bool,
) -> Option<ExchangeProfile> {
    let kind = |key: &str| {
        fields
            .text(key)
            .map_or_else(|| ACCESS_TOKEN.to_owned(), |text| text.value)
    };
    let actor_type = kind("actor_token_type");
    let (actor, is_sound) = actor(fields);
    if !is_sound {
        return None;
    }
    let resource_key = either(fields, "resource", "upstream_resource");
    Some(ExchangeProfile::Rfc8693(Box::new(Rfc8693 {
        subject_token_type: kind("subject_token_type"),
        requested_token_type: fields.text("requested_token_type").map(|text| text.value),
        actor: actor.map(|actor| (actor, actor_type)),
        audience: fields.text("audience").map(|text| text.value),
        resource: resource(
            fields,
            fields.text(resource_key),
            ResourceOwner::Server(url),
        ),
        scopes_within_subject,
    })))
}

/// Who acts, if anybody is said to; and whether what is said makes sense.
fn actor(fields: &Fields<'_, '_>) -> (Option<ActorSource>, bool) {
    let source = fields.choice("actor_token_source");
    let is_known = source.is_some() || !fields.has("actor_token_source");
    let scopes = fields.scopes("actor_scopes");
    if source == Some("client_credentials") {
        let sound = refuse(
            fields,
            &["actor_token"],
            "is not sent: `actor_token_source` is `client_credentials`",
            "remove one of them",
        );
        return (
            Some(ActorSource::ClientCredentials(scopes)),
            sound.is_some(),
        );
    }
    let sound = refuse(
        fields,
        &["actor_scopes"],
        "has no effect on a token that is written down",
        "add `actor_token_source: client_credentials`, or remove the key",
    );
    let token = fields.secret("actor_token");
    let token = if source == Some("secret") {
        fields.require("actor_token", token)
    } else {
        token
    };
    let is_missing = token.is_none() && (fields.has("actor_token") || source.is_some());
    (
        token.map(|token| ActorSource::Secret(token.value)),
        is_known && sound.is_some() && !is_missing,
    )
}

fn entra(fields: &Fields<'_, '_>) -> Option<ExchangeProfile> {
    let unused = [
        "subject_token_type",
        "requested_token_type",
        "actor_token",
        "actor_token_type",
        "actor_token_source",
        "actor_scopes",
        "audience",
        "resource",
        "upstream_resource",
        "scopes_within_subject",
    ];
    refuse(
        fields,
        &unused,
        "has no place in Entra's on-behalf-of flow and would not be sent",
        "remove it, or write `token_exchange_profile: rfc8693`",
    )?;
    Some(ExchangeProfile::EntraObo)
}

/// With another `auth_type`. `None`: recorded as an error.
pub(crate) fn refuse_keys(fields: &Fields<'_, '_>) -> Option<()> {
    refuse(
        fields,
        &OWN,
        "is for `auth_type: oauth2_token_exchange` only",
        "add `auth_type: oauth2_token_exchange`, or remove the key",
    )
}

pub(crate) fn refuse(fields: &Fields<'_, '_>, keys: &[&str], why: &str, help: &str) -> Option<()> {
    let mut sound = Some(());
    for key in keys {
        if fields.has(key) {
            fields
                .findings
                .error(fields.place(key), format!("`{key}` {why}"), help);
            sound = None;
        }
    }
    sound
}
