//! For whom a caller says that it asks.

use http::{HeaderMap, HeaderName};

use crate::AuthnErrorKind;

/// LiteLLM's header with the id of an end user. Callers write what they like into it: it may narrow what
/// they see, and never widens it.
pub const END_USER: HeaderName = HeaderName::from_static("x-litellm-end-user-id");

/// Longest id, in bytes.
const LONGEST: usize = 256;

/// The end user of a request. One that cannot be told apart is no end user but a mistake.
pub(crate) fn end_user(headers: &HeaderMap) -> Result<Option<&str>, AuthnErrorKind> {
    let mut values = headers.get_all(&END_USER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if values.next().is_some() || text.is_empty() || text.len() > LONGEST {
        return Err(AuthnErrorKind::Ambiguous);
    }
    Ok(Some(text))
}
