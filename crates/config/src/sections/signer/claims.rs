//! The operator's rules about claims.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::fields::{At, Fields};
use crate::model::{ClaimSource, SignerClaims};

/// The signer's own: no rule touches them.
const OURS: [&str; 9] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "act",
];

/// `None`: recorded as an error.
pub(super) fn read(fields: &Fields<'_, '_>, verifies: bool) -> Option<SignerClaims> {
    let subject = sources(fields, verifies);
    let required = of_token(fields, "required_claims", verifies);
    let optional = of_token(fields, "optional_claims", verifies);
    let add = object(fields, "add_claims");
    let set = object(fields, "set_claims");
    let remove = Some(names(fields, "remove_claims"));
    let optional = optional.filter(|names| not_ours(fields, "optional_claims", names));
    let remove = remove.filter(|names| not_ours(fields, "remove_claims", names));
    let remove: BTreeSet<String> = remove?.into_iter().collect();
    Some(SignerClaims {
        subject: subject?,
        required: required?,
        optional: optional?,
        add: add?,
        set: set?,
        remove,
    })
}

fn sources(fields: &Fields<'_, '_>, verifies: bool) -> Option<Vec<ClaimSource>> {
    let Some(written) = fields.texts("end_user_claim_sources") else {
        return Some(if verifies {
            vec![ClaimSource::Token("sub".to_owned()), ClaimSource::UserId]
        } else {
            Vec::new()
        });
    };
    let mut sources = Vec::new();
    for At { value, place } in written {
        sources.push(match value.as_str() {
            "litellm:user_id" => ClaimSource::UserId,
            "litellm:email" => ClaimSource::Email,
            "litellm:team_id" => ClaimSource::Team,
            "litellm:end_user_id" => {
                // LiteLLM takes it from `x-litellm-end-user-id`: whoever has a key writes there whom
                // they like. Signed as `sub`, it would make any caller anybody (SIGN-01).
                fields.findings.error(
                    place,
                    "an end user is whoever a caller's header says, so nothing is signed on it",
                    "write `token:<claim>` of callers' verified tokens, `litellm:user_id`, `litellm:email` or `litellm:team_id`",
                );
                return None;
            }
            other => match other.strip_prefix("token:").filter(|claim| !claim.is_empty()) {
                Some(_) if !verifies => {
                    fields.findings.error(
                        place,
                        "callers' tokens are not verified, so nothing is taken from them",
                        "add `access_token_discovery_uri` (or `token_introspection_endpoint`), or remove the source",
                    );
                    return None;
                }
                Some(claim) => ClaimSource::Token(claim.to_owned()),
                None => {
                    fields.findings.error(
                        place,
                        "not a source of the subject",
                        "write `token:<claim>`, `litellm:user_id`, `litellm:email` or `litellm:team_id`",
                    );
                    return None;
                }
            },
        });
    }
    if sources.is_empty() {
        fields.findings.error(
            fields.place("end_user_claim_sources"),
            "an empty list refuses every caller",
            "write at least one, or remove the key",
        );
        return None;
    }
    Some(sources)
}

fn of_token(fields: &Fields<'_, '_>, key: &str, verifies: bool) -> Option<Vec<String>> {
    let names = names(fields, key);
    if !names.is_empty() && !verifies {
        fields.findings.error(
            fields.place(key),
            format!("`{key}` is about callers' tokens, and nothing verifies them"),
            "add `access_token_discovery_uri` (or `token_introspection_endpoint`), or remove the key",
        );
        return None;
    }
    Some(names)
}

fn names(fields: &Fields<'_, '_>, key: &str) -> Vec<String> {
    let texts = fields.texts(key).unwrap_or_default();
    texts.into_iter().map(|text| text.value).collect()
}

fn object(fields: &Fields<'_, '_>, key: &str) -> Option<Map<String, Value>> {
    match fields.anything(key) {
        None => Some(Map::new()),
        Some(Value::Object(claims)) => {
            let names: Vec<String> = claims.keys().cloned().collect();
            not_ours(fields, key, &names).then_some(claims)
        }
        Some(_) => {
            let message = "expected a map of claims";
            fields.findings.error(fields.place(key), message, ());
            None
        }
    }
}

fn not_ours(fields: &Fields<'_, '_>, key: &str, names: &[String]) -> bool {
    let ours = names.iter().find(|name| OURS.contains(&name.as_str()));
    if let Some(name) = ours {
        let help = match name.as_str() {
            "sub" => "say where the subject comes from with `end_user_claim_sources`",
            "aud" => "write `audience`",
            "iss" => "write `issuer`",
            "exp" | "iat" | "nbf" => "write `ttl_seconds`",
            "scope" => "write `scopes` or `allowed_scopes`",
            _ => "remove it",
        };
        fields.findings.error(
            fields.place(key),
            format!("`{name}` is the signer's own claim: servers rely on it"),
            help,
        );
    }
    ours.is_none()
}
