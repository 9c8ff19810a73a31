//! A client's signed proof of who it is (RFC 7523 §2.2 and §3).

use std::time::Duration;

use portcullis_core::{SecretValue, Timestamp, hex};
use serde_json::json;

use crate::assertion_key::{AssertionKey, SigningFailed};
use crate::jose::compact;

/// `client_assertion_type` (RFC 7523 §2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion serves one request; this is for clocks that differ.
const LIFETIME: Duration = Duration::from_mins(1);

/// Signs one assertion: `iss` and `sub` are the client, and `unique` (its `jti`) is never used twice.
pub fn client_assertion(
    key: &AssertionKey,
    client_id: &str,
    audience: &str,
    now: Timestamp,
    unique: &[u8; 16],
) -> Result<SecretValue, SigningFailed> {
    let mut header = json!({"alg": key.algorithm().as_str(), "typ": "JWT"});
    if let (Some(key_id), Some(header)) = (key.key_id(), header.as_object_mut()) {
        header.insert("kid".to_owned(), key_id.into());
    }
    let issued = now.as_secs();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": hex(unique),
        "iat": issued,
        "exp": issued.saturating_add(LIFETIME.as_secs().cast_signed()),
    });
    compact(key, &header, &claims)
}

#[cfg(test)]
mod tests;
