//! What a token endpoint grants (RFC 6749 §5.1).

use std::time::Duration;

use portcullis_core::{AccessToken, RefreshToken, ScopeSet};
use serde::Deserialize;
use serde_json::Value;

/// No lifetime beyond this is believed; it also keeps all arithmetic on it small.
pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// Nor beyond this, where a day is not the most.
const LONGEST_GRANT: Duration = Duration::from_hours(24 * 3650);

/// A longer token cannot be meant for a header.
pub(crate) const LONGEST_TOKEN: usize = 16 * 1024;

/// A successful token response, reduced to what is used of it.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// `access_token`, known to be fit for a `Bearer` header.
    pub access_token: AccessToken,
    /// `expires_in`. `None` when absent or not a number; zero when zero or negative; never more
    /// than a day. A string of digits counts as the number, because some servers send one.
    pub expires_in: Option<Duration>,
    /// `scope`, when it differs from what was asked for. Says what the token can do upstream and
    /// never widens what we permit.
    pub scope: Option<ScopeSet>,
    /// `issued_token_type` (RFC 8693 §2.2.1), as the server wrote it.
    pub issued_type: Option<String>,
    /// `refresh_token` (RFC 6749 §5.1).
    pub refresh_token: Option<RefreshToken>,
    /// `expires_in` again, up to ten years: for what a person granted, which lasts until it is refused.
    pub lifetime: Option<Duration>,
}

/// Why a body is not a token response. Nothing of the body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenResponse {
    /// Not a JSON object with the required members, each once.
    #[error("not a JSON object with access_token and token_type")]
    Malformed,
    /// A token of another type.
    #[error("token_type is not Bearer")]
    NotBearer,
    /// Empty, too long, or with characters that RFC 6750 §2.1 does not allow.
    #[error("access_token is not a bearer token (RFC 6750 §2.1)")]
    BadToken,
}

impl TokenResponse {
    /// Reads a response body. Members that are not used may hold anything.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidTokenResponse> {
        #[derive(Deserialize)]
        struct Wire {
            access_token: String,
            token_type: String,
            #[serde(default)]
            expires_in: Value,
            #[serde(default)]
            scope: Value,
            #[serde(default)]
            issued_token_type: Value,
            #[serde(default)]
            refresh_token: Value,
        }
        let wire: Wire =
            serde_json::from_slice(body).map_err(|_| InvalidTokenResponse::Malformed)?;
        let access_token = AccessToken::new(wire.access_token);
        // RFC 6749 §5.1: the value is case insensitive.
        if !wire.token_type.eq_ignore_ascii_case("bearer") {
            return Err(InvalidTokenResponse::NotBearer);
        }
        if !is_header_token(access_token.expose()) {
            return Err(InvalidTokenResponse::BadToken);
        }
        Ok(Self {
            access_token,
            expires_in: lifetime(&wire.expires_in),
            scope: wire.scope.as_str().and_then(|scope| scope.parse().ok()),
            issued_type: wire.issued_token_type.as_str().map(str::to_owned),
            refresh_token: wire
                .refresh_token
                .as_str()
                .filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN)
                .map(RefreshToken::new),
            lifetime: lifetime_up_to(&wire.expires_in, LONGEST_GRANT),
        })
    }
}

/// Visible ASCII. RFC 6750 §2.1 allows less (`b64token`); some servers' opaque tokens use more of
/// it, and none of it can break out of a header.
fn is_header_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= LONGEST_TOKEN
        && token.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) fn lifetime(expires_in: &Value) -> Option<Duration> {
    lifetime_up_to(expires_in, LONGEST_LIFETIME)
}

fn lifetime_up_to(expires_in: &Value, longest: Duration) -> Option<Duration> {
    let seconds = match expires_in {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            text.parse::<f64>().ok()?
        }
        _ => return None,
    };
    // Compared as floats so that neither 1e308 nor a negative number reaches an integer.
    if seconds >= longest.as_secs_f64() {
        Some(longest)
    } else if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds).ok()
    } else {
        Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<TokenResponse, InvalidTokenResponse> {
        TokenResponse::parse(body.as_bytes())
    }

    /// TOK-02.
    #[test]
    fn hostile_lifetimes_are_bounded() {
        let day = Some(LONGEST_LIFETIME);
        for (expires_in, expected) in [
            ("3600", Some(Duration::from_hours(1))),
            (r#""3600""#, Some(Duration::from_hours(1))),
            ("59.5", Some(Duration::from_millis(59_500))),
            ("10", Some(Duration::from_secs(10))),
            ("0", Some(Duration::ZERO)),
            ("-5", Some(Duration::ZERO)),
            (r#""-5""#, Some(Duration::ZERO)),
            ("-1e308", Some(Duration::ZERO)),
            ("1e308", day),
            ("1099511627776", day),
            ("18446744073709551616", day),
            (r#""99999999999999999999999999""#, day),
            ("null", None),
            (r#""soon""#, None),
            (r#""NaN""#, None),
            (r#""1e9""#, None),
            (r#""""#, None),
            ("true", None),
            ("[3600]", None),
            ("{}", None),
        ] {
            let body = format!(
                r#"{{"access_token":"t","token_type":"Bearer","expires_in":{expires_in}}}"#
            );
            assert_eq!(parse(&body).unwrap().expires_in, expected, "{expires_in}");
        }
        let missing = parse(r#"{"access_token":"t","token_type":"Bearer"}"#).unwrap();
        assert_eq!(missing.expires_in, None);
    }

    #[test]
    fn rfc_6749_5_1_the_token_type_is_compared_case_insensitively() {
        for token_type in ["Bearer", "bearer", "BEARER"] {
            let body = format!(r#"{{"access_token":"t","token_type":"{token_type}"}}"#);
            assert!(parse(&body).is_ok());
        }
        for token_type in ["DPoP", "mac", "N_A", "", "bearer "] {
            let body = format!(r#"{{"access_token":"t","token_type":"{token_type}"}}"#);
            assert_eq!(parse(&body).unwrap_err(), InvalidTokenResponse::NotBearer);
        }
    }

    #[test]
    fn what_is_not_a_token_response_is_refused() {
        for (body, expected) in [
            ("", InvalidTokenResponse::Malformed),
            ("<html>", InvalidTokenResponse::Malformed),
            ("[]", InvalidTokenResponse::Malformed),
            (
                r#"{"token_type":"Bearer"}"#,
                InvalidTokenResponse::Malformed,
            ),
            (r#"{"access_token":"t"}"#, InvalidTokenResponse::Malformed),
            (
                r#"{"access_token":null,"token_type":"Bearer"}"#,
                InvalidTokenResponse::Malformed,
            ),
            (
                r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
                InvalidTokenResponse::Malformed,
            ),
            (
                r#"{"access_token":"","token_type":"Bearer"}"#,
                InvalidTokenResponse::BadToken,
            ),
            (
                r#"{"access_token":"a\r\nx-evil: 1","token_type":"Bearer"}"#,
                InvalidTokenResponse::BadToken,
            ),
            (
                r#"{"access_token":"a b","token_type":"Bearer"}"#,
                InvalidTokenResponse::BadToken,
            ),
        ] {
            assert_eq!(parse(body).unwrap_err(), expected, "{body}");
        }
        let long = "x".repeat(LONGEST_TOKEN + 1);
        let body = format!(r#"{{"access_token":"{long}","token_type":"Bearer"}}"#);
        assert_eq!(parse(&body).unwrap_err(), InvalidTokenResponse::BadToken);
    }

    #[test]
    fn other_members_may_hold_anything() {
        let token = parse(
            r#"{"access_token":"t","token_type":"bearer","scope":["x"],"id_token":{},"ext":1}"#,
        )
        .unwrap();
        assert_eq!(token.scope, None);
        let token = parse(r#"{"access_token":"t","token_type":"bearer","scope":"b a"}"#).unwrap();
        assert_eq!(token.scope.unwrap().to_string(), "a b");
    }
}
