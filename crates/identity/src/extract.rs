//! From headers to the one gateway credential, or to the reason why there is none.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_core::ApiKey;

use crate::{AuthnError, AuthnErrorKind, CredentialSource, Presented};

/// Headers that carry our credential and nothing else: never forwarded. The first is LiteLLM's.
pub const KEY_HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("x-litellm-api-key"),
    HeaderName::from_static("x-portcullis-api-key"),
];

/// Carries our credential when no key header does.
pub const AUTHORIZATION: HeaderName = header::AUTHORIZATION;

/// Whether a request presents anything at all, be it empty or nonsense.
pub(crate) fn presents(headers: &HeaderMap) -> bool {
    headers.contains_key(&AUTHORIZATION) || has_key_header(headers)
}

/// Whether a request has a header that could hold nothing but our credential.
pub(crate) fn has_key_header(headers: &HeaderMap) -> bool {
    KEY_HEADERS.iter().any(|name| headers.contains_key(name))
}

/// The one gateway credential of a request.
///
/// A key header wins over `Authorization`, which then belongs to the upstream and is not looked at,
/// except that two of them are refused: nobody could say which one would be forwarded. An empty key
/// header does not fall back: the caller meant to use it.
pub fn extract(headers: &HeaderMap) -> Result<Presented, AuthnError> {
    let authorization = single(headers, &AUTHORIZATION)?;
    let mut chosen: Option<ApiKey> = None;
    let mut empty = false;
    for name in &KEY_HEADERS {
        let Some(value) = single(headers, name)? else {
            continue;
        };
        match key_of(value) {
            Ok(key) if chosen.as_ref().is_some_and(|other| *other != key) => {
                return Err(AuthnErrorKind::Ambiguous.into());
            }
            Ok(key) => chosen = Some(key),
            Err(AuthnErrorKind::Missing) => empty = true,
            Err(kind) => return Err(kind.into()),
        }
    }
    match (chosen, empty, authorization) {
        (Some(_), true, _) => Err(AuthnErrorKind::Ambiguous.into()),
        (Some(key), false, _) => Ok(Presented::new(CredentialSource::KeyHeader, key)),
        (None, true, _) | (None, false, None) => Err(AuthnErrorKind::Missing.into()),
        (None, false, Some(value)) => {
            Ok(Presented::new(CredentialSource::Bearer, bearer_of(value)?))
        }
    }
}

/// The header's value; two lines of it, even equal ones, are refused.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, AuthnErrorKind> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(AuthnErrorKind::Ambiguous),
        (value, None) => Ok(value),
    }
}

/// The value of a key header, with or without `Bearer`.
fn key_of(value: &HeaderValue) -> Result<ApiKey, AuthnErrorKind> {
    let text = text_of(value)?;
    match text.split_once(' ') {
        Some((scheme, token)) if is_bearer(scheme) => token_of(token),
        _ if is_bearer(text) => Err(AuthnErrorKind::Missing),
        _ => token_of(text),
    }
}

/// The token of an `Authorization` header that is not our credential.
pub(crate) fn bearer(value: &HeaderValue) -> Result<ApiKey, AuthnErrorKind> {
    bearer_of(value)
}

/// The token of `Authorization: Bearer …` (RFC 9110 §11.4, RFC 6750 §2.1): exactly one space.
fn bearer_of(value: &HeaderValue) -> Result<ApiKey, AuthnErrorKind> {
    let text = text_of(value)?;
    match text.split_once(' ') {
        Some((scheme, token)) if is_bearer(scheme) => token_of(token),
        _ if text.is_empty() || is_bearer(text) => Err(AuthnErrorKind::Missing),
        // Two lines that something before us joined, the first of another scheme.
        _ if text.contains(',') => Err(AuthnErrorKind::Ambiguous),
        _ => Err(AuthnErrorKind::Malformed),
    }
}

fn text_of(value: &HeaderValue) -> Result<&str, AuthnErrorKind> {
    value.to_str().map_err(|_| AuthnErrorKind::Malformed)
}

const fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("bearer")
}

/// One run of visible ASCII. A comma is how proxies join two lines of one header.
fn token_of(token: &str) -> Result<ApiKey, AuthnErrorKind> {
    if token.is_empty() {
        return Err(AuthnErrorKind::Missing);
    }
    if token.contains(',') {
        return Err(AuthnErrorKind::Ambiguous);
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AuthnErrorKind::Malformed);
    }
    Ok(ApiKey::new(token))
}
