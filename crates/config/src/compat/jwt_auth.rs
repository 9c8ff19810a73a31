//! LiteLLM's `enable_jwt_auth`, `litellm_jwtauth` and the `JWT_` variables, as `identity.issuers`.
//!
//! LiteLLM accepts a token without looking at its issuer and audience where they are not written. Here
//! both are demanded: without them whoever gets a token for anything is let in.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{ClaimNames, IssuerGrants, JWS_ALGORITHMS, TokenIssuer};
use crate::sections::issuers;
use crate::validate::urls::{PlainHttp, callable};

const SWITCH: &str = "enable_jwt_auth";
const ISSUER: &str = "JWT_ISSUER";
const AUDIENCE: &str = "JWT_AUDIENCE";
const KEYS: &str = "JWT_PUBLIC_KEY_URL";

/// The issuers that LiteLLM's settings name. `own`: `identity.issuers` is written, and says it all.
pub(crate) fn read(general: &Fields<'_, '_>, own: bool) -> Vec<TokenIssuer> {
    let section = general.section("litellm_jwtauth");
    if general.flag(SWITCH) != Some(true) {
        if section.is_some() {
            general.findings.warning(
                general.place("litellm_jwtauth"),
                "without effect: `enable_jwt_auth: true` is not there, so no token is accepted by it",
            );
        }
        return Vec::new();
    }
    if own {
        general.findings.info(
            general.place(SWITCH),
            "`identity.issuers` says whose tokens are accepted; `litellm_jwtauth` and the JWT_ variables are not used",
        );
        return Vec::new();
    }
    let entries = section.as_ref().map(|section| section.sections("issuers"));
    let found: Vec<TokenIssuer> = match entries.filter(|entries| !entries.is_empty()) {
        Some(entries) => several(&entries, section.as_ref()),
        None if section
            .as_ref()
            .is_some_and(|section| section.has("issuers")) =>
        {
            general.findings.error(
                general.place("litellm_jwtauth"),
                "`issuers` names nobody",
                "write at least one issuer, or remove the key",
            );
            Vec::new()
        }
        None => of_variables(general, section.as_ref())
            .into_iter()
            .collect(),
    };
    for issuer in &found {
        general.findings.info(
            general.place(SWITCH),
            format!(
                "tokens of `{}` are accepted, as by an entry of `identity.issuers`; their bearers see only servers with `allow_all_keys`: write the entry, with `servers` or `groups`, to grant more",
                issuer.issuer
            ),
        );
    }
    found
}

fn several(entries: &[Fields<'_, '_>], common: Option<&Fields<'_, '_>>) -> Vec<TokenIssuer> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for entry in entries {
        let identifier = entry
            .require("issuer", entry.text("issuer"))
            .and_then(|text| issuers::identifier(entry.findings, text, PlainHttp::Refused));
        let audiences = issuers::audiences(entry);
        let jwks_uri = entry
            .url("jwks_url")
            .and_then(|url| callable(entry.findings, url, PlainHttp::Refused));
        let claims = claims(Some(entry), common);
        let (Some((issuer, url)), Some(audiences)) = (identifier, audiences) else {
            continue;
        };
        if entry.has("jwks_url") && jwks_uri.is_none() {
            continue;
        }
        if !known.insert(issuer.clone()) {
            entry.findings.error(
                entry.place("issuer"),
                format!("`{issuer}` is the issuer of two entries"),
                "write all of its audiences into one",
            );
        }
        found.push(token_issuer(issuer, url, audiences, jwks_uri, claims));
    }
    found
}

fn of_variables(general: &Fields<'_, '_>, common: Option<&Fields<'_, '_>>) -> Option<TokenIssuer> {
    let findings = general.findings;
    let value = |name: &str| {
        let value = findings.variable(name);
        value.filter(|value| !value.trim().is_empty())
    };
    let [issuer, audience, keys] = [ISSUER, AUDIENCE, KEYS].map(value);
    let claims = claims(None, common);
    for (name, missing, text) in [
        (
            ISSUER,
            issuer.is_none(),
            "any issuer with a key in that set could let people in",
        ),
        (
            AUDIENCE,
            audience.is_none(),
            "tokens that were made for anybody else would be accepted",
        ),
    ] {
        if missing {
            findings.error(
                general.place(SWITCH),
                format!("`{name}` is not set: {text}"),
                "set JWT_ISSUER and JWT_AUDIENCE to the `iss` and `aud` of the tokens, or write `identity: {issuers: [{issuer: https://…, audience: …}]}`",
            );
        }
    }
    let place = |name: &str| Place {
        path: name.to_owned(),
        ..Place::default()
    };
    if keys.as_ref().is_some_and(|keys| keys.contains(',')) {
        findings.error(
            place(KEYS),
            "several key sets for one issuer",
            "write one entry of `identity.issuers` for each issuer, with its `audience` and `jwks_uri`",
        );
        return None;
    }
    let jwks_uri = match &keys {
        None => None,
        Some(text) => {
            let url = Url::parse(text.trim())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
            let Some(value) = url else {
                findings.error(place(KEYS), "not an absolute http or https URL", ());
                return None;
            };
            let at = At {
                value,
                place: place(KEYS),
            };
            Some(callable(findings, at, PlainHttp::Refused)?)
        }
    };
    let at = At {
        value: issuer?,
        place: place(ISSUER),
    };
    let (issuer, url) = issuers::identifier(findings, at, PlainHttp::Refused)?;
    let audience = audience?;
    if audience == "*" {
        findings.error(
            place(AUDIENCE),
            "`*` would accept tokens that were made for anybody else",
            "write the `aud` of the tokens that are meant for this gateway",
        );
        return None;
    }
    let audiences = BTreeSet::from([audience]);
    Some(token_issuer(issuer, url, audiences, jwks_uri, claims))
}

/// An entry's own names, else those of the section.
fn claims(entry: Option<&Fields<'_, '_>>, common: Option<&Fields<'_, '_>>) -> ClaimNames {
    let name = |name: &str| {
        let own = entry.and_then(|entry| entry.text(name));
        let common = common.and_then(|common| common.text(name));
        own.or(common).map(|text| text.value)
    };
    ClaimNames {
        user_id: name("user_id_jwt_field").or_else(|| Some("sub".to_owned())),
        email: name("user_email_jwt_field"),
        team: name("team_id_jwt_field"),
        org: name("org_id_jwt_field"),
        groups: name("team_ids_jwt_field"),
    }
}

/// LiteLLM takes every algorithm that it knows; of these, the asymmetric ones.
fn token_issuer(
    issuer: String,
    url: Url,
    audiences: BTreeSet<String>,
    jwks_uri: Option<Url>,
    claims: ClaimNames,
) -> TokenIssuer {
    TokenIssuer {
        issuer,
        url,
        audiences,
        jwks_uri,
        algorithms: JWS_ALGORITHMS.to_vec(),
        token_types: issuers::usual_types(),
        leeway: issuers::LEEWAY,
        max_token_lifetime: issuers::LIFETIME,
        claims,
        grants: IssuerGrants {
            everybody: portcullis_core::ServerGrants::default(),
            groups: BTreeMap::new(),
            teams: BTreeMap::new(),
        },
        introspection: None,
        id_jag: false,
        allow_insecure_http: false,
    }
}
