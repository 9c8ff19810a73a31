//! JSON bodies of admin requests, read strictly.

use axum::body::Body;
use axum::http::request::Parts;
use portcullis_core::ErrorKind;
use portcullis_engine::Call;
use serde::Deserialize;

use crate::state::ServerState;

/// Why a body is not taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) kind: ErrorKind,
    pub(super) detail: String,
}

impl Refused {
    fn invalid(detail: String) -> Self {
        Self {
            kind: ErrorKind::Invalid,
            detail,
        }
    }
}

pub(super) async fn read<T: for<'de> Deserialize<'de>>(
    state: &ServerState,
    call: &mut Call,
    parts: &Parts,
    body: Body,
) -> Result<T, Refused> {
    let read = state.read_body(call, &parts.headers, body).await;
    let bytes = read.map_err(|refusal| Refused {
        kind: refusal.kind(),
        detail: refusal.text().to_owned(),
    })?;
    call.audit.request_bytes(bytes.len() as u64);
    // Serde would take an array for an object, its members by position.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refused::invalid(
            "the body must be a JSON object".to_owned(),
        ));
    }
    // Straight into the type: what stands twice is refused, where a `Value` would keep the last.
    serde_json::from_slice(&bytes).map_err(|error| Refused::invalid(error.to_string()))
}
