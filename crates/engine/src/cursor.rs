//! The cursor of an aggregated list: where each server that has more pages continues. Sealed, bound
//! to the principal, the list and the endpoint, so that it works on every replica and for nobody
//! else.

use std::time::Duration;

use portcullis_core::{Principal, Purpose, Sealer, Timestamp};
use portcullis_mcp::{Method, RpcError, code};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// How long a client may take from one page to the next.
const LIFETIME: Duration = Duration::from_hours(1);

/// Where one server continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) server: String,
    pub(crate) cursor: String,
}

fn binding(principal: &Principal, method: Method, view: &str) -> Vec<u8> {
    format!("{}\0{}\0{view}", principal.id, method.as_str()).into_bytes()
}

pub(crate) fn seal(
    sealer: &dyn Sealer,
    now: Timestamp,
    principal: &Principal,
    method: Method,
    view: &str,
    positions: &[Position],
) -> Result<String, EngineError> {
    let text = serde_json::to_vec(positions).map_err(|_| EngineError::KeyRing)?;
    sealer
        .seal(
            Purpose::McpCursor,
            &binding(principal, method, view),
            now.after(LIFETIME),
            &text,
        )
        .map_err(|_| EngineError::KeyRing)
}

/// A cursor that we did not give to this principal for this list is an invalid parameter.
pub(crate) fn open(
    sealer: &dyn Sealer,
    now: Timestamp,
    principal: &Principal,
    method: Method,
    view: &str,
    cursor: &str,
) -> Result<Vec<Position>, EngineError> {
    let invalid = || EngineError::Protocol(RpcError::new(code::INVALID_PARAMS, "invalid cursor"));
    let text = sealer
        .open(
            Purpose::McpCursor,
            &binding(principal, method, view),
            now,
            cursor,
        )
        .map_err(|_| invalid())?;
    serde_json::from_slice(&text).map_err(|_| invalid())
}
