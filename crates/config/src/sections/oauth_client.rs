//! An OAuth client of ours, and what it expects of a token response.

use std::collections::BTreeMap;

use portcullis_core::ClientSecret;

use crate::fields::Fields;
use crate::model::{AssertionAudience, ClientKey, ClientProof, OAuthClient, Sourced};
use crate::sections::id_jag;

/// Where the client's keys stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Beside `auth_type`.
    Server,
    /// In an `oauth2` map, which has none for a private key.
    Map,
}

/// `client_id` and what proves it. `None` only when something was recorded as an error.
pub(crate) fn read(fields: &Fields<'_, '_>, keys: Keys) -> Option<OAuthClient> {
    let client_id = fields.require("client_id", fields.text("client_id"));
    let method = fields.choice("token_endpoint_auth_method");
    if fields.has("token_endpoint_auth_method") && method.is_none() {
        return None;
    }
    let proof = match method {
        Some("private_key_jwt") => private_key(fields, keys),
        method => secret(fields, keys, method),
    };
    Some(OAuthClient {
        client_id: client_id?.value,
        proof: proof?,
    })
}

fn secret(fields: &Fields<'_, '_>, keys: Keys, method: Option<&str>) -> Option<ClientProof> {
    if keys == Keys::Server && fields.has("client_private_key") && !id_jag::second_leg_signs(fields)
    {
        fields.findings.error(
            fields.place("client_private_key"),
            "the key is not used: the client proves itself by its secret",
            "add `token_endpoint_auth_method: private_key_jwt`, or remove the key",
        );
        return None;
    }
    if method == Some("none") {
        fields.findings.error(
            fields.place("token_endpoint_auth_method"),
            "a client that proves nothing gets no token in its own name",
            "write `client_secret_post` or `client_secret_basic`, with `client_secret`; `none` is for `oauth2_flow: authorization_code`",
        );
        return None;
    }
    let secret = fields.require("client_secret", fields.secret("client_secret"))?;
    let secret: Sourced<ClientSecret> = secret
        .value
        .map(|secret| ClientSecret::new(secret.expose()));
    Some(match method {
        Some("client_secret_basic") => ClientProof::Basic(secret),
        _ => ClientProof::Post(secret),
    })
}

fn private_key(fields: &Fields<'_, '_>, keys: Keys) -> Option<ClientProof> {
    if keys == Keys::Map {
        fields.findings.error(
            fields.place("token_endpoint_auth_method"),
            "`private_key_jwt` needs a `client_private_key`, which this map does not have",
            "write the client beside `auth_type: oauth2` of the server instead",
        );
        return None;
    }
    let key = client_key(fields);
    if fields.has("client_secret") {
        fields.findings.warning(
            fields.place("client_secret"),
            "not used: the client proves itself by `private_key_jwt`",
        );
    }
    Some(ClientProof::PrivateKeyJwt(Box::new(key?)))
}

/// What signs a client's assertions. `None` only when something was recorded as an error.
pub(crate) fn client_key(fields: &Fields<'_, '_>) -> Option<ClientKey> {
    let private_key = fields.require("client_private_key", fields.secret("client_private_key"));
    let key_id = fields.text("client_private_key_id").map(|text| text.value);
    let algorithm = fields.choice("client_assertion_signing_alg");
    if fields.has("client_assertion_signing_alg") && algorithm.is_none() {
        return None;
    }
    let audience = match fields.text("client_assertion_audience") {
        Some(text) if text.value == "token_endpoint" => AssertionAudience::TokenEndpoint,
        Some(text) => AssertionAudience::Exactly(text.value),
        // An issuer is compared byte by byte, so its own text and not the URL read from it.
        None => fields
            .text("issuer")
            .map_or(AssertionAudience::Server, |issuer| {
                AssertionAudience::Exactly(issuer.value)
            }),
    };
    Some(ClientKey {
        private_key: private_key?.value,
        key_id,
        algorithm,
        audience,
    })
}

/// `token_validation`. `None` only when something was recorded as an error.
pub(crate) fn token_validation(fields: &Fields<'_, '_>) -> Option<BTreeMap<String, String>> {
    if !fields.has("token_validation") {
        return Some(BTreeMap::new());
    }
    let written = fields.named("token_validation").len();
    let rules: BTreeMap<String, String> = fields
        .text_map("token_validation")
        .into_iter()
        .map(|(path, text)| (path, text.value))
        .collect();
    if written == 0 {
        fields.findings.error(
            fields.place("token_validation"),
            "no rule is written, so no token response is checked",
            "write a path and its text, such as `team.enterprise_id: T12345`, or remove the key",
        );
    }
    // Whatever could not be read was recorded as an error.
    (written > 0 && rules.len() == written).then_some(rules)
}

/// Where no token is asked for, no response can be checked. `None`: recorded as an error.
pub(crate) fn refuse_token_validation(fields: &Fields<'_, '_>) -> Option<()> {
    if !fields.has("token_validation") {
        return Some(());
    }
    fields.findings.error(
        fields.place("token_validation"),
        "there is no token response to check: this server's credential is not asked for at a token endpoint",
        "remove the key, or use `auth_type: oauth2`",
    );
    None
}
