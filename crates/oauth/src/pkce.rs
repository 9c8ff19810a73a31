//! Proof Key for Code Exchange (RFC 7636), with S256 and nothing else.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{SecretValue, sha256};

/// The one method (RFC 7636 §4.2); `plain` shows the verifier to whoever sees the request.
pub const S256: &str = "S256";

/// A code verifier: whoever has it can redeem the code that was asked for with its challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeVerifier(SecretValue);

impl CodeVerifier {
    /// 32 random bytes as 43 characters (RFC 7636 §4.1).
    pub fn from_random(random: &[u8; 32]) -> Self {
        Self(SecretValue::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// One that was kept. Nothing is checked: only what [`expose`](Self::expose) gave is kept.
    pub fn kept(text: impl Into<String>) -> Self {
        Self(SecretValue::new(text))
    }

    /// The text, for the token request.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// `code_challenge` (RFC 7636 §4.2).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.expose().as_bytes()))
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_appendix_b() {
        let verifier = CodeVerifier::kept("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            verifier.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(format!("{verifier:?}"), "CodeVerifier(redacted)");
    }

    #[test]
    fn rfc_7636_4_1_a_verifier_has_43_unreserved_characters() {
        let verifier = CodeVerifier::from_random(&[0xff; 32]);
        assert_eq!(verifier.expose().len(), 43);
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(verifier.expose().bytes().all(unreserved));
    }
}
