//! The one stylesheet, at a path that names its content: kept for ever by whoever has it.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, Response};
use portcullis_core::{hex, sha256};

const SHEET: &str = include_str!("pages.css");

static PATH: LazyLock<String> = LazyLock::new(|| {
    let digest = hex(&sha256(SHEET.as_bytes()));
    format!("/public/{}.css", digest.get(..16).unwrap_or_default())
});

/// Where it is.
pub(super) fn path() -> &'static str {
    &PATH
}

pub(super) async fn sheet() -> Response<Body> {
    let mut response = Response::new(Body::from(SHEET));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}
