//! The one thing that is read from a token that nobody verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{AccessToken, Timestamp};
use serde::Deserialize;

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
}
