//! Fixed credentials, turned into header values when the configuration is read, so that a value
//! that cannot be sent is an error at start and not at the first call.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use portcullis_core::SecretValue;

use crate::{StaticHeader, UpstreamAuth};

/// A fixed credential that cannot be sent. The text never contains the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStaticHeader {
    /// An empty credential is no credential.
    #[error("the value is empty")]
    EmptyValue,
    /// Control or non-ASCII characters; often a line break at the end of a secret's file.
    #[error("the value has characters that a header cannot carry, such as a line break")]
    ForbiddenCharacter,
    /// Not a header name.
    #[error("the header name is not valid")]
    InvalidName,
    /// A header that belongs to the connection or frames the message (RFC 9110 §7.6.1).
    #[error("the header belongs to the connection and cannot be set")]
    ReservedName,
}

/// Headers that decide where a message goes, where it ends, or what a hop does with it.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl StaticHeader {
    /// A header with a sensitive value.
    pub fn new(name: &str, value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        let name = HeaderName::try_from(name).map_err(|_| InvalidStaticHeader::InvalidName)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidStaticHeader::ReservedName);
        }
        Self::build(name, "", value.expose())
    }

    fn build(name: HeaderName, prefix: &str, value: &str) -> Result<Self, InvalidStaticHeader> {
        if value.is_empty() {
            return Err(InvalidStaticHeader::EmptyValue);
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(InvalidStaticHeader::ForbiddenCharacter);
        }
        let mut value = HeaderValue::try_from(format!("{prefix}{value}"))
            .map_err(|_| InvalidStaticHeader::ForbiddenCharacter)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl UpstreamAuth {
    /// `api_key`: `X-API-Key: value`.
    pub fn api_key(value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        let name = HeaderName::from_static("x-api-key");
        StaticHeader::build(name, "", value.expose()).map(Self::Static)
    }

    /// `bearer_token`: `Authorization: Bearer value`.
    pub fn bearer_token(value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        StaticHeader::build(AUTHORIZATION, "Bearer ", value.expose()).map(Self::Static)
    }

    /// `basic`: `Authorization: Basic base64(value)`; the value is the raw `user:password`
    /// (RFC 7617 §2: without control characters).
    pub fn basic(value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        let raw = value.expose();
        if raw.is_empty() {
            return Err(InvalidStaticHeader::EmptyValue);
        }
        if raw.chars().any(char::is_control) {
            return Err(InvalidStaticHeader::ForbiddenCharacter);
        }
        StaticHeader::build(AUTHORIZATION, "Basic ", &STANDARD.encode(raw)).map(Self::Static)
    }

    /// `authorization`: `Authorization: value`, as it stands.
    pub fn authorization(value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        StaticHeader::build(AUTHORIZATION, "", value.expose()).map(Self::Static)
    }

    /// `token`: `Authorization: token value`.
    pub fn token(value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        StaticHeader::build(AUTHORIZATION, "token ", value.expose()).map(Self::Static)
    }

    /// `header`: any header that is not the connection's.
    pub fn header(name: &str, value: &SecretValue) -> Result<Self, InvalidStaticHeader> {
        StaticHeader::new(name, value).map(Self::Static)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Build = fn(&SecretValue) -> Result<UpstreamAuth, InvalidStaticHeader>;

    const ALL: [Build; 6] = [
        UpstreamAuth::api_key,
        UpstreamAuth::bearer_token,
        UpstreamAuth::basic,
        UpstreamAuth::authorization,
        UpstreamAuth::token,
        |value| UpstreamAuth::header("x-custom", value),
    ];

    #[test]
    fn each_auth_type_has_its_header() {
        let expected = [
            ("x-api-key", "user:pass"),
            ("authorization", "Bearer user:pass"),
            ("authorization", "Basic dXNlcjpwYXNz"),
            ("authorization", "user:pass"),
            ("authorization", "token user:pass"),
            ("x-custom", "user:pass"),
        ];
        for (build, (name, value)) in ALL.iter().zip(expected) {
            let UpstreamAuth::Static(header) = build(&SecretValue::new("user:pass")).unwrap()
            else {
                panic!("not static");
            };
            assert_eq!(header.name, name);
            assert_eq!(header.value, value);
            assert!(header.value.is_sensitive());
        }
    }

    #[test]
    fn a_value_that_would_break_a_header_is_refused_without_being_repeated() {
        for build in ALL {
            for value in ["canary\r\nx-evil: 1", "canary\n", "canary\u{0}", "canary\t"] {
                let error = build(&SecretValue::new(value)).unwrap_err();
                assert_eq!(error, InvalidStaticHeader::ForbiddenCharacter);
                assert!(!format!("{error} {error:?}").contains("canary"));
            }
            assert_eq!(
                build(&SecretValue::new("")).unwrap_err(),
                InvalidStaticHeader::EmptyValue
            );
        }
    }

    #[test]
    fn the_connections_own_headers_cannot_be_set() {
        let value = SecretValue::new("v");
        for name in ["Host", "content-length", "Transfer-Encoding", "connection"] {
            assert_eq!(
                UpstreamAuth::header(name, &value).unwrap_err(),
                InvalidStaticHeader::ReservedName
            );
        }
        assert_eq!(
            UpstreamAuth::header("x y", &value).unwrap_err(),
            InvalidStaticHeader::InvalidName
        );
    }

    #[test]
    fn a_static_credential_does_not_print_itself() {
        let auth = UpstreamAuth::bearer_token(&SecretValue::new("canary")).unwrap();
        assert!(!format!("{auth:?}").contains("canary"));
    }
}
