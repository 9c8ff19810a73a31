//! The keys of the authorization server through rotations, and its configuration.

use std::sync::Arc;
use std::time::Duration;

use portcullis_config::CommandLine;
use portcullis_core::{Clock, ManualClock};
use portcullis_credentials::KeyBook;
use portcullis_oauth::jose::{Jws, Unverified};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::wire::Embedded;
use crate::wire::signing_keys::{self, Chain};

/// A rotation in the middle of a flow: what the old key signed is believed until it ends.
#[tokio::test]
async fn a_key_that_was_replaced_is_believed_as_long_as_its_tokens_live() {
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let line = CommandLine::default();
    let embedded = Embedded::start_at(clock.clone(), "", line, &tasks, &stop).await;
    let embedded = embedded.unwrap();
    let rooms = embedded.rooms();
    let book = rooms.authorization.keys();
    let sign = || {
        use portcullis_identity::authorization_server::TokenKeys;
        let key = book.signing_key().unwrap();
        let token = key.sign("at+jwt", &serde_json::json!({"iss": "us"}));
        (key.key_id().to_owned(), token.unwrap())
    };
    let believed = |token: &portcullis_core::SecretValue| {
        use portcullis_identity::authorization_server::TokenKeys;
        let token = Unverified::<Jws<'_>>::parse(token.expose()).unwrap();
        let algorithms = ["ES256".parse().unwrap()];
        token.signed_by(&book.verifying(), &algorithms).is_ok()
    };
    let (first, old) = sign();
    let store = &*rooms.vaults.stores.authorization_keys;
    let chain = Chain::for_authorization(store, &rooms.vaults.ring);
    let algorithm = crate::wire::authorization::ALGORITHM;
    let rotated = signing_keys::rotate(chain, algorithm, clock.now(), false).await;
    rotated.unwrap();
    rooms.authorization.follow().await;
    assert_eq!(sign().0, first, "a new key is published before it signs");
    clock.advance(KeyBook::NOTICE);
    rooms.authorization.follow().await;
    let (second, new) = sign();
    assert_ne!(second, first);
    assert!(believed(&old) && believed(&new));
    clock.advance(Duration::from_hours(1));
    rooms.authorization.follow().await;
    assert!(believed(&old), "its tokens live for an hour");
    let upstream = rooms.vaults.stores.signing_keys.list().await.unwrap();
    assert!(upstream.is_empty(), "they sign for nobody else");
}

#[test]
fn what_cannot_be_a_callback_is_refused_before_anything_starts() {
    for (written, said) in [
        (
            "native_redirects: [javascript]",
            "not the callback of a native client",
        ),
        ("access_token_ttl: 2h", "not between 1m and 1h"),
        ("refresh_token_ttl: 1m", "not between 1h and 90d"),
        ("grant_ttl: 1m", "not between 1h and 365d"),
        ("clients: [{redirect_uris: ['https://a.b/']}]", "client_id"),
        ("clients: [{client_id: a}]", "redirect_uris"),
        (
            "clients: [{client_id: a, redirect_uris: []}]",
            "sent nowhere",
        ),
        (
            "clients: [{client_id: 'a b', redirect_uris: ['https://a.b/']}]",
            "not a usable client_id",
        ),
    ] {
        let text = format!("identity: {{authorization_server: {{{written}}}}}");
        let errors = crate::wire::tests::refused(&text);
        assert!(errors.contains(said), "{written}: {errors}");
    }
}
