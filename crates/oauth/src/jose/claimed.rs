//! What a token says of itself before anybody believes it: good for refusing it, and nothing else.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::TokenMarks;
use serde_json::{Map, Value};

use super::{access_token, json};

/// The names of a JWT, whoever signed it and however: it is for somebody else to verify, who may read
/// more forms than we do. `None`: it cannot be read, or names no issuer.
pub fn claimed_marks(text: &str) -> Option<TokenMarks> {
    let members = claims(text)?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(Arc::from);
    Some(TokenMarks {
        issuer: text("iss")?,
        subject: text("sub"),
        jti: text("jti"),
        sid: text("sid"),
        // One that says it wrongly does not say when it was issued.
        issued_at: access_token::moment(&members, "iat").unwrap_or_default(),
    })
}

/// The one audience of a JWT: good for asking whether it is believed there, and nothing else.
pub fn claimed_audience(text: &str) -> Option<String> {
    let members = claims(text)?;
    members
        .get("aud")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn claims(text: &str) -> Option<Map<String, Value>> {
    let mut parts = text.split('.');
    let (_head, body) = (parts.next()?, parts.next()?);
    let body = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
    json::object(&body)
}
