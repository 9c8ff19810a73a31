//! `identity.issuers`: whose tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_core::{ClientSecret, ServerGrants};
use url::Url;

use crate::fields::{At, Fields};
use crate::findings::Findings;
use crate::keys::Section;
use crate::keys::issuers::GRANTS;
use crate::model::{
    ClaimNames, ClientAuth, Introspection, IssuerGrants, JWS_ALGORITHMS, TokenIssuer, TokenTypeName,
};
use crate::sections::grants::{self, Surroundings};
use crate::suggest::nearest;
use crate::tree::Node;
use crate::validate::urls::{PlainHttp, callable};

/// Without `algorithms`: what nearly every issuer signs with.
const USUAL_ALGORITHMS: &[&str] = &["RS256", "ES256"];
/// Without `token_types`: RFC 9068's, and what issuers from before it write.
const USUAL_TYPES: &[&str] = &["at+jwt", "JWT"];
/// Types of tokens that are never for access, whoever asks for it.
const OTHER_TYPES: &[&str] = &[
    "logout+jwt",
    "secevent+jwt",
    "dpop+jwt",
    "oauth-authz-req+jwt",
    "token-introspection+jwt",
    "client-authentication+jwt",
];
pub(crate) const LEEWAY: Duration = Duration::from_secs(30);
/// Most that `leeway` may be.
pub const LONGEST_LEEWAY: Duration = Duration::from_mins(5);
pub(crate) const LIFETIME: Duration = Duration::from_hours(24);
/// Most that `max_token_lifetime` may be.
pub const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// All of them.
pub(crate) fn read(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> Vec<TokenIssuer> {
    let mut known = BTreeSet::new();
    let mut asking = false;
    let mut issuers = Vec::new();
    for entry in fields.sections("issuers") {
        let Some(issuer) = issuer(&entry, around) else {
            continue;
        };
        if !known.insert(issuer.issuer.clone()) {
            entry.findings.error(
                entry.place("issuer"),
                format!("`{}` is the issuer of two entries", issuer.issuer),
                "write all of its audiences and grants into one",
            );
        }
        if issuer.introspection.is_some() && std::mem::replace(&mut asking, true) {
            entry.findings.error(
                entry.place("introspection"),
                "a second issuer with opaque tokens",
                "nothing tells whose an opaque token is, and showing one issuer's tokens to another would give them away; keep `introspection` for one issuer",
            );
        }
        issuers.push(issuer);
    }
    issuers
}

fn issuer(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> Option<TokenIssuer> {
    let allow_insecure_http = fields.flag("allow_insecure_http").unwrap_or(false);
    let plain = if allow_insecure_http {
        PlainHttp::Accepted("`allow_insecure_http: true`")
    } else {
        PlainHttp::Refused
    };
    let identifier = fields
        .require("issuer", fields.text("issuer"))
        .and_then(|text| identifier(fields.findings, text, plain));
    let audiences = audiences(fields);
    let jwks_uri = fields
        .url("jwks_uri")
        .and_then(|url| callable(fields.findings, url, plain));
    let algorithms = algorithms(fields);
    let token_types = token_types(fields);
    let leeway = bounded(fields, "leeway", LEEWAY, LONGEST_LEEWAY);
    let max_token_lifetime = bounded(
        fields,
        "max_token_lifetime",
        LIFETIME,
        LONGEST_TOKEN_LIFETIME,
    );
    let empty = Node::empty_map();
    let claims = claims(&fields.section_or_empty("claims", &empty)?);
    let grants = issuer_grants(
        fields,
        around,
        &claims,
        "bearers of its tokens",
        (&GRANTS, &mut |_, _, _| {}),
    );
    let introspection = fields
        .section("introspection")
        .and_then(|section| introspection(&section, plain));
    if fields.has("introspection") && fields.has("jwks_uri") {
        fields.findings.error(
            fields.place("jwks_uri"),
            "`jwks_uri` beside `introspection`",
            "a token is either verified by keys or asked about; keep one of them",
        );
    }
    for key in ["algorithms", "token_types"] {
        if fields.has("introspection") && fields.has(key) {
            fields.findings.error(
                fields.place(key),
                format!("`{key}` beside `introspection`"),
                "nothing of a token is read where its issuer is asked about it: remove the key",
            );
        }
    }
    let id_jag = fields.flag("id_jag").unwrap_or(false);
    if id_jag && fields.has("introspection") {
        fields.findings.error(
            fields.place("id_jag"),
            "`id_jag` beside `introspection`",
            "an identity assertion is verified by its issuer's keys: remove one of them",
        );
    }
    // What is written and cannot be used is not taken for absent.
    let unusable = (fields.has("jwks_uri") && jwks_uri.is_none())
        || (fields.has("introspection") && introspection.is_none());
    if unusable {
        return None;
    }
    let (issuer, url) = identifier?;
    Some(TokenIssuer {
        issuer,
        url,
        audiences: audiences?,
        jwks_uri,
        algorithms: algorithms?,
        token_types: token_types?,
        leeway: leeway?,
        max_token_lifetime: max_token_lifetime?,
        claims,
        grants,
        introspection,
        id_jag,
        allow_insecure_http,
    })
}

/// RFC 8414 §2: https, no query, no fragment. It is kept as it is written: it is compared so.
pub(crate) fn identifier(
    findings: &Findings<'_>,
    At { value, place }: At<String>,
    plain: PlainHttp,
) -> Option<(String, Url)> {
    let url = Url::parse(&value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    let Some(url) = url.filter(|url| url.query().is_none() && !value.contains(' ')) else {
        findings.error(
            place,
            "not an issuer identifier (RFC 8414 §2: an https URL without query and fragment)",
            "write the `issuer` of its metadata, or the `iss` of one of its tokens",
        );
        return None;
    };
    let url = callable(findings, At { value: url, place }, plain)?;
    Some((value, url))
}

/// `audience`: at least one, and none for everybody.
pub(crate) fn audiences(fields: &Fields<'_, '_>) -> Option<BTreeSet<String>> {
    let texts = fields.require("audience", fields.texts("audience"))?;
    let mut audiences = BTreeSet::new();
    for At { value, place } in texts {
        if value == "*" {
            fields.findings.error(
                place,
                "`*` would accept tokens that were made for anybody else",
                "write the `aud` of the tokens that are meant for this gateway",
            );
            return None;
        }
        audiences.insert(value);
    }
    if audiences.is_empty() {
        fields.findings.error(
            fields.place("audience"),
            "without an audience every token is refused",
            "write the `aud` of the tokens that are meant for this gateway",
        );
        return None;
    }
    Some(audiences)
}

pub(crate) fn algorithms(fields: &Fields<'_, '_>) -> Option<Vec<&'static str>> {
    let Some(texts) = fields.texts("algorithms") else {
        return Some(USUAL_ALGORITHMS.to_vec());
    };
    let mut algorithms = Vec::new();
    for At { value, place } in &texts {
        let Some(name) = JWS_ALGORITHMS.iter().find(|name| *name == value) else {
            let help = nearest(value, JWS_ALGORITHMS.iter().copied()).map_or_else(
                || format!("write some of {}", JWS_ALGORITHMS.join(", ")),
                |name| format!("did you mean `{name}`?"),
            );
            let message = "not an algorithm by which a token can be believed";
            fields.findings.error(place.clone(), message, help);
            return None;
        };
        algorithms.push(*name);
    }
    not_empty(fields, "algorithms", algorithms)
}

fn token_types(fields: &Fields<'_, '_>) -> Option<Vec<TokenTypeName>> {
    let Some(texts) = fields.texts("token_types") else {
        return Some(usual_types());
    };
    let mut types = Vec::new();
    for At { value, place } in texts {
        let lower = value.to_ascii_lowercase();
        let bare = lower.strip_prefix("application/").unwrap_or(&lower);
        if OTHER_TYPES.contains(&bare) {
            fields.findings.error(
                place,
                format!("a `{value}` is never an access token"),
                "write the `typ` of the issuer's access tokens",
            );
            return None;
        }
        types.push(if value == "absent" {
            TokenTypeName::Absent
        } else {
            TokenTypeName::Named(value)
        });
    }
    not_empty(fields, "token_types", types)
}

pub(crate) fn usual_types() -> Vec<TokenTypeName> {
    let named = |name: &&str| TokenTypeName::Named((*name).to_owned());
    USUAL_TYPES.iter().map(named).collect()
}

fn not_empty<T>(fields: &Fields<'_, '_>, name: &str, values: Vec<T>) -> Option<Vec<T>> {
    if values.is_empty() {
        fields.findings.error(
            fields.place(name),
            "an empty list refuses every token",
            "write at least one, or remove the key",
        );
        return None;
    }
    Some(values)
}

pub(crate) fn bounded(
    fields: &Fields<'_, '_>,
    name: &str,
    absent: Duration,
    most: Duration,
) -> Option<Duration> {
    if !fields.has(name) {
        return Some(absent);
    }
    let span = fields.span(name)?;
    if span > most {
        fields.findings.error(
            fields.place(name),
            format!("longer than {}s", most.as_secs()),
            "a longer one would let tokens live on after their end",
        );
        return None;
    }
    Some(span)
}

pub(crate) fn claims(fields: &Fields<'_, '_>) -> ClaimNames {
    let name = |name: &str| fields.text(name).map(|text| text.value);
    let usual = |field: &str, usual: &str| name(field).or_else(|| Some(usual.to_owned()));
    ClaimNames {
        user_id: usual("user_id", "sub"),
        email: usual("email", "email"),
        team: name("team"),
        org: name("org"),
        groups: usual("groups", "groups"),
    }
}

/// Reads what else is granted to a group or a team: `groups` or `teams`, its name, its fields.
pub(crate) type Further<'a> = &'a mut dyn FnMut(&str, &str, &Fields<'_, '_>);

pub(crate) fn issuer_grants(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    claims: &ClaimNames,
    who: &str,
    (section, further): (&'static Section, Further<'_>),
) -> IssuerGrants {
    let everybody = grants::written(fields, around).unwrap_or_default();
    let mut by_name = |name: &str| -> BTreeMap<String, ServerGrants> {
        fields
            .named(name)
            .into_iter()
            .map(|(group, place, node)| {
                let fields = Fields::open(fields.findings, section, node, place.path);
                further(name, group, &fields);
                let granted = grants::written(&fields, around).unwrap_or_default();
                (group.to_owned(), granted)
            })
            .collect()
    };
    let grants = IssuerGrants {
        everybody,
        groups: by_name("groups"),
        teams: by_name("teams"),
    };
    if grants == IssuerGrants::default() {
        fields.findings.info(
            fields.own_place(),
            format!(
                "without `servers`, `access_groups`, `groups` or `teams`, {who} see only servers with `allow_all_keys`"
            ),
        );
    }
    if !grants.teams.is_empty() && claims.team.is_none() {
        fields.findings.error(
            fields.place("teams"),
            "`teams` without `claims.team`: nobody is in one",
            "write which claim names the team: `claims: {team: …}`",
        );
    }
    grants
}

fn introspection(fields: &Fields<'_, '_>, plain: PlainHttp) -> Option<Introspection> {
    let url = fields.require("url", fields.url("url"));
    let url = url.and_then(|url| callable(fields.findings, url, plain));
    let client_id = fields.require("client_id", fields.text("client_id"));
    let client_secret = fields.require("client_secret", fields.secret("client_secret"));
    let client_auth = match fields.choice("token_endpoint_auth_method") {
        Some("client_secret_post") => ClientAuth::Post,
        None if fields.has("token_endpoint_auth_method") => return None,
        _ => ClientAuth::Basic,
    };
    Some(Introspection {
        url: url?,
        client_id: client_id?.value,
        client_secret: client_secret?
            .value
            .map(|secret| ClientSecret::new(secret.expose())),
        client_auth,
    })
}
