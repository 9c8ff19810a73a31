//! `auth_type: aws_sigv4`: a signature of each request.

use url::Url;

use crate::fields::Fields;
use crate::model::{Auth, AwsSigV4};
use crate::sections::aws_identity::{self, is_label, matching};
use crate::sections::headers::ServerHeaders;
use crate::validate::urls::PlainHttp;

/// Keys that mean nothing with any other `auth_type`.
const OWN: [&str; 10] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region_name",
    "aws_service_name",
    "aws_role_name",
    "aws_session_name",
    "aws_external_id",
    "aws_web_identity_token_file",
    "aws_sts_endpoint",
];

/// LiteLLM's default.
const DEFAULT_SERVICE: &str = "bedrock-agentcore";

/// What the signature writes itself.
pub(crate) const WRITTEN: [&str; 3] =
    ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

/// `None` only when something was recorded as an error.
pub(crate) fn read(
    fields: &Fields<'_, '_>,
    headers: &ServerHeaders,
    url: Option<&Url>,
    plain: PlainHttp,
) -> Option<Auth> {
    let mut sound = true;
    for name in &headers.names {
        if WRITTEN.contains(&name.as_str()) {
            fields.findings.error(
                fields.place("auth_type"),
                format!("`{name}` is written by the signature itself"),
                "remove it from the headers",
            );
            sound = false;
        }
    }
    let service = match fields.text("aws_service_name") {
        None if fields.has("aws_service_name") => None,
        None => Some(DEFAULT_SERVICE.to_owned()),
        written => matching(fields, written, is_label, "not a signing name of a service")
            .map(|service| service.value),
    };
    let inferred = url.and_then(region_of);
    let identity = aws_identity::read(
        fields,
        inferred.as_deref(),
        plain,
        &fields.place("auth_type"),
    );
    let (identity, service) = (identity?, service?);
    sound.then(|| Auth::AwsSigV4(Box::new(AwsSigV4 { identity, service })))
}

/// `bedrock-agentcore.REGION.amazonaws.com`, and nothing that only resembles it.
fn region_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let rest = host.strip_prefix("bedrock-agentcore.").or_else(|| {
        host.split_once(".gateway.bedrock-agentcore.")
            .map(|(_, rest)| rest)
    })?;
    let (region, domain) = rest.split_once('.')?;
    let sound = is_label(region) && domain == aws_identity::domain(region);
    sound.then(|| region.to_owned())
}

/// With another `auth_type`. `None`: recorded as an error.
pub(crate) fn refuse_keys(fields: &Fields<'_, '_>) -> Option<()> {
    let mut sound = Some(());
    for key in OWN {
        if fields.has(key) {
            fields.findings.error(
                fields.place(key),
                format!("`{key}` is for `auth_type: aws_sigv4` only"),
                "add `auth_type: aws_sigv4`, or remove the key",
            );
            sound = None;
        }
    }
    sound
}
