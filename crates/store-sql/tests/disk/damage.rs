//! Databases that are damaged, locked, of another program, or no databases.

use super::*;

async fn corrupted_by(statement: &'static str) {
    let disk = Disk::new();
    let database = disk.open().await;
    let stores = database.stores();
    stores.api_keys.insert(&plain_key("k1")).await.unwrap();
    disk.run(statement).await;
    let id = KeyId::from("k1");
    let get = stores.api_keys.get(&id).await.unwrap_err();
    let page = PageRequest::first(10);
    let mut page = stores.api_keys.list(&page).await.unwrap();
    let listed = page.items.pop().unwrap().unwrap_err();
    assert_eq!(listed.id, id, "the others are listed all the same");
    let mut feed = stores.api_keys.changed_since(0, 10).await.unwrap();
    let unreadable = feed.pop().unwrap().1.unwrap_err();
    assert_eq!(unreadable.id, id, "the others are read all the same");
    for error in [get, listed.source, unreadable.source] {
        assert_eq!(
            error.kind,
            StoreErrorKind::Corrupt,
            "{statement}: {error:?}"
        );
    }
    let now = Timestamp::from_millis(5);
    let revoked = stores.api_keys.revoke(&id, now).await;
    assert_eq!(revoked.unwrap_err().kind, StoreErrorKind::Corrupt);
    let mut tool = disk.tool().await;
    let stored: Option<i64> = sqlx::query_scalar("SELECT revoked_at FROM api_keys")
        .fetch_one(&mut tool)
        .await
        .unwrap();
    assert_eq!(stored, Some(5), "a damaged key can still be revoked");
}

#[tokio::test]
async fn a_damaged_key_is_corrupt_and_never_a_key_with_defaults() {
    for statement in [
        "UPDATE api_keys SET role = 'emperor'",
        "UPDATE api_keys SET role = ''",
        "UPDATE api_keys SET grants = ''",
        "UPDATE api_keys SET grants = '{}'",
        "UPDATE api_keys SET grants = '{\"all\":false,\"servers\":[],\"access_groups\":[],\"x\":1}'",
        "UPDATE api_keys SET scopes = 'a\"b'",
        "UPDATE api_keys SET mac = x'00'",
    ] {
        corrupted_by(statement).await;
    }
}

#[tokio::test]
async fn a_damaged_row_takes_the_list_from_nobody() {
    let disk = Disk::new();
    let stores = disk.open().await.stores();
    for id in ["k1", "k2", "k3"] {
        stores.api_keys.insert(&plain_key(id)).await.unwrap();
        let entry = plain_revocation(id);
        stores.revocations.add(&entry).await.unwrap();
    }
    disk.run("UPDATE api_keys SET role = 'emperor' WHERE id = 'k2'")
        .await;
    disk.run("UPDATE revocations SET kind = 'everybody' WHERE id = 'k2'")
        .await;
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 1 };
        let page = stores.api_keys.list(&page).await.unwrap();
        let read = page.items.into_iter();
        keys.extend(read.map(|key| key.map_err(|damaged| damaged.id).map(|key| key.id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let [k1, k2, k3] = ["k1", "k2", "k3"].map(KeyId::from);
    assert_eq!(keys, [Ok(k1), Err(k2), Ok(k3)]);

    let now = Timestamp::from_millis(5);
    let page = stores.revocations.list(now, &PageRequest::first(10)).await;
    let feed = stores.revocations.changed_since(0, 10).await.unwrap();
    for read in [
        page.unwrap().items,
        feed.into_iter().map(|(_, entry)| entry).collect(),
    ] {
        let readable: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(readable, [true, false, true]);
    }
    let damaged = stores.revocations.get(&"k2".into()).await;
    assert_eq!(damaged.unwrap_err().kind, StoreErrorKind::Corrupt);
    for statement in [
        "UPDATE revocations SET name = NULL WHERE id = 'k1'",
        "UPDATE revocations SET issuer = NULL WHERE id = 'k1'",
        "UPDATE revocations SET kind = 'sub' WHERE id = 'k1'",
        "UPDATE revocations SET lifted_at = 1 WHERE id = 'k3'",
    ] {
        disk.run(statement).await;
    }
    for id in ["k1", "k3"] {
        let damaged = stores.revocations.get(&id.into()).await;
        assert_eq!(damaged.unwrap_err().kind, StoreErrorKind::Corrupt, "{id}");
    }
}

#[tokio::test]
async fn a_damaged_audit_row_is_corrupt() {
    let disk = Disk::new();
    let stores = disk.open().await.stores();
    append(&stores, "w", 1).await;
    disk.run("UPDATE audit_rows SET mac = x'0102'").await;
    disk.run("UPDATE audit_heads SET seq = -4").await;
    let chain = stores.audit.chain("w", 1, 10).await.unwrap_err();
    let heads = stores.audit.heads().await.unwrap_err();
    assert_eq!(chain.kind, StoreErrorKind::Corrupt);
    assert_eq!(heads.kind, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_head_that_was_set_back_does_not_let_rows_be_overwritten() {
    let disk = Disk::new();
    let stores = disk.open().await.stores();
    append(&stores, "w", 1).await;
    append(&stores, "w", 2).await;
    disk.run("UPDATE audit_heads SET seq = 1").await;
    let before = stores.audit.chain("w", 1, 10).await.unwrap();
    let mut forged = before[1].clone();
    forged.event = "{\"forged\":true}".to_owned();
    let head = AuditHead {
        writer: "w".to_owned(),
        seq: 2,
        mac: forged.mac,
        anchor: [0; 32],
    };
    let refused = stores.audit.append(&[forged], &head).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Corrupt);
    assert_eq!(stores.audit.chain("w", 1, 10).await.unwrap(), before);
}

#[tokio::test]
async fn a_database_that_another_holds_locked_is_unavailable() {
    let disk = Disk::new();
    let impatient = Settings {
        busy_timeout: Duration::from_millis(20),
        ..Settings::default()
    };
    let database = SqliteStores::open(&Location::File(disk.path()), &impatient).await;
    let stores = database.unwrap().stores();
    let mut tool = disk.tool().await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut tool)
        .await
        .unwrap();
    let refused = stores.api_keys.insert(&plain_key("k1")).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Unavailable);
    let reading = stores.api_keys.list(&PageRequest::first(10)).await;
    assert!(reading.unwrap().items.is_empty(), "readers go on");
    sqlx::query("ROLLBACK").execute(&mut tool).await.unwrap();
    let outcome = stores.api_keys.insert(&plain_key("k1")).await.unwrap();
    assert_eq!(outcome, Inserted::Stored);
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let disk = Disk::new();
    let database = disk.open().await;
    let stores = database.stores();
    database.close().await;
    let error = stores.meta.get("x").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let disk = Disk::new();
    let text = "not a database, but somebody's notes\n".repeat(200);
    fs::write(disk.path(), &text).unwrap();
    let error = disk.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable(_)), "{error:?}");
    assert_eq!(fs::read_to_string(disk.path()).unwrap(), text);
}

#[tokio::test]
async fn damaged_pages_are_unavailable_and_no_panic() {
    let disk = Disk::new();
    let database = disk.open().await;
    database
        .stores()
        .api_keys
        .insert(&plain_key("k1"))
        .await
        .unwrap();
    database.close().await;
    let mut bytes = fs::read(disk.path()).unwrap();
    bytes[4096..].fill(0xff);
    fs::write(disk.path(), bytes).unwrap();
    match disk.try_open().await {
        Ok(database) => {
            let keys = database.stores().api_keys;
            let error = keys.list(&PageRequest::first(10)).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Unavailable);
        }
        Err(error) => assert!(matches!(error, OpenError::Unusable(_)), "{error:?}"),
    }
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_named() {
    let path = Disk::new().folder.path().join("gone/portcullis.db");
    let error = open(&path).await.unwrap_err();
    assert!(error.to_string().contains("gone/portcullis.db"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_not_touched() {
    let disk = Disk::new();
    disk.open().await.close().await;
    disk.run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', TRUE, x'00', 0)",
    )
    .await;
    let error = disk.try_open().await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 999,
                known: 9..999
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer program"), "{error}");
    disk.run("DELETE FROM _sqlx_migrations WHERE version = 999")
        .await;
    disk.open().await;
}

#[tokio::test]
async fn the_trail_of_an_older_program_is_kept() {
    let disk = Disk::new();
    let database = disk.open().await;
    for (writer, seq) in [("v", 1), ("w", 1), ("w", 2)] {
        append(&database.stores(), writer, seq).await;
    }
    let every = AuditFilter::default();
    let before = database.stores().audit.latest(&every, 10).await.unwrap();
    database.close().await;
    for statement in [
        "ALTER TABLE audit_rows RENAME TO present_rows",
        "CREATE TABLE audit_rows (writer TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, \
         request_id TEXT NOT NULL, event TEXT NOT NULL, mac BLOB NOT NULL, \
         PRIMARY KEY (writer, seq)) STRICT, WITHOUT ROWID",
        "INSERT INTO audit_rows SELECT * FROM present_rows",
        "DROP TABLE present_rows",
        "DELETE FROM _sqlx_migrations WHERE version >= 3",
    ] {
        disk.run(statement).await;
    }
    disk.forget_what_came_after_the_second_migration().await;
    let stores = disk.open().await.stores();
    assert_eq!(stores.audit.latest(&every, 10).await.unwrap(), before);
    assert_eq!(before.len(), 3);
    append(&stores, "w", 3).await;
    assert_eq!(stores.audit.chain("w", 1, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_migration_that_was_tampered_with_is_refused() {
    let disk = Disk::new();
    disk.open().await.close().await;
    disk.run("UPDATE _sqlx_migrations SET checksum = x'00'")
        .await;
    let error = disk.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Migration(_)), "{error:?}");
}

#[tokio::test]
async fn names_from_outside_are_values_never_statements() {
    let disk = Disk::new();
    let stores = disk.open().await.stores();
    let evil = "x'; DROP TABLE api_keys; --";
    stores.api_keys.insert(&plain_key(evil)).await.unwrap();
    let found = stores.api_keys.get(&KeyId::from(evil)).await.unwrap();
    assert_eq!(found, Some(plain_key(evil)));
    let other = stores
        .api_keys
        .get(&KeyId::from("' OR '1'='1"))
        .await
        .unwrap();
    assert_eq!(other, None);
}
