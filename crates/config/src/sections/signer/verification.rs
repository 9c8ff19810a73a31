//! Verify and sign again: whose tokens callers must bring.

use std::time::Duration;

use portcullis_core::ClientSecret;
use url::Url;

use crate::fields::{At, Fields};
use crate::model::{SubjectIntrospection, TokenVerification};
use crate::validate::urls::{PlainHttp, callable};

const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// `Err`: recorded as an error. `Ok(None)`: callers' tokens are not read.
pub(super) fn read(fields: &Fields<'_, '_>) -> Result<Option<TokenVerification>, ()> {
    let discovery = discovery(fields);
    let introspection = introspection(fields);
    let timeout = timeout(fields);
    let issuer = fields.text("verify_issuer").map(|text| text.value);
    let audiences = fields.text_set("verify_audience").unwrap_or_default();
    if !fields.has("access_token_discovery_uri") && !fields.has("token_introspection_endpoint") {
        return alone(fields);
    }
    let (discovery, introspection) = (discovery?, introspection?);
    if audiences.is_empty() {
        fields.findings.error(
            fields.own_place(),
            "callers' tokens are verified without `verify_audience`: one that was made for anybody else would do",
            "add `verify_audience:` with the `aud` of the tokens that are meant for this gateway",
        );
        return Err(());
    }
    let discovered = discovery.as_ref().map(|(_, issuer)| issuer.clone());
    let Some(issuer) = issuer.or(discovered) else {
        fields.findings.error(
            fields.own_place(),
            "`token_introspection_endpoint` without `verify_issuer`: nothing says whose tokens they are",
            "add `verify_issuer:` with the issuer's identifier",
        );
        return Err(());
    };
    Ok(Some(TokenVerification {
        issuer,
        audiences,
        discovery: discovery.map(|(url, _)| url),
        introspection,
        timeout: timeout.ok_or(())?,
    }))
}

/// Without either place to ask, the rest of the settings would promise what does not happen.
fn alone(fields: &Fields<'_, '_>) -> Result<Option<TokenVerification>, ()> {
    let mut sound = Ok(None);
    for key in [
        "verify_issuer",
        "verify_audience",
        "token_introspection_client_id",
        "token_introspection_client_secret",
    ] {
        if fields.has(key) {
            fields.findings.error(
                fields.place(key),
                format!("`{key}`, and nothing verifies callers' tokens"),
                "add `access_token_discovery_uri` (or `token_introspection_endpoint`), or remove the key",
            );
            sound = Err(());
        }
    }
    sound
}

/// The issuer's URL as discovery starts from it, and as its identifier is usually written.
fn discovery(fields: &Fields<'_, '_>) -> Result<Option<(Url, String)>, ()> {
    const OPENID: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    let written = fields.url("access_token_discovery_uri");
    let Some(At { value, place }) = written else {
        return if fields.has("access_token_discovery_uri") {
            Err(())
        } else {
            Ok(None)
        };
    };
    // OpenID Connect Discovery §4 appends, RFC 8414 §3.1 inserts.
    let path = value.path().to_owned();
    let issuer = path
        .strip_suffix(OPENID)
        .or_else(|| path.strip_prefix(OAUTH))
        .filter(|_| value.query().is_none() && value.fragment().is_none());
    let Some(issuer) = issuer else {
        fields.findings.error(
            place,
            format!("not where an issuer's metadata is (`…{OPENID}`)"),
            "write the URL of the metadata of the issuer whose tokens callers bring",
        );
        return Err(());
    };
    let identifier = format!("{}{issuer}", value.origin().ascii_serialization());
    let Ok(url) = Url::parse(&identifier) else {
        return Err(());
    };
    let url = callable(
        fields.findings,
        At { value: url, place },
        PlainHttp::Refused,
    )
    .ok_or(())?;
    Ok(Some((url, identifier)))
}

fn introspection(fields: &Fields<'_, '_>) -> Result<Option<SubjectIntrospection>, ()> {
    let client_id = fields.text("token_introspection_client_id");
    let client_secret = fields.secret("token_introspection_client_secret");
    let written = fields.url("token_introspection_endpoint");
    if !fields.has("token_introspection_endpoint") {
        return Ok(None);
    }
    let url = callable(fields.findings, written.ok_or(())?, PlainHttp::Refused);
    let client_id = fields.require("token_introspection_client_id", client_id);
    let client_secret = fields.require("token_introspection_client_secret", client_secret);
    Ok(Some(SubjectIntrospection {
        url: url.ok_or(())?,
        client_id: client_id.ok_or(())?.value,
        client_secret: client_secret
            .ok_or(())?
            .value
            .map(|secret| ClientSecret::new(secret.expose())),
    }))
}

fn timeout(fields: &Fields<'_, '_>) -> Option<Duration> {
    if !fields.has("timeout") {
        return Some(TIMEOUT);
    }
    let timeout = fields.span("timeout")?;
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        fields.findings.error(
            fields.place("timeout"),
            "callers wait for it: more than nothing and at most 30s",
            (),
        );
        return None;
    }
    Some(timeout)
}
