//! What happens to a PostgreSQL database: not migrated, of another program, damaged, gone, stuck.
//! Without a server (`TEST_POSTGRES_URL`) these are skipped, and fail where nothing may be.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use portcullis_core::{KeyId, SecretValue, Timestamp, sha256};
use portcullis_store::contract::{plain_key, plain_revocation};
use portcullis_store::{
    AuditFilter, AuditHead, AuditRow, PageRequest, StoreErrorKind, Stores, TerminatedSession,
};
use portcullis_store_sql::testing::Schema;
use portcullis_store_sql::{
    Durability, Migrated, OpenError, PostgresSettings, PostgresStores, PostgresUrl,
    newest_migration,
};
use sqlx::Connection;

async fn opened(schema: &Schema) -> Result<PostgresStores, OpenError> {
    PostgresStores::open(&schema.url(), &PostgresSettings::default()).await
}

async fn append(stores: &Stores, writer: &str, seq: u64, at: i64) {
    let row = AuditRow {
        writer: writer.to_owned(),
        seq,
        at: Timestamp::from_millis(at),
        request_id: "r".to_owned(),
        event: "{}".to_owned(),
        mac: sha256(&seq.to_be_bytes()),
    };
    let head = AuditHead {
        writer: writer.to_owned(),
        seq,
        mac: row.mac,
        anchor: [0; 32],
    };
    stores.audit.append(&[row], &head).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_behind_is_refused_with_what_to_run_and_not_touched() {
    let Some(schema) = Schema::fresh().await else {
        return;
    };
    let known = newest_migration();
    let empty = opened(&schema).await.unwrap_err();
    assert!(
        matches!(empty, OpenError::Behind { found: 0, .. }),
        "{empty:?}"
    );
    assert!(
        empty.to_string().contains("`portcullis migrate`"),
        "{empty}"
    );
    let mut tool = schema.tool().await;
    let untouched: bool = sqlx::query_scalar("SELECT to_regclass('api_keys') IS NULL")
        .fetch_one(&mut tool)
        .await
        .unwrap();
    assert!(untouched);
    tool.close().await.unwrap();

    let settings = PostgresSettings::default();
    let first = PostgresStores::migrate(&schema.url(), &settings).await;
    assert_eq!(first.unwrap(), Migrated { from: 0, to: known });
    let again = PostgresStores::migrate(&schema.url(), &settings).await;
    assert_eq!(
        again.unwrap(),
        Migrated {
            from: known,
            to: known
        }
    );
    let stores = opened(&schema).await.unwrap().stores();
    stores.meta.put("a", b"b").await.unwrap();

    schema.run(BACK_TO_NINE).await;
    let older = opened(&schema).await.unwrap_err();
    assert!(
        matches!(older, OpenError::Behind { found: 9, .. }),
        "{older:?}"
    );
    let mended = PostgresStores::migrate(&schema.url(), &settings).await;
    assert_eq!(mended.unwrap(), Migrated { from: 9, to: known });
    let kept = opened(&schema).await.unwrap().stores().meta.get("a").await;
    assert_eq!(kept.unwrap().unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_migrate_at_once_all_succeed() {
    let Some(schema) = Schema::fresh().await else {
        return;
    };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = schema.url();
        tasks.spawn(
            async move { PostgresStores::migrate(&url, &PostgresSettings::default()).await },
        );
    }
    let done = tasks.join_all().await;
    let from: Vec<i64> = done.into_iter().map(|done| done.unwrap().from).collect();
    let first = from.iter().filter(|from| **from == 0).count();
    assert_eq!(first, 1, "{from:?}");
    opened(&schema).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_program_or_of_another_hand_is_refused() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    schema
        .run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (999, 'from the future', TRUE, '\\x00', 0)",
        )
        .await;
    let newer = opened(&schema).await.unwrap_err();
    assert!(
        matches!(newer, OpenError::Newer { found: 999, .. }),
        "{newer:?}"
    );
    let settings = PostgresSettings::default();
    let migrated = PostgresStores::migrate(&schema.url(), &settings).await;
    assert!(matches!(migrated.unwrap_err(), OpenError::Newer { .. }));
    schema
        .run(
            "DELETE FROM _sqlx_migrations WHERE version = 999; \
             UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2",
        )
        .await;
    let other = opened(&schema).await.unwrap_err();
    assert!(matches!(other, OpenError::Migration(_)), "{other:?}");
}

#[tokio::test]
async fn texts_are_ordered_by_their_bytes_whatever_the_language() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let stores = schema.open().await.stores();
    let mut ids = [
        "b", "B", "a", "Z", "ä", "_", "-", "a b", "ab", "😀", "\u{ffff}",
    ];
    for id in ids {
        stores.api_keys.insert(&plain_key(id)).await.unwrap();
        append(&stores, id, 1, 7).await;
    }
    ids.sort_unstable();
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 2 };
        let page = stores.api_keys.list(&page).await.unwrap();
        keys.extend(
            page.items
                .into_iter()
                .map(|key| key.unwrap().id.as_str().to_owned()),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(keys, ids);
    let page = PageRequest::first(100);
    let rows = stores
        .audit
        .list(&AuditFilter::default(), &page)
        .await
        .unwrap();
    let writers: Vec<String> = rows.items.into_iter().map(|row| row.writer).collect();
    assert_eq!(writers, ids);
    let mut tool = schema.tool().await;
    let free: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns \
         WHERE table_schema = current_schema() AND data_type = 'text' \
         AND collation_name IS DISTINCT FROM 'C' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut tool)
    .await
    .unwrap();
    assert_eq!(free, Vec::<String>::new(), "columns in another order");
}

#[tokio::test]
async fn a_text_with_nul_is_found_nowhere_and_kept_by_nobody() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let stores = schema.open().await.stores();
    let found = stores.clients.get("a\0b").await.unwrap();
    assert_eq!(found, None);
    assert_eq!(stores.api_keys.get(&KeyId::from("\0")).await.unwrap(), None);
    let refused = stores
        .api_keys
        .insert(&plain_key("a\0b"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Corrupt);
    assert_eq!(stores.api_keys.changed_since(0, 10).await.unwrap().len(), 0);
    let row = AuditRow {
        writer: "w".to_owned(),
        seq: 1,
        at: Timestamp::from_millis(1),
        request_id: "r\0".to_owned(),
        event: "{}".to_owned(),
        mac: [1; 32],
    };
    let head = AuditHead {
        writer: "w".to_owned(),
        seq: 1,
        mac: [1; 32],
        anchor: [0; 32],
    };
    let refused = stores.audit.append(&[row], &head).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Corrupt);
    append(&stores, "w", 1, 1).await;
}

#[tokio::test]
async fn names_from_outside_are_values_never_statements() {
    // AUTH-04
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let stores = schema.open().await.stores();
    let evil = "x'; DROP TABLE api_keys; --";
    stores.api_keys.insert(&plain_key(evil)).await.unwrap();
    let found = stores.api_keys.get(&KeyId::from(evil)).await.unwrap();
    assert_eq!(found, Some(plain_key(evil)));
    let other = KeyId::from("' OR '1'='1");
    assert_eq!(stores.api_keys.get(&other).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_row_is_corrupt_and_takes_the_list_from_nobody() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let stores = schema.open().await.stores();
    for id in ["k1", "k2", "k3"] {
        stores.api_keys.insert(&plain_key(id)).await.unwrap();
        stores.revocations.add(&plain_revocation(id)).await.unwrap();
    }
    schema
        .run(
            "UPDATE api_keys SET role = 'emperor' WHERE id = 'k2'; \
             UPDATE revocations SET name = NULL WHERE id = 'k2'",
        )
        .await;
    let id = KeyId::from("k2");
    let damaged = stores.api_keys.get(&id).await.unwrap_err();
    assert_eq!(damaged.kind, StoreErrorKind::Corrupt);
    let damaged = stores.revocations.get(&"k2".into()).await.unwrap_err();
    assert_eq!(damaged.kind, StoreErrorKind::Corrupt);
    let page = stores.api_keys.list(&PageRequest::first(10)).await.unwrap();
    let readable: Vec<bool> = page.items.iter().map(Result::is_ok).collect();
    assert_eq!(readable, [true, false, true]);
    let now = Timestamp::from_millis(5);
    let revoked = stores.api_keys.revoke(&id, now).await.unwrap_err();
    assert_eq!(revoked.kind, StoreErrorKind::Corrupt);
    let mut tool = schema.tool().await;
    let at: Option<i64> = sqlx::query_scalar("SELECT revoked_at FROM api_keys WHERE id = 'k2'")
        .fetch_one(&mut tool)
        .await
        .unwrap();
    assert_eq!(at, Some(5), "a damaged key can still be revoked");
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let stores = schema.open().await.stores();
    stores.meta.put("a", b"b").await.unwrap();
    assert_eq!(stores.meta.get("a").await.unwrap().unwrap(), b"b");
    let mut tool = schema.tool().await;
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = current_setting('application_name') \
         AND pid <> pg_backend_pid()",
    )
    .fetch_one(&mut tool)
    .await
    .unwrap();
    assert_eq!(ended, 2, "one that wrote, one that read");
    // Each of them may be noticed by one call, which says so and leaves nothing half done.
    let mut failures = 0;
    for number in 1..=4 {
        let written = stores.meta.put(&format!("n{number}"), b"x").await;
        let read = stores.meta.get("a").await;
        for error in [written.err(), read.err()].into_iter().flatten() {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}");
            failures += 1;
        }
    }
    assert!(failures <= 2, "{failures}");
    assert_eq!(stores.meta.get("n4").await.unwrap().unwrap(), b"x");
}

#[tokio::test]
async fn whoever_waits_for_a_stuck_writer_gives_up_and_changes_nothing() {
    let Some(schema) = Schema::migrated().await else {
        return;
    };
    let settings = PostgresSettings {
        statement_timeout: Duration::from_millis(400),
        durability: Durability::PowerLoss,
        ..PostgresSettings::default()
    };
    let database = PostgresStores::open(&schema.url(), &settings)
        .await
        .unwrap();
    let stores = database.stores();
    let mut tool = schema.tool().await;
    sqlx::raw_sql("BEGIN; UPDATE change_counters SET last = last")
        .execute(&mut tool)
        .await
        .unwrap();
    let refused = stores.api_keys.insert(&plain_key("k1")).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Unavailable, "{refused:?}");
    let ended = TerminatedSession {
        digest: [1; 32],
        expires_at: Timestamp::from_millis(9),
    };
    assert!(stores.sessions.terminate(&ended).await.is_err());
    let reading = stores.api_keys.list(&PageRequest::first(10)).await.unwrap();
    assert!(reading.items.is_empty(), "readers go on");
    sqlx::raw_sql("ROLLBACK").execute(&mut tool).await.unwrap();
    stores.api_keys.insert(&plain_key("k1")).await.unwrap();
    let feed = stores.api_keys.changed_since(0, 10).await.unwrap();
    assert_eq!(feed.first().unwrap().0, 1, "what failed took no number");
    database.close().await;
    let error = stores.meta.get("x").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_the_password_is_not() {
    let text = SecretValue::new("postgres://u:canary-7Kq@127.0.0.1:1/d");
    let url = PostgresUrl::read(&text, false).unwrap();
    let error = PostgresStores::open(&url, &PostgresSettings::default())
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::Unusable(_)), "{error:?}");
    assert!(!format!("{error:?} {error} {url:?} {url}").contains("canary-7Kq"));
    assert!(url.to_string().contains("127.0.0.1:1"));
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_not_waited_for_without_an_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = SecretValue::new(format!("postgres://u:p@127.0.0.1:{port}/d"));
    let url = PostgresUrl::read(&text, false).unwrap();
    let settings = PostgresSettings {
        acquire_timeout: Duration::from_millis(200),
        ..PostgresSettings::default()
    };
    let error = PostgresStores::open(&url, &settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable(_)), "{error:?}");
}

/// Takes away what the migrations after the ninth brought, whatever that is by now.
const BACK_TO_NINE: &str = "DO $$ DECLARE newer text; BEGIN \
     FOR newer IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() \
         AND tablename NOT IN ('_sqlx_migrations', 'change_counters', 'api_keys', 'audit_rows', \
         'audit_heads', 'terminated_sessions', 'meta', 'revocations', 'signing_keys', \
         'one_time_values', 'leases', 'oauth_clients', 'oauth_grants', 'oauth_refresh_tokens', \
         'authorization_keys', 'consents', 'id_tokens', 'connections', 'upstream_clients') \
     LOOP EXECUTE format('DROP TABLE %I CASCADE', newer); END LOOP; END $$; \
     DELETE FROM change_counters WHERE feed NOT IN ('api_keys', 'sessions', 'revocations'); \
     DELETE FROM _sqlx_migrations WHERE version >= 10;";
