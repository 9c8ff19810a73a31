//! The value coding of `Mcp-Name` and `Mcp-Param-*` (SEP-2243, MCP 2026-07-28, Streamable HTTP).
//!
//! A value of printable ASCII travels as it is; any other as `=?base64?…?=`, standard Base64 of
//! its UTF-8 bytes. Header values are whatever the sender likes: compare them with the body,
//! never decide on them alone.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderValue};
use portcullis_core::ErrorKind;

/// The longest value that is looked at.
pub const MAX_HEADER_VALUE_BYTES: usize = 8 * 1024;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";
const OPTIONAL_WHITESPACE: [char; 2] = [' ', '\t'];

/// Why a header value has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderValueError {
    /// Longer than [`MAX_HEADER_VALUE_BYTES`].
    #[error("header value is longer than {MAX_HEADER_VALUE_BYTES} bytes")]
    TooLong,
    /// A byte outside printable ASCII and tab.
    #[error("header value holds bytes outside printable ascii")]
    NotAscii,
    /// The sentinel's content is not canonical, padded, standard Base64.
    #[error("header value holds invalid base64")]
    InvalidBase64,
    /// The sentinel's content decodes to something that is not UTF-8.
    #[error("header value holds base64 of something that is not utf-8")]
    InvalidUtf8,
    /// The header is there more than once, so two readers may see two values.
    #[error("header is repeated")]
    Repeated,
}

impl HeaderValueError {
    /// Always the sender's fault.
    pub const fn error_kind(self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// The header form of `value`.
#[expect(clippy::expect_used, reason = "both forms hold printable ascii only")]
pub fn encode(value: &str) -> HeaderValue {
    let form = if travels_plain(value) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{PREFIX}{}{SUFFIX}", BASE64_STANDARD.encode(value)))
    };
    HeaderValue::from_str(&form).expect("printable ascii is a header value")
}

/// The value that `header` stands for.
pub fn decode(header: &HeaderValue) -> Result<Cow<'_, str>, HeaderValueError> {
    if header.len() > MAX_HEADER_VALUE_BYTES {
        return Err(HeaderValueError::TooLong);
    }
    let text = header.to_str().map_err(|_| HeaderValueError::NotAscii)?;
    let text = text.trim_matches(OPTIONAL_WHITESPACE);
    let Some(payload) = sentinel_payload(text) else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = BASE64_STANDARD
        .decode(payload)
        .map_err(|_| HeaderValueError::InvalidBase64)?;
    let value = String::from_utf8(bytes).map_err(|_| HeaderValueError::InvalidUtf8)?;
    Ok(Cow::Owned(value))
}

/// Whether `header` stands for exactly `body`.
pub fn matches(header: &HeaderValue, body: &str) -> Result<bool, HeaderValueError> {
    Ok(decode(header)? == body)
}

/// The one value of a header that may be there at most once.
pub fn sole(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&HeaderValue>, HeaderValueError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(HeaderValueError::Repeated);
    }
    Ok(first)
}

fn travels_plain(value: &str) -> bool {
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let padded = value.starts_with(' ') || value.ends_with(' ');
    let like_a_sentinel = value.starts_with(PREFIX) && value.ends_with(SUFFIX);
    printable && !padded && !like_a_sentinel
}

fn sentinel_payload(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}
