//! Tokens as callers send them, and what an introspection endpoint says of them.

use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_oauth::jose::{
    Algorithm, Jwks, Jws, TokenRules, TokenType, Unverified, read_introspected, verify_access_token,
};

/// The only tokens that the key below ever signed; the second is bound to [`HOLDER`].
pub const TOKENS: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYWxpY2UiLCJhdWQiOiJndyIsImlhdCI6MTc5OTk5OTk5MCwiZXhwIjoxODAwMDAwMzAwLCJzY29wZSI6ImEgYiJ9.i2ehTMMaN7lWH5CQz56bbxnpGTw9-K22FiS-C7spO_b6iaKlBbnWtt-MwHGoaYHFqtVxDGqLwgijg5YZErDHAA",
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYWxpY2UiLCJhdWQiOiJndyIsImlhdCI6MTc5OTk5OTk5MCwiZXhwIjoxODAwMDAwMzAwLCJzY29wZSI6ImEgYiIsImNuZiI6eyJ4NXQjUzI1NiI6IkNRa0pDUWtKQ1FrSkNRa0pDUWtKQ1FrSkNRa0pDUWtKQ1FrSkNRa0pDUWsifX0.475xD8bif1Io9PfiaJqqUNLcWAC6cpiwfBi68vg0AKF_ZaTcJRMnSSPpihfqWdgWn1uH3BXk1RhoRVnu2ZAqAQ",
];

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"}]}"#;
const NOW: i64 = 1_800_000_000;
const HOLDER: [u8; 32] = [9; 32];

fn rules() -> TokenRules {
    TokenRules {
        issuer: "https://issuer.example".to_owned(),
        audiences: vec!["gw".to_owned()],
        algorithms: Algorithm::ALL.to_vec(),
        types: vec![TokenType::named("at+jwt"), TokenType::named("JWT")],
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(86_400),
    }
}

/// Whether a token is believed of the holder of the certificate.
pub fn believed(text: &str) -> bool {
    let keys = Jwks::parse(KEYS.as_bytes()).expect("a good key set");
    let token = Unverified::<Jws<'_>>::parse(text);
    let now = Timestamp::from_secs(NOW);
    token
        .is_ok_and(|token| verify_access_token(&token, &keys, &rules(), Some(&HOLDER), now).is_ok())
}

/// Whatever is made of a token, what was signed has one spelling and nothing else is believed; a bound
/// token is never believed without its certificate.
pub fn token(input: &[u8]) {
    let now = Timestamp::from_secs(NOW);
    let keys = Jwks::parse(KEYS.as_bytes()).expect("a good key set");
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(token) = Unverified::<Jws<'_>>::parse(text)
    {
        // Never a panic, whatever stands there.
        let _ = token.claimed_issuer();
        for holder in [None, Some(&HOLDER), Some(&[0; 32])] {
            let judged = verify_access_token(&token, &keys, &rules(), holder, now);
            let Ok(claims) = judged else {
                continue;
            };
            assert!(TOKENS.contains(&text), "a token that nobody signed");
            assert!(
                !claims.is_bound() || holder == Some(&HOLDER),
                "a bound token without its certificate"
            );
        }
    }
    // The reader of claims without the signature before it.
    if let Ok(claims) = read_introspected(input, &rules(), None, now) {
        let said: serde_json::Value =
            serde_json::from_slice(input).expect("we believed what is not JSON");
        assert_eq!(said["active"], true);
        assert_eq!(said["sub"], claims.subject());
        assert!(said.get("cnf").is_none() && !claims.is_bound());
        assert!(
            claims
                .expires_at()
                .is_some_and(|end| end.after(rules().leeway) > now)
        );
        let _ = (claims.scopes(), claims.texts("a.b"), claims.text("sub"));
    }
    // A key set is a stranger's bytes too.
    if let Ok(keys) = Jwks::parse(input) {
        assert!(keys.usable() <= 100);
    }
}
