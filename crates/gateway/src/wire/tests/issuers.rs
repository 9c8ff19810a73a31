//! Streams of callers whose issuer changed in the file.

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
