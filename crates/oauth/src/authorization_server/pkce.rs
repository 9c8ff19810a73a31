//! Proof Key for Code Exchange (RFC 7636), S256 and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{constant_time_eq, sha256};
use serde::{Deserialize, Serialize};

/// The SHA-256 of a verifier that only the client knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PkceChallenge([u8; 32]);

impl PkceChallenge {
    /// Reads `code_challenge`: the one spelling of a SHA-256 in base64url (RFC 7636 §4.2).
    pub fn parse(text: &str) -> Option<Self> {
        let digest = URL_SAFE_NO_PAD.decode(text).ok()?;
        digest.try_into().ok().map(Self)
    }

    /// Whether this is the verifier (RFC 7636 §4.1 and §4.6).
    pub fn answered_by(&self, verifier: &str) -> bool {
        let unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && constant_time_eq(&sha256(verifier.as_bytes()), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_answers_its_challenge() {
        let challenge = PkceChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.answered_by(VERIFIER));
    }

    /// PKCE-01.
    #[test]
    fn only_a_sha_256_is_a_challenge() {
        for bad in [
            "",
            "abc",
            VERIFIER.get(..42).unwrap(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMA",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
            " E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ] {
            assert_eq!(PkceChallenge::parse(bad), None, "{bad}");
        }
    }

    /// PKCE-02: a verifier that is too short is none, even if its hash is right.
    #[test]
    fn no_other_verifier_answers() {
        let challenge = PkceChallenge::parse(CHALLENGE).unwrap();
        let long = "a".repeat(129);
        for bad in ["", " ", CHALLENGE, &VERIFIER[..42], &long, "ä"] {
            assert!(!challenge.answered_by(bad), "{bad}");
        }
        for text in ["", "short", &"a".repeat(42), &long, &"ä".repeat(30)] {
            let of_it = PkceChallenge(sha256(text.as_bytes()));
            assert!(!of_it.answered_by(text), "{text}");
        }
        let exact = "~".repeat(128);
        assert!(PkceChallenge(sha256(exact.as_bytes())).answered_by(&exact));
    }
}
