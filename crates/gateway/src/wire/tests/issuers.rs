//! Streams of callers whose issuer changed in the file.

use std::sync::Arc;

use portcullis_core::{Principal, PrincipalId, PrincipalKind};
use portcullis_engine::Standing;
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
    standings.changed(&before, &before);
    assert!(standings.holds(&bearer("https://changed.example")));
    standings.changed(&before, &issuers("y", ""));
    assert!(standings.holds(&bearer("https://same.example")));
    assert!(!standings.holds(&bearer("https://changed.example")));
    assert!(!standings.holds(&bearer("https://gone.example")));
}
