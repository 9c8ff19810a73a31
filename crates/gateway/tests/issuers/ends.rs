//! How long a token keeps open what it opened, and an issuer that is away from the beginning.

use super::*;

/// MCP-25: nobody hears on by a token that is over.
#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let stage = Stage::set().await;
    let alice = stage.alice();
    let session = alice.session("/mcp").await;
    let mut stream = alice.listen("/mcp", &session).await;
    stage.clock.advance(Duration::from_secs(331));
    stream.ends().await;
    stage.is_refused(&alice, "expired").await;
    is_served(&stage.alice().echo("by her next token").await);
    stage.stands().await;
}

/// until its keys were seen once nobody is believed, and nobody is told that they are nobody either.
#[tokio::test]
async fn an_issuer_that_is_away_at_the_start_lets_nobody_in_until_it_is_there() {
    let issuer = TestIssuer::start().await;
    issuer.answers(503, "");
    let entry = issuer.entry(STAFF);
    let stage = Stage::with(issuer, &entry).await;
    let key = stage.gateway.key("of-the-store", &["support"]).await;
    for _ in 0..3 {
        stage.is_unknown(&stage.alice()).await;
        is_served(&key.echo("who needs no issuer").await);
    }
    stage.issuer.recovers();
    stage.clock.advance(Duration::from_secs(30));
    is_served(&stage.alice().echo("hello").await);
    stage.stands().await;
}
