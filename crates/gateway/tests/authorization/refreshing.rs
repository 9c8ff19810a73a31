use std::time::Duration;

use portcullis_core::{Clock, sha256};
use portcullis_store::RefreshTokenRecord;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::stage::{Stage, error_of, read};

/// RFC 9700 §4.14.2: one of the two who had the same token is a thief.
#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_the_whole_family() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let first = stage.tokens(&client, &[]).await;
    let reply = stage.refresh(&client, &first.refresh).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let second = read(&reply);
    assert_ne!(first.refresh, second.refresh);
    for token in [&first.access, &second.access] {
        assert_eq!(stage.met_at("/mcp", token).await, 200);
    }
    let thief = stage.refresh(&client, &first.refresh).await;
    assert_eq!(
        (thief.status, error_of(&thief).as_str()),
        (400, "invalid_grant")
    );
    let event = stage.gateway.event_of(&thief).await;
    let (_, alice) = stage.person(&stage.alice).await;
    assert_eq!(event["rule"], "refresh_reused");
    assert_eq!(event["principal"], alice.id.as_str());
    assert_eq!(
        event["target"],
        serde_json::json!({"kind": "client", "name": client})
    );
    for token in [&first.access, &second.access] {
        assert_eq!(stage.met_at("/mcp", token).await, 401);
    }
    let after = stage.refresh(&client, &second.refresh).await;
    assert_eq!(error_of(&after), "invalid_grant");
    stage.gateway.stands().await;
}

/// PKCE-21.
#[tokio::test]
async fn a_refresh_gives_no_more_than_was_granted() {
    let stage = Stage::new().await;
    let (client, other) = (stage.client().await, stage.client().await);
    let tokens = stage.tokens(&client, &[("scope", "read")]).await;
    let base = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", tokens.refresh.as_str()),
    ];
    for (name, value, error) in [
        ("scope", "read write", "invalid_scope"),
        ("scope", "admin", "invalid_scope"),
        ("scope", "a\"b", "invalid_scope"),
        ("resource", "http://localhost/mcp/support", "invalid_target"),
        ("resource", "https://other.test/mcp", "invalid_target"),
        ("client_secret", "guess", "invalid_client"),
    ] {
        let mut more = base.to_vec();
        more.push((name, value));
        assert_eq!(error_of(&stage.token(&more).await), error, "{name}={value}");
    }
    let by_other = stage.refresh(&other, &tokens.refresh).await;
    assert_eq!(error_of(&by_other), "invalid_grant");
    let unknown = stage.refresh(&client, "pc_refresh_made-up").await;
    assert_eq!(error_of(&unknown), "invalid_grant");
    // None of these used the token up.
    let mut same = base.to_vec();
    same.push(("resource", "http://localhost/mcp"));
    same.push(("scope", "read"));
    let good = stage.token(&same).await;
    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(good.json()["scope"], "read");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_client_that_stays_away_too_long_needs_its_person_again() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let mut tokens = stage.tokens(&client, &[]).await;
    stage.later(Duration::from_hours(14 * 24)).await;
    let late = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(error_of(&late), "invalid_grant");
    // However often it comes, a grant lasts thirty days.
    tokens = stage.tokens(&client, &[]).await;
    for _ in 0..2 {
        stage.later(Duration::from_hours(13 * 24)).await;
        tokens = read(&stage.refresh(&client, &tokens.refresh).await);
    }
    stage.later(Duration::from_hours(4 * 24)).await;
    let over = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(error_of(&over), "invalid_grant");
}

/// Whoever got nothing comes again with what they had, and is not taken for a thief.
#[tokio::test]
async fn what_cannot_be_signed_uses_nothing_up() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let tokens = stage.tokens(&client, &[]).await;
    // The signing keys were read too long ago to be trusted.
    stage.clock.advance(Duration::from_mins(11));
    let code = stage.code(&client).await;
    let refused = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(
        (refused.status, error_of(&refused).as_str()),
        (503, "temporarily_unavailable")
    );
    assert_eq!(stage.exchange(&client, &code).await.status, 503);
    stage.later(Duration::ZERO).await;
    let reply = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = stage.exchange(&client, &code).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Whoever writes to the database makes no token and moves none: what is kept is keyed, and belongs to
/// one grant.
#[tokio::test]
async fn a_row_that_somebody_else_wrote_is_no_refresh_token() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let (one, other) = (
        stage.tokens(&client, &[]).await,
        stage.tokens(&client, &[]).await,
    );
    let grant_of = |token: &str| {
        let text = token.strip_prefix("pc_refresh_").unwrap();
        text.split_once('.').unwrap().0.to_owned()
    };
    let (grant, another) = (grant_of(&one.refresh), grant_of(&other.refresh));
    assert_ne!(grant, another);
    let forged = format!("pc_refresh_{grant}.{}", "A".repeat(43));
    let now = stage.clock.now();
    let until = now.after(Duration::from_hours(24));
    let row = RefreshTokenRecord {
        digest: sha256(forged.as_bytes()),
        grant: grant.clone(),
        expires_at: until,
    };
    let store = &stage.gateway.embedded().stores().grants;
    assert!(store.begin(&grant, until, Some(&row), now).await.unwrap());
    let moved = one.refresh.replace(&grant, &another);
    for bad in [&forged, &moved] {
        let refused = stage.refresh(&client, bad).await;
        assert_eq!(error_of(&refused), "invalid_grant", "{bad}");
    }
    for good in [&one, &other] {
        let reply = stage.refresh(&client, &good.refresh).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// The same by hand: a row that is moved to another grant is nobody's, and times that are changed change
/// nothing.
#[tokio::test]
async fn a_row_that_somebody_edits_serves_no_longer_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let stage = Stage::on(Some(&database), "").await;
    let options = SqliteConnectOptions::new().filename(&database);
    let mut tool = options.connect().await.unwrap();
    let client = stage.client().await;
    let (one, other) = (
        stage.tokens(&client, &[]).await,
        stage.tokens(&client, &[]).await,
    );
    let moved = sqlx::query(
        "UPDATE oauth_refresh_tokens SET grant_id = (SELECT id FROM oauth_grants AS g \
         WHERE g.id <> grant_id LIMIT 1)",
    );
    assert_eq!(moved.execute(&mut tool).await.unwrap().rows_affected(), 2);
    for tokens in [&one, &other] {
        let refused = stage.refresh(&client, &tokens.refresh).await;
        assert_eq!(error_of(&refused), "invalid_grant");
    }
    let tokens = stage.tokens(&client, &[]).await;
    for statement in [
        "UPDATE oauth_refresh_tokens SET expires_at = 9000000000000, used = 0",
        "UPDATE oauth_grants SET expires_at = 9000000000000",
    ] {
        sqlx::query(statement).execute(&mut tool).await.unwrap();
    }
    stage.later(Duration::from_hours(14 * 24)).await;
    let refused = stage.refresh(&client, &tokens.refresh).await;
    assert_eq!(error_of(&refused), "invalid_grant");
    // Nor does a grant last longer than it was made for, however often it is renewed in time.
    let mut tokens = stage.tokens(&client, &[]).await;
    let lengthen = "UPDATE oauth_grants SET expires_at = 9000000000000, ended_at = NULL";
    let mut renewed = 0;
    loop {
        sqlx::query(lengthen).execute(&mut tool).await.unwrap();
        stage.later(Duration::from_hours(13 * 24)).await;
        let reply = stage.refresh(&client, &tokens.refresh).await;
        if reply.status != 200 {
            assert_eq!(error_of(&reply), "invalid_grant");
            break;
        }
        tokens = read(&reply);
        renewed += 1;
        assert!(renewed < 30, "for ever");
    }
    assert!(renewed > 1, "{renewed}");
}

/// What points to a thief is on record by its own name, with the client and the person.
#[tokio::test]
async fn a_code_that_comes_again_and_a_client_that_is_none_are_on_record() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let code = stage.code(&client).await;
    assert_eq!(stage.exchange(&client, &code).await.status, 200);
    let again = stage.exchange(&client, &code).await;
    assert_eq!(error_of(&again), "invalid_grant");
    let (_, alice) = stage.person(&stage.alice).await;
    let event = stage.gateway.event_of(&again).await;
    assert_eq!(event["rule"], "code_replayed");
    assert_eq!(event["principal"], alice.id.as_str());
    assert_eq!(event["target"]["name"], client.as_str());

    let guessed = stage.refresh("somebody\u{202e}", "x").await;
    assert_eq!(error_of(&guessed), "invalid_client");
    let event = stage.gateway.event_of(&guessed).await;
    assert_eq!(event["rule"], "invalid_client");
    let name = event["target"]["name"].as_str().unwrap();
    assert!(name.starts_with("somebody") && name.is_ascii(), "{name}");
}
