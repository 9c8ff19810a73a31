//! OAuth error responses, of which only the code survives.

use serde::Deserialize;

/// Codes of the IANA OAuth extensions error registry and of OpenID Connect Core §3.1.2.6 that a
/// token endpoint or a protected resource may send.
const REGISTERED: &[&str] = &[
    // RFC 6749 §5.2 and §4.1.2.1
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "unsupported_response_type",
    "server_error",
    "temporarily_unavailable",
    // RFC 6750 §3.1
    "invalid_token",
    "insufficient_scope",
    // RFC 8628 §3.5
    "authorization_pending",
    "slow_down",
    "expired_token",
    // RFC 8707 §2
    "invalid_target",
    // RFC 9449 §5
    "invalid_dpop_proof",
    "use_dpop_nonce",
    // RFC 9470 §3
    "insufficient_user_authentication",
    // OpenID Connect Core §3.1.2.6
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
];

/// The registered code that `text` is, if it is one.
pub(crate) fn registered(text: &str) -> Option<&'static str> {
    REGISTERED.iter().find(|code| **code == text).copied()
}

/// The code of an error response (RFC 6749 §5.2), if the body is one and the code is registered.
/// Everything else that the body says stays unread: servers repeat secrets in their prose.
pub fn registered_error_code(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct ErrorResponse<'a> {
        #[serde(borrow)]
        error: std::borrow::Cow<'a, str>,
    }
    let response: ErrorResponse<'_> = serde_json::from_slice(body).ok()?;
    registered(&response.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_codes_survive() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_client","error_description":"canary"}"#,
                Some("invalid_client"),
            ),
            (r#"{"error":"invalid\u005fscope"}"#, Some("invalid_scope")),
            (r#"{"error":"secret=canary"}"#, None),
            (r#"{"error":{"message":"canary"}}"#, None),
            (
                r#"{"error":"invalid_client","error":"invalid_grant"}"#,
                None,
            ),
            ("<html>canary</html>", None),
            ("", None),
        ] {
            assert_eq!(registered_error_code(body.as_bytes()), expected, "{body}");
        }
    }
}
