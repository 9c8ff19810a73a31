//! Queries, read after the caller is known: one that cannot be read is a governed request like any
//! other, with an answer of its surface's form and an audit event.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;

/// The query as `T`; `Err` says which parameter is wrong, never its value.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, String> {
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|rejection| rejection.body_text())
}
