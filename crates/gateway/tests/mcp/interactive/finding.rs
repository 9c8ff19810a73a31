//! How often whom people are sent to is searched for, and how many may be away at a time.

use std::time::Duration;

use portcullis_credentials::{CredentialError, CredentialErrorKind};
use serde_json::json;

use super::{Person, Stage, cookie};

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// What a page shows and what its button does, for everybody who looks at once, is one search.
#[tokio::test]
async fn whom_people_are_sent_to_is_searched_for_once_a_minute() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let auth = super::auth(&stage.house);
    let connections = stage.house.embedded.connections();
    let looks = (0..8).map(|_| connections.destination(&auth));
    for seen in futures_util::future::join_all(looks).await {
        seen.unwrap();
    }
    stage.connect(&alice).await;
    let searched = || stage.authorization.at(METADATA).len();
    assert_eq!(searched(), 1);
    stage.clock.advance(Duration::from_secs(59));
    connections.destination(&auth).await.unwrap();
    assert_eq!(searched(), 1);
    stage.clock.advance(Duration::from_secs(1));
    connections.destination(&auth).await.unwrap();
    assert_eq!(searched(), 2);

    // One that came to nothing is repeated sooner.
    let issuer = stage.authorization.origin().to_owned();
    let named = |issuer: &str| {
        let named = json!(issuer);
        stage
            .authorization
            .manners(|manners| manners.metadata["issuer"] = named);
    };
    named("https://evil.example");
    stage.searches_anew();
    for _ in 0..3 {
        let kind = stage.refused(&alice).await;
        assert_eq!(kind, CredentialErrorKind::NotDiscovered);
    }
    let failed = searched();
    named(&issuer);
    stage.clock.advance(Duration::from_secs(29));
    stage.refused(&alice).await;
    assert_eq!(searched(), failed);
    stage.clock.advance(Duration::from_secs(1));
    stage.begin(&alice).await.unwrap();

    // A server that refuses what was granted may have moved: nobody waits for a minute then.
    stage.later(Duration::from_secs(1)).await;
    stage.rules().refuses_all = true;
    let before = searched();
    stage.call(&alice).await;
    stage.begin(&alice).await.unwrap();
    assert_eq!(searched(), before + 1);
    stage.end().await;
}

/// Each of them is a row for ten minutes.
#[tokio::test]
async fn a_person_is_not_sent_away_without_end() {
    let stage = Stage::set(&[]).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let goes = async |person: &Person| stage.begin(person).await;
    for _ in 0..20 {
        goes(&alice).await.unwrap();
    }
    let refused: CredentialError = goes(&alice).await.unwrap_err();
    assert_eq!(refused.kind, CredentialErrorKind::TooManyFlows);
    let departure = goes(&bob).await.unwrap();
    stage.clock.advance(Duration::from_secs(599));
    goes(&alice).await.unwrap_err();
    stage.clock.advance(Duration::from_secs(1));
    for _ in 0..20 {
        goes(&alice).await.unwrap();
    }
    // Whoever came back may go again.
    let last = goes(&bob).await.unwrap();
    let query = stage.authorization.agrees(&last.url);
    stage.arrive(&bob, &query, cookie(&last)).await.unwrap();
    for _ in 0..20 {
        goes(&bob).await.unwrap();
    }
    drop(departure);
    stage.end().await;
}
