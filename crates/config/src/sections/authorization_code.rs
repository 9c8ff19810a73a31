//! Interactive OAuth: each caller connects an account of their own (`oauth2_flow:
//! authorization_code`).

use std::time::Duration;

use url::Url;

use crate::fields::Fields;
use crate::model::{Auth, AuthorizationCode, InteractiveClient, Resource};
use crate::sections::oauth_client::{self, Keys};
use crate::sections::upstream_auth::{ResourceOwner, either, resource};
use crate::validate::urls::{PlainHttp, callable};

/// Keys that only mean something here.
const OWN: &[&str] = &["registration_url", "token_storage_ttl_seconds"];

/// Elsewhere they say nothing.
pub(crate) fn warn_unused(fields: &Fields<'_, '_>) {
    for key in OWN {
        if fields.has(key) {
            fields.findings.warning(
                fields.place(key),
                "not used: no caller connects an account here; that is `auth_type: oauth2` with `oauth2_flow: authorization_code`",
            );
        }
    }
}

/// `None` only when something was recorded as an error.
pub(crate) fn read(fields: &Fields<'_, '_>, url: Option<&Url>, plain: PlainHttp) -> Option<Auth> {
    let mut sound = true;
    let mut endpoint = |key: &str| {
        let url = fields
            .url(key)
            .and_then(|url| callable(fields.findings, url, plain));
        sound &= !fields.has(key) || url.is_some();
        url
    };
    let authorization_url = endpoint("authorization_url");
    let token_url = endpoint("token_url");
    let registration_url = endpoint("registration_url");
    let issuer = endpoint("issuer");
    let client = client(fields);
    let token_validation = oauth_client::token_validation(fields);
    let storage_ttl = fields.whole("token_storage_ttl_seconds");
    if fields.has("token_storage_ttl_seconds") && storage_ttl.is_none() {
        sound = false;
    }
    let key = either(fields, "resource", "upstream_resource");
    let written = fields.text(key);
    let unsaid = written
        .as_ref()
        .is_some_and(|text| matches!(text.value.as_str(), "None" | "none"));
    let resource = if unsaid {
        Resource::Unsaid
    } else if written.as_ref().is_none_or(|text| text.value == "auto") {
        Resource::Own
    } else {
        Resource::Exactly(resource(fields, written, ResourceOwner::Server(url))?)
    };
    if !sound {
        return None;
    }
    Some(Auth::AuthorizationCode(Box::new(AuthorizationCode {
        authorization_url,
        token_url,
        registration_url,
        issuer,
        client: match client? {
            Wish::Written(client) => Some(client),
            Wish::Ours => None,
        },
        scopes: fields.scopes("scopes"),
        audience: fields.text("audience").map(|text| text.value),
        resource,
        token_validation: token_validation?,
        storage_ttl: storage_ttl.map(Duration::from_secs),
    })))
}

/// What the file says of a client.
enum Wish {
    /// This one.
    Written(InteractiveClient),
    /// We are to get one ourselves.
    Ours,
}

/// `None` only when something was recorded as an error.
fn client(fields: &Fields<'_, '_>) -> Option<Wish> {
    let method = fields.choice("token_endpoint_auth_method");
    if fields.has("token_endpoint_auth_method") && method.is_none() {
        return None;
    }
    if !fields.has("client_id") {
        for key in ["client_secret", "client_private_key"] {
            if fields.has(key) {
                fields.findings.error(
                    fields.place(key),
                    format!("`{key}` without `client_id`"),
                    "add the `client_id` that it belongs to, or remove it: without a client in the file one is registered",
                );
                return None;
            }
        }
        return Some(Wish::Ours);
    }
    let proves = fields.has("client_secret") || method == Some("private_key_jwt");
    if proves && method != Some("none") {
        let client = oauth_client::read(fields, Keys::Server)?;
        return Some(Wish::Written(InteractiveClient {
            client_id: client.client_id,
            proof: Some(client.proof),
            method_is_written: method.is_some(),
        }));
    }
    if let Some(method) = method.filter(|method| *method != "none") {
        fields.findings.error(
            fields.place("token_endpoint_auth_method"),
            format!("`{method}` without `client_secret`"),
            "add `client_secret: os.environ/…`, or write `none` for a public client",
        );
        return None;
    }
    if fields.has("client_secret") {
        fields.findings.error(
            fields.place("client_secret"),
            "a public client (`token_endpoint_auth_method: none`) has no secret",
            "remove the secret, or the method",
        );
        return None;
    }
    Some(Wish::Written(InteractiveClient {
        client_id: fields.text("client_id")?.value,
        proof: None,
        method_is_written: true,
    }))
}
