//! What is done with a connection: it is used for its person, renewed, and ended.

use std::time::Duration;

use portcullis_core::{PrincipalId, ServerId};
use portcullis_store::ConnectionRecord;
use portcullis_testkit::upstream::FakeUpstream;

use super::{FakeAuthorizationServer, Stage, is_good};

/// PKCE-22.
#[tokio::test]
async fn everybody_is_called_for_with_their_own_token_and_nobody_with_anothers() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let is_modern = format!("{upstream:?}").contains("Modern");
        let authorization = FakeAuthorizationServer::start().await;
        let stage = Stage::around(upstream, authorization, "", &[]).await;
        let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
        let carol = stage.person("carol").await;
        let call = async |person: &super::Person| {
            if is_modern {
                person.client.modern_call("echo", "{}").await
            } else {
                person.client.call("echo", "{}").await
            }
        };
        let presented = || {
            let seen = stage.upstream.last("tools/call");
            seen.header("authorization").unwrap().to_owned()
        };
        stage.connect(&alice).await;
        is_good(&call(&alice).await);
        let of_alice = presented();
        call(&bob).await;
        super::wanted_consent(&stage.house).await;
        stage.connect(&bob).await;
        is_good(&call(&bob).await);
        let of_bob = presented();
        assert_ne!(of_alice, of_bob);
        for _ in 0..20 {
            is_good(&call(&alice).await);
            assert_eq!(presented(), of_alice);
            is_good(&call(&bob).await);
            assert_eq!(presented(), of_bob);
            call(&carol).await;
            super::wanted_consent(&stage.house).await;
        }
        // Nothing was ever asked in our own name.
        for request in stage.upstream.requests() {
            let value = request.header("authorization");
            let known = value.is_none_or(|value| value == of_alice || value == of_bob);
            assert!(known, "{request:?}");
        }
        stage.end().await;
    }
}

/// A database in the hands of somebody else: rows that are swapped between people do not open.
#[tokio::test]
async fn a_connection_that_was_moved_to_somebody_else_does_not_open() {
    let stage = Stage::set(&[]).await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    stage.connect(&alice).await;
    stage.connect(&mallory).await;
    stage.token_of(&mallory).await;
    let connections = &stage.house.embedded.stores().connections;
    let server = ServerId::from("a");
    let of_alice = connections.get(&alice.id, &server).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&of_alice.sealed).into_owned();
    assert!(!text.contains("upstream-token"), "sealed");
    let moved = ConnectionRecord {
        principal: mallory.id.clone(),
        version: 7,
        ..of_alice
    };
    connections.put(&moved).await.unwrap();
    stage.later(Duration::from_secs(1)).await;
    stage.wants_consent(&mallory).await;
    assert_eq!(super::status(&stage.house, &mallory).await, None);
    stage.token_of(&alice).await;
    // Connecting again helps.
    stage.connect(&mallory).await;
    stage.token_of(&mallory).await;
    stage.end().await;
}

/// A call costs no look into the store, and no token request, as long as nothing is due.
#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_kept_until_then() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    stage.later(Duration::from_secs(3539)).await;
    assert_eq!(stage.token_of(&alice).await, first);
    assert_eq!(stage.authorization.token_forms().len(), 1);
    stage.later(Duration::from_secs(1)).await;
    let second = stage.token_of(&alice).await;
    assert_ne!(first, second);
    stage.later(Duration::from_mins(59)).await;
    // The fake's refresh tokens are good once: the rotated one was kept.
    let third = stage.token_of(&alice).await;
    assert_ne!(second, third);
    let forms = stage.authorization.token_forms();
    assert_eq!(forms.len(), 3);
    for form in &forms[1..] {
        assert_eq!(form["resource"], stage.upstream.url());
        assert!(!form.contains_key("scope"), "a refresh does not widen");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_does_not_end_what_still_serves() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    stage
        .authorization
        .manners(|manners| manners.tokens = Some((503, String::new())));
    stage.later(Duration::from_secs(3550)).await;
    assert_eq!(stage.token_of(&alice).await, first);
    assert_eq!(stage.token_of(&alice).await, first);
    assert_eq!(stage.authorization.token_forms().len(), 2, "a pause");
    stage.later(Duration::from_secs(50)).await;
    let before = stage.upstream.count("tools/call");
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "unavailable");
    assert_eq!(stage.upstream.count("tools/call"), before);
    // Nor does a token that has ended cost one request for each call.
    for _ in 0..10 {
        stage.call(&alice).await;
    }
    assert_eq!(stage.authorization.token_forms().len(), 3, "a pause");
    stage.authorization.manners(|manners| manners.tokens = None);
    stage.later(Duration::from_secs(5)).await;
    assert_ne!(stage.token_of(&alice).await, first);
    stage.end().await;
}

#[tokio::test]
async fn a_grant_that_is_gone_upstream_is_over_here() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    stage.authorization.end_tokens(true);
    stage.later(Duration::from_hours(1)).await;
    stage.wants_consent(&alice).await;
    let connection = super::status(&stage.house, &alice).await.unwrap();
    assert!(connection.is_over);
    let asked = stage.authorization.token_forms().len();
    stage.wants_consent(&alice).await;
    assert_eq!(stage.authorization.token_forms().len(), asked, "once");
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    stage.end().await;
}

/// 401: renewed once, and the call goes through; a server that refuses fresh ones too wants another
/// consent, and not for ever.
#[tokio::test]
async fn a_token_that_the_server_refuses_is_renewed_once() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    stage.authorization.end_tokens(false);
    let second = stage.token_of(&alice).await;
    assert_ne!(first, second);
    stage.rules().refuses_all = true;
    for _ in 0..2 {
        let before = stage.authorization.token_forms().len();
        stage.call(&alice).await;
        super::wanted_consent(&stage.house).await;
        assert_eq!(stage.authorization.token_forms().len(), before + 1);
        stage.connect(&alice).await;
    }
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "upstream_refused");
    stage.end().await;
}

/// A server that does not take what its own authorization server grants costs nobody a token for each
/// call, once no further consent can be asked for.
#[tokio::test]
async fn a_server_that_refuses_fresh_tokens_is_not_brought_another_with_each_call() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    for _ in 0..3 {
        stage.connect(&alice).await;
    }
    stage.rules().refuses_all = true;
    let costs = async || {
        let before = stage.authorization.token_forms().len();
        stage.call(&alice).await;
        let events = stage.house.request_events().await;
        assert_eq!(events.last().unwrap()["outcome"], "upstream_refused");
        stage.authorization.token_forms().len() - before
    };
    assert_eq!(costs().await, 1, "the first is renewed");
    for _ in 0..5 {
        assert_eq!(costs().await, 0);
    }
    stage.later(Duration::from_secs(30)).await;
    assert_eq!(costs().await, 1);
    // Twice as long.
    stage.later(Duration::from_secs(59)).await;
    assert_eq!(costs().await, 0);
    stage.later(Duration::from_secs(1)).await;
    assert_eq!(costs().await, 1);
    // Another person's connection is another's.
    let bob = stage.person("bob").await;
    stage.connect(&bob).await;
    stage.rules().refuses_all = false;
    stage.token_of(&bob).await;
    // What it takes again is presented, and renewed when it is due.
    stage.later(Duration::from_mins(1)).await;
    let token = stage.token_of(&alice).await;
    stage.later(Duration::from_hours(1)).await;
    assert_ne!(stage.token_of(&alice).await, token);
    stage.end().await;
}

/// `token_storage_ttl_seconds`.
#[tokio::test]
async fn no_token_is_used_longer_than_the_operator_wants() {
    let stage = Stage::set(&["token_storage_ttl_seconds: 600"]).await;
    stage.authorization.manners(|manners| {
        manners.expires_in = None;
        manners.refreshes = false;
    });
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let token = stage.token_of(&alice).await;
    stage.later(Duration::from_secs(599)).await;
    assert_eq!(stage.token_of(&alice).await, token);
    stage.later(Duration::from_secs(1)).await;
    stage.wants_consent(&alice).await;
    stage.end().await;
}

/// Without `expires_in` and without that key, until it is refused.
#[tokio::test]
async fn a_token_that_names_no_end_is_used_until_it_is_refused() {
    let stage = Stage::set(&[]).await;
    stage.authorization.manners(|manners| {
        manners.expires_in = None;
        manners.refreshes = false;
    });
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let token = stage.token_of(&alice).await;
    stage.later(Duration::from_hours(24 * 400)).await;
    assert_eq!(stage.token_of(&alice).await, token);
    stage.authorization.end_tokens(true);
    stage.call(&alice).await;
    super::wanted_consent(&stage.house).await;
    stage.end().await;
}

/// A person who connects another account does not go on in a session of the first one's, also where
/// its token was only renewed in between.
#[tokio::test]
async fn another_account_is_another_session() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let session = || {
        let seen = stage.upstream.last("tools/call");
        seen.header("mcp-session-id").unwrap().to_owned()
    };
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    let first = session();
    stage.later(Duration::from_mins(59)).await;
    stage.token_of(&alice).await;
    assert_eq!(session(), first, "renewed, and the same account");
    stage.later(Duration::from_secs(1)).await;
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    assert_ne!(session(), first);
    stage.end().await;
}

/// RFC 7009.
#[tokio::test]
async fn who_disconnects_is_forgotten_here_and_upstream() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let token = stage.token_of(&alice).await;
    let auth = super::auth(&stage.house);
    let connections = stage.house.embedded.connections();
    let ended = connections.disconnect(&auth, &alice.id).await.unwrap();
    assert!(ended.was_connected && ended.revoked);
    assert!(!stage.authorization.stands_behind(&token));
    let revoked = stage.authorization.at("/revoke");
    assert!(revoked[0].body.contains("token_type_hint=refresh_token"));
    stage.wants_consent(&alice).await;
    assert_eq!(super::status(&stage.house, &alice).await, None);
    let again = connections.disconnect(&auth, &alice.id).await.unwrap();
    assert!(!again.was_connected);
    // Where nobody revokes anything, it goes here all the same.
    stage.authorization.manners(|manners| {
        manners.metadata["revocation_endpoint"] = serde_json::Value::Null;
    });
    stage.searches_anew();
    stage.connect(&alice).await;
    let ended = connections.disconnect(&auth, &alice.id).await.unwrap();
    assert!(ended.was_connected && !ended.revoked);
    stage.wants_consent(&alice).await;
    stage.end().await;
}

/// Nobody of that name has a connection, whatever else the names have in common.
#[tokio::test]
async fn a_connection_of_nobody_is_nobodys() {
    let stage = Stage::set(&[]).await;
    let connections = stage.house.embedded.connections();
    for nobody in ["", "key:", "*", "%"] {
        let found = connections
            .status(&"a".into(), &PrincipalId::from(nobody))
            .await;
        assert_eq!(found.unwrap(), None);
    }
    stage.end().await;
}

/// Servers come back, and keys do not: whoever cannot be called for any more is forgotten after a month,
/// here and upstream.
#[tokio::test]
async fn what_nobody_can_use_any_more_ends_after_a_month() {
    const DAY: Duration = Duration::from_hours(24);
    let stage = Stage::set(&[]).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    stage.connect(&alice).await;
    stage.connect(&bob).await;
    let embedded = &stage.house.embedded;
    // A server that is not in the file.
    let connections = &embedded.stores().connections;
    let gone = ConnectionRecord {
        principal: alice.id.clone(),
        server: ServerId::from("gone"),
        sealed: vec![0; 64],
        version: 1,
    };
    connections.put(&gone).await.unwrap();
    let is_there = async |person: &super::Person, server: &str| {
        let found = connections.get(&person.id, &server.into()).await;
        found.unwrap().is_some()
    };
    let Some(id) = bob.id.as_str().strip_prefix("key:") else {
        panic!("{:?}", bob.id);
    };
    let now = portcullis_core::Timestamp::from_millis(super::NOW);
    let revoked = embedded.stores().api_keys.revoke(&id.into(), now).await;
    revoked.unwrap().unwrap();
    stage.clock.advance(DAY);
    assert_eq!(embedded.tidy_connections().await.unwrap(), 0);
    stage.clock.advance(29 * DAY);
    assert_eq!(embedded.tidy_connections().await.unwrap(), 0);
    assert!(is_there(&alice, "gone").await && is_there(&bob, "a").await);
    assert_eq!(stage.authorization.alive(), 4);
    stage.clock.advance(DAY);
    assert_eq!(embedded.tidy_connections().await.unwrap(), 2);
    // Of several gateways one looks.
    assert_eq!(embedded.tidy_connections().await.unwrap(), 0);
    assert!(!is_there(&alice, "gone").await && !is_there(&bob, "a").await);
    assert!(is_there(&alice, "a").await);
    let only = async || stage.authorization.alive() == 2;
    portcullis_testkit::eventually("only what alice granted is left", only).await;
    stage.later(Duration::from_secs(1)).await;
    stage.token_of(&alice).await;
    stage.end().await;
}

/// A server that comes back in time finds everybody where they were.
#[tokio::test]
async fn who_is_missed_for_a_while_loses_nothing() {
    const DAY: Duration = Duration::from_hours(24);
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let claims = |there: bool| {
        let auth = super::auth(&stage.house);
        portcullis_credentials::Claims {
            servers: there
                .then(|| (auth.server.clone(), auth))
                .into_iter()
                .collect(),
            has_ended: Box::new(|_| false),
        }
    };
    let connections = stage.house.embedded.connections();
    for there in [false, true, false] {
        stage.clock.advance(20 * DAY);
        assert_eq!(connections.tidy(&claims(there)).await.unwrap(), 0);
    }
    stage.clock.advance(29 * DAY);
    assert_eq!(connections.tidy(&claims(false)).await.unwrap(), 0);
    assert_eq!(stage.authorization.alive(), 2);
    stage.clock.advance(DAY);
    assert_eq!(connections.tidy(&claims(false)).await.unwrap(), 1);
    // As far as it is possible without the file.
    let nothing = async || stage.authorization.alive() == 0;
    portcullis_testkit::eventually("no tokens are left", nothing).await;
    stage.end().await;
}

/// Before an account is connected its server lists nothing: the client is told where to connect it, in a
/// text that every client shows its model.
#[tokio::test]
async fn an_aggregate_says_where_accounts_are_connected() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let place = "http://localhost/connect/a";
    let mut session = alice.client.at("/mcp");
    let opened = session.initialize("{}").await;
    let told = opened.json()["result"]["instructions"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.contains(place), "{told}");
    let found = alice.client.at("/mcp").modern("server/discover", "").await;
    let told = found.json()["result"]["instructions"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.contains(place), "{told}");
    // A named endpoint lets its client in as well, before anything is connected.
    let mut named = alice.client.clone();
    let opened = named.initialize("{}").await;
    assert_eq!(opened.json()["result"]["protocolVersion"], "2025-11-25");
    let told = opened.json()["result"]["instructions"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.contains(place), "{told}");
    stage.end().await;
}
