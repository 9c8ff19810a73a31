//! The `mcp_jwt_signer` guardrail as it is in force.

use serde_json::{Map, Value};

use super::page::{Page, quoted, seconds, shown, url};
use crate::model::{ClaimSource, JwtSigner, SignerAudience, SignerScopes, TokenVerification};

pub(super) fn guardrails(page: &mut Page<'_>, signer: &JwtSigner) {
    page.heading(0, "guardrails");
    page.value(2, "- guardrail_name", "mcp_jwt_signer");
    page.heading(4, "litellm_params");
    page.value(6, "guardrail", "mcp_jwt_signer");
    page.value(6, "mode", "pre_mcp_call");
    page.value(6, "default_on", signer.default_on);
    match (&signer.signing_key, signer.algorithm) {
        (Some(key), None) => {
            page.value(6, "signing_key", shown(key));
            page.comment(6, "algorithm: what fits the key");
        }
        (key, algorithm) => {
            match key {
                Some(key) => page.value(6, "signing_key", shown(key)),
                None => page.comment(6, "signing_key: made at the first start, kept in the store"),
            }
            page.value(6, "algorithm", algorithm.unwrap_or("RS256"));
        }
    }
    page.value(6, "issuer", quoted(&signer.issuer));
    let documents = format!("jwks_uri: {}/.well-known/jwks.json", signer.origin);
    page.comment(6, &documents);
    match &signer.audience {
        SignerAudience::PerServer => page.value(6, "audience", "per_server"),
        SignerAudience::Exactly(audience) => page.value(6, "audience", quoted(audience)),
    }
    page.value(6, "ttl_seconds", seconds(signer.ttl));
    match &signer.scopes {
        SignerScopes::Least => page.value(6, "scopes", "least"),
        SignerScopes::Full => page.value(6, "scopes", "full"),
        SignerScopes::Exactly(scope) => page.value(6, "allowed_scopes", quoted(scope)),
    }
    page.value(6, "token_header", quoted(&signer.header));
    if let Some(verification) = &signer.verification {
        subjects(page, verification);
    }
    claims(page, signer);
    if let Some((audience, ttl)) = &signer.channel {
        page.value(6, "channel_token_audience", quoted(audience));
        page.value(6, "channel_token_ttl", seconds(*ttl));
    }
    page.value(6, "debug_headers", signer.debug_headers);
}

fn subjects(page: &mut Page<'_>, verification: &TokenVerification) {
    match &verification.discovery {
        Some(issuer) => page.comment(
            6,
            &format!("access_token_discovery_uri: metadata of {}", url(issuer)),
        ),
        None => page.comment(6, "callers' tokens are asked about, not read"),
    }
    page.value(6, "verify_issuer", quoted(&verification.issuer));
    page.list(6, "verify_audience", &verification.audiences);
    if let Some(introspection) = &verification.introspection {
        page.value(
            6,
            "token_introspection_endpoint",
            quoted(url(&introspection.url)),
        );
        let client_id = quoted(&introspection.client_id);
        page.value(6, "token_introspection_client_id", client_id);
        let secret = shown(&introspection.client_secret);
        page.value(6, "token_introspection_client_secret", secret);
    }
    page.value(6, "timeout", seconds(verification.timeout));
}

fn claims(page: &mut Page<'_>, signer: &JwtSigner) {
    let claims = &signer.claims;
    let sources = claims.subject.iter().map(|source| match source {
        ClaimSource::Token(claim) => format!("token:{claim}"),
        ClaimSource::UserId => "litellm:user_id".to_owned(),
        ClaimSource::Email => "litellm:email".to_owned(),
        ClaimSource::Team => "litellm:team_id".to_owned(),
    });
    page.list(6, "end_user_claim_sources", sources);
    page.list(6, "required_claims", &claims.required);
    page.list(6, "optional_claims", &claims.optional);
    names(page, "add_claims", &claims.add);
    names(page, "set_claims", &claims.set);
    page.list(6, "remove_claims", &claims.remove);
}

/// The values are for servers; what they are is nobody else's business.
fn names(page: &mut Page<'_>, key: &str, claims: &Map<String, Value>) {
    if claims.is_empty() {
        return;
    }
    page.heading(6, key);
    for name in claims.keys() {
        page.value(8, &quoted(name), "(set)");
    }
}
