//! Which version of a thing somebody saw before they change it (RFC 9110 §13.1.1, `If-Match`; or `version`
//! of the body, where a client sets no headers).

use axum::body::Body;
use axum::http::header::{HeaderMap, IF_MATCH};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::Call;

use super::problem::problem_with;
use crate::mcp::sole;

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The version; `None`: whatever is there.
    pub(super) version: Option<u64>,
    /// Whether it stood in the header.
    pub(super) by_header: bool,
}

/// The version that a request says, by its header or its body.
pub(super) fn seen(headers: &HeaderMap, version: Option<u64>) -> Result<Seen, &'static str> {
    let not_read = "If-Match is one version in double quotes, or *";
    let tag = match sole(headers, &IF_MATCH) {
        Ok(None) => {
            return Ok(Seen {
                version,
                by_header: false,
            });
        }
        Ok(Some(tag)) => tag,
        Err(()) => return Err(not_read),
    };
    let named = match tag {
        "*" => None,
        tag => {
            let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            Some(inner.and_then(|tag| tag.parse().ok()).ok_or(not_read)?)
        }
    };
    match (named, version) {
        (Some(named), Some(version)) if named != version => {
            Err("If-Match and version say different things")
        }
        (named, version) => Ok(Seen {
            version: named.or(version),
            by_header: true,
        }),
    }
}

/// The answer to whoever saw another version: 412 where the header said so, 409 where the body did.
pub(super) async fn stale(call: Call, by_header: bool) -> Response<Body> {
    let status = if by_header {
        StatusCode::PRECONDITION_FAILED
    } else {
        StatusCode::CONFLICT
    };
    let detail = "it was changed meanwhile: read it again";
    problem_with(call, status, ErrorKind::Conflict, detail).await
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_version_is_said_once_or_twice_alike() {
        for (header, version, expected) in [
            (None, None, Some((None, false))),
            (None, Some(3), Some((Some(3), false))),
            (Some("\"3\""), None, Some((Some(3), true))),
            (Some("\"3\""), Some(3), Some((Some(3), true))),
            (Some("*"), None, Some((None, true))),
            (Some("\"3\""), Some(4), None),
            (Some("3"), None, None),
            (Some("W/\"3\""), None, None),
            (Some("\"3\", \"4\""), None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(IF_MATCH, HeaderValue::from_static(header));
            }
            let read = seen(&headers, version).ok();
            let read = read.map(|seen| (seen.version, seen.by_header));
            assert_eq!(read, expected, "{header:?} {version:?}");
        }
    }
}
