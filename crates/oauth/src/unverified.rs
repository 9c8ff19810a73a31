//! The two things that are read from a token that nobody verified, because they only ever make less of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{AccessToken, ScopeSet, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jose::json;

/// When a token says that it ends, if it is a JWT that says so (RFC 7519 §4.1.4).
///
/// Good only for ending something earlier: whoever wrote the token wrote this too.
pub fn claimed_expiry(token: &AccessToken) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.expose().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(numeric_date(claims.exp))
}

/// The scopes that a token says it carries (RFC 9068 §2.2.3, and as others write it), if it is a JWT that
/// says so.
///
/// Good only for asking for less: whoever wrote the token wrote this too.
pub fn claimed_scopes(token: &AccessToken) -> Option<ScopeSet> {
    let mut parts = token.expose().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?)?;
    scopes_of(&claims)
}

/// The scopes of claims; `None` where no claim is about them.
pub(crate) fn scopes_of(claims: &Map<String, Value>) -> Option<ScopeSet> {
    let written = ["scope", "scp", "scopes"].map(|name| claims.get(name));
    if written.iter().all(Option::is_none) {
        return None;
    }
    let tokens = written
        .into_iter()
        .flatten()
        .flat_map(|value| match value {
            Value::String(text) => text.split(' ').collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        })
        .filter(|token| ScopeSet::from_tokens([*token]).is_ok());
    Some(ScopeSet::from_tokens(tokens).unwrap_or_default())
}

/// A `NumericDate` (RFC 7519 §2) in whole seconds, within what clocks can say.
pub(crate) fn numeric_date(seconds: f64) -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, and a moment beyond all clocks is as far as any other"
    )]
    let seconds = seconds.floor() as i64;
    Timestamp::from_secs(seconds.clamp(0, 1 << 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_jwt_says_of_its_end_is_read() {
        let jwt = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        for (token, expected) in [
            (jwt(r#"{"exp":1795000000,"sub":"a"}"#), Some(1_795_000_000)),
            (jwt(r#"{"exp":1795000000.9}"#), Some(1_795_000_000)),
            (jwt(r#"{"exp":-5}"#), Some(0)),
            (jwt(r#"{"exp":1e308}"#), Some(1 << 40)),
            (jwt(r#"{"exp":"1795000000"}"#), None),
            (jwt(r#"{"sub":"a"}"#), None),
            (jwt("<html>"), None),
            ("opaque".to_owned(), None),
            ("a.b".to_owned(), None),
            ("a.!.c".to_owned(), None),
        ] {
            let found = claimed_expiry(&AccessToken::new(token.clone()));
            assert_eq!(found, expected.map(Timestamp::from_secs), "{token}");
        }
    }

    #[test]
    fn scopes_are_read_wherever_issuers_write_them_and_their_absence_is_told_from_none() {
        let jwt = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        for (token, expected) in [
            (jwt(r#"{"scope":"b a"}"#), Some("a b")),
            (jwt(r#"{"scp":["a"],"scopes":"b"}"#), Some("a b")),
            (jwt(r#"{"scope":""}"#), Some("")),
            (jwt(r#"{"scope":7}"#), Some("")),
            (jwt(r#"{"sub":"a"}"#), None),
            (jwt(r#"{"scope":"a","scope":"b"}"#), None),
            ("opaque".to_owned(), None),
        ] {
            let found = claimed_scopes(&AccessToken::new(token.clone()));
            let found = found.map(|scopes| scopes.to_string());
            assert_eq!(found.as_deref(), expected, "{token}");
        }
    }
}
