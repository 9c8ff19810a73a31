//! Tokens that nobody uses any more: their authorization server is told (RFC 7009), and nobody waits for
//! it.

use std::time::Duration;

use portcullis_testkit::eventually;
use portcullis_testkit::upstream::Gate;
use serde_json::json;

use super::{FakeAuthorizationServer, FakeUpstream, Stage, arrive, cookie};

/// The grant of one connection: an access token and a refresh token.
const ONE: usize = 2;

#[tokio::test]
async fn a_connection_that_is_made_anew_leaves_no_tokens_of_before() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    // However slow that server is about it, the person goes on.
    let gate = Gate::closed();
    let waits = gate.clone();
    stage
        .authorization
        .manners(|manners| manners.revocations_wait = Some(waits));
    stage.connect(&alice).await;
    let second = stage.token_of(&alice).await;
    gate.open();
    let over = async || !stage.authorization.stands_behind(&first);
    eventually("the first token is ended", over).await;
    let only = async || stage.authorization.alive() == ONE;
    eventually("only the second grant is left", only).await;
    assert_eq!(stage.token_of(&alice).await, second);
    stage.end().await;
}

#[tokio::test]
async fn of_two_flows_that_end_at_once_one_grant_is_left() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let (one, other) = (stage.begin(&alice).await, stage.begin(&alice).await);
    let (one, other) = (one.unwrap(), other.unwrap());
    let (first, second) = (
        stage.authorization.agrees(&one.url),
        stage.authorization.agrees(&other.url),
    );
    let (came, also) = tokio::join!(
        arrive(&stage.house, &alice, &first, cookie(&one)),
        arrive(&stage.house, &alice, &second, cookie(&other))
    );
    came.unwrap();
    also.unwrap();
    let only = async || stage.authorization.alive() == ONE;
    eventually("only one grant is left", only).await;
    let token = stage.token_of(&alice).await;
    assert!(stage.authorization.stands_behind(&token));
    stage.end().await;
}

#[tokio::test]
async fn what_is_not_kept_is_given_back() {
    let stage = Stage::set(&["token_validation: {team: T1}"]).await;
    let alice = stage.person("alice").await;
    let nothing = async || stage.authorization.alive() == 0;
    stage
        .authorization
        .manners(|manners| manners.also = json!({"team": "T2"}));
    let departure = stage.begin(&alice).await.unwrap();
    let query = stage.authorization.agrees(&departure.url);
    let refused = stage.arrive(&alice, &query, cookie(&departure)).await;
    refused.unwrap_err();
    eventually("another team's tokens are ended", nothing).await;

    // Nor when it is renewed.
    stage
        .authorization
        .manners(|manners| manners.also = json!({"team": "T1"}));
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    stage
        .authorization
        .manners(|manners| manners.also = json!({"team": "T2"}));
    stage.later(Duration::from_hours(1)).await;
    stage.call(&alice).await;
    // The first access token has ended by itself, as far as its life goes.
    stage.authorization.end_tokens(false);
    eventually("another team's tokens are ended", nothing).await;
    stage.end().await;
}

/// A refresh that is under way when its person disconnects brings tokens that nobody will ever use.
#[tokio::test]
async fn what_is_renewed_while_its_person_disconnects_is_given_back() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    let gate = Gate::closed();
    let waits = gate.clone();
    stage
        .authorization
        .manners(|manners| manners.tokens_wait = Some(waits));
    stage.later(Duration::from_hours(1)).await;
    let tasks = tokio_util::task::TaskTracker::new();
    let caller = alice.client.clone();
    let renewing = tasks.spawn(async move { caller.call("echo", "{}").await });
    let asked = async || stage.authorization.token_forms().len() == 2;
    eventually("the token is being renewed", asked).await;
    let auth = super::auth(&stage.house);
    let connections = stage.house.embedded.connections();
    let ended = connections.disconnect(&auth, &alice.id).await.unwrap();
    assert!(ended.was_connected);
    gate.open();
    renewing.await.unwrap();
    super::wanted_consent(&stage.house).await;
    let nothing = async || stage.authorization.alive() == 0;
    eventually("no tokens are left", nothing).await;
    assert_eq!(super::status(&stage.house, &alice).await, None);
    stage.end().await;
}

/// A client that brings its person's grant again and again brings the same one: it is not ended.
#[tokio::test]
async fn a_grant_that_is_brought_again_stands() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.knows("by-hand", None, "none");
    let lines = ["client_id: by-hand", "token_endpoint_auth_method: none"];
    let stage = Stage::around(upstream, authorization, "", &lines).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let token = stage.token_of(&alice).await;
    let auth = super::auth(&stage.house);
    let connections = stage.house.embedded.connections();
    let body = json!({"access_token": token, "expires_in": 3600}).to_string();
    for _ in 0..2 {
        let kept = connections.keep(&auth, &alice.id, body.as_bytes()).await;
        kept.unwrap();
        assert_eq!(stage.token_of(&alice).await, token);
    }
    connections.disconnect(&auth, &alice.id).await.unwrap();
    assert_eq!(stage.authorization.at("/revoke").len(), 1);
    stage.end().await;
}

/// Nor is one of an authorization server that gives out the same token again.
#[tokio::test]
async fn a_token_that_is_granted_again_stands() {
    let stage = Stage::set(&[]).await;
    let same = json!({"access_token": "same", "refresh_token": "same as before"});
    stage.authorization.manners(|manners| manners.also = same);
    let alice = stage.person("alice").await;
    for _ in 0..3 {
        stage.connect(&alice).await;
    }
    let connections = stage.house.embedded.connections();
    let ended = connections
        .disconnect(&super::auth(&stage.house), &alice.id)
        .await;
    assert!(ended.unwrap().revoked);
    assert_eq!(stage.authorization.at("/revoke").len(), ONE);
    stage.end().await;
}
