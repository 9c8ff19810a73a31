//! Signature Version 4 of one finished request.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as signed,
};
use aws_sigv4::sign::v4;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_core::Timestamp;

use crate::{AccessKeys, SigningError};

/// What a signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The region, as `eu-west-1`.
    pub region: String,
    /// The service's signing name, as `bedrock-agentcore`.
    pub service: String,
}

/// Headers that a proxy on the way may rewrite without touching the request: those that the SDKs
/// leave out too, and the trace context (W3C Trace Context §3.2: each hop writes its own).
const NOT_COVERED: &[&str] = &[
    "authorization",
    "baggage",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
];

/// Puts `Authorization`, `X-Amz-Date`, `X-Amz-Content-Sha256` and for temporary keys
/// `X-Amz-Security-Token` on a request, replacing what was there. `Host` is covered as the
/// connection will write it, from the URI; `Content-Length` is the connection's own.
pub fn sign(
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &[u8],
    keys: &AccessKeys,
    scope: &Scope,
    now: Timestamp,
) -> Result<(), SigningError> {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.excluded_headers = Some(NOT_COVERED.iter().copied().map(Cow::Borrowed).collect());
    // What an earlier signature left, or a static header of this name, must not be signed along.
    for name in OURS {
        headers.remove(*name);
    }
    for (name, value) in signature(method, uri, headers, body, keys, scope, now, settings)? {
        headers.insert(name, value);
    }
    Ok(())
}

const OURS: &[&str] = &[
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

fn signature(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    keys: &AccessKeys,
    scope: &Scope,
    now: Timestamp,
    settings: SigningSettings,
) -> Result<Vec<(HeaderName, HeaderValue)>, SigningError> {
    // The signer takes a host for granted.
    if uri.host().is_none_or(str::is_empty) {
        return Err(SigningError::Unsignable);
    }
    let millis = u64::try_from(now.as_millis()).map_err(|_| SigningError::Unsignable)?;
    let time = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .ok_or(SigningError::Unsignable)?;
    let covered = headers
        .iter()
        .map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes());
            value.map(|value| (name.as_str(), value))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| SigningError::NotText)?;
    let request = SignableRequest::new(
        method.as_str(),
        uri.to_string(),
        covered.into_iter(),
        SignableBody::Bytes(body),
    )
    .map_err(|_| SigningError::Unsignable)?;
    let params = v4::SigningParams::builder()
        .identity(keys.identity())
        .region(&scope.region)
        .name(&scope.service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|_| SigningError::Unsignable)?
        .into();
    let (instructions, _) = signed(request, &params)
        .map_err(|_| SigningError::Unsignable)?
        .into_parts();
    instructions
        .headers()
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|_| SigningError::Unsignable)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| SigningError::Unsignable)?;
            value.set_sensitive(name == AUTHORIZATION || name == "x-amz-security-token");
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
