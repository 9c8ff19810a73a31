//! Streams of callers whose issuer, or way to sign in, changed in the file.

use std::sync::Arc;

use portcullis_core::{Principal, PrincipalId, PrincipalKind, Side};
use portcullis_engine::{Admission, Standing};
use portcullis_identity::MasterKey;

use super::config;
use super::small_world::SmallWorld;

#[tokio::test]
async fn streams_end_with_the_trust_in_the_issuer_whose_token_opened_them() {
    let world = SmallWorld::start("").await;
    let standings = &world.embedded.rooms().standings;
    let bearer = |issuer: &str| Principal {
        id: PrincipalId::from(format!("jwt:{issuer} alice")),
        kind: PrincipalKind::Jwt,
        issuer: Some(Arc::from(issuer)),
        ..MasterKey::principal()
    };
    let issuers = |audience: &str, third: &str| {
        config(&format!(
            "identity:\n  issuers:\n  - {{issuer: 'https://same.example', audience: x}}\n  \
             - {{issuer: 'https://changed.example', audience: {audience}}}\n{third}"
        ))
    };
    let third = "  - {issuer: 'https://gone.example', audience: x}\n";
    let before = issuers("x", third);
    let holds = |issuer: &str, generation| {
        let admission = Admission {
            side: Side::Outside,
            address: None,
            at: portcullis_core::Timestamp::from_secs(0),
            generation,
            proof: None,
        };
        standings.holds(&bearer(issuer), &admission)
    };
    standings.changed(&before, &before, 2);
    assert!(holds("https://changed.example", 1));
    standings.changed(&before, &issuers("y", ""), 3);
    for generation in [1, 2] {
        assert!(holds("https://same.example", generation));
        assert!(!holds("https://changed.example", generation));
        assert!(!holds("https://gone.example", generation));
    }
    // Whoever comes under the new rules was judged by them.
    assert!(holds("https://changed.example", 3));
    standings.changed(&before, &before, 4);
    assert!(
        !holds("https://changed.example", 2),
        "long ago is no pardon"
    );
}

/// Tokens of our own last as long as the file stands behind the way in which their people signed in.
#[tokio::test]
async fn streams_end_with_the_way_to_sign_in() {
    let world = SmallWorld::start("").await;
    let standings = &world.embedded.rooms().standings;
    let person = |kind, issuer: Option<&str>| Principal {
        id: PrincipalId::from("jwt:https://idp.example alice"),
        kind,
        issuer: issuer.map(Arc::from),
        ..MasterKey::principal()
    };
    let holds = |principal: &Principal, generation| {
        let admission = Admission {
            side: Side::Outside,
            address: None,
            at: portcullis_core::Timestamp::from_secs(0),
            generation,
            proof: None,
        };
        standings.holds(principal, &admission)
    };
    let by_provider = person(PrincipalKind::SignedIn, Some("https://idp.example"));
    let by_key = person(PrincipalKind::SignedIn, None);
    let by_issuer = person(PrincipalKind::Jwt, Some("https://idp.example"));
    let login = |us: &str| format!("  login: {{issuer: 'https://idp.example', client_id: {us}}}\n");
    let file = |rest: &str| config(&format!("identity:\n  scopes_supported: [read]\n{rest}"));
    let (one, other, none) = (file(&login("us")), file(&login("we")), file(""));
    standings.changed(&one, &one, 2);
    assert!(holds(&by_provider, 1) && holds(&by_key, 1));
    standings.changed(&one, &other, 3);
    assert!(!holds(&by_provider, 2), "another client of the provider");
    assert!(holds(&by_key, 2) && holds(&by_issuer, 2), "others do not");
    assert!(holds(&by_provider, 3));
    standings.changed(&other, &none, 4);
    assert!(!holds(&by_provider, 3), "the provider is gone");
    assert!(holds(&by_key, 3));
    let off = file("  authorization_server: {enabled: false}\n");
    standings.changed(&none, &off, 5);
    assert!(!holds(&by_key, 4) && !holds(&by_provider, 4));
    assert!(holds(&by_issuer, 4), "whose tokens are none of our own");
}
