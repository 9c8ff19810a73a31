//! What happens to a database on a real disk: shared, killed, damaged, locked, upgraded.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis_core::{KeyId, Timestamp, sha256};
use portcullis_store::contract::{plain_key, plain_revocation};
use portcullis_store::{
    AuditFilter, AuditHead, AuditRow, Inserted, PageRequest, StoreErrorKind, Stores,
    TerminatedSession,
};
use portcullis_store_sql::{Durability, Location, OpenError, Settings, SqliteStores};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    async fn open(&self) -> SqliteStores {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<SqliteStores, OpenError> {
        open(&self.path()).await
    }

    /// A connection of our own, as a foreign tool has one.
    async fn tool(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    async fn run(&self, statement: &'static str) {
        let mut tool = self.tool().await;
        sqlx::query(statement).execute(&mut tool).await.unwrap();
        tool.close().await.unwrap();
    }
}

async fn open(path: &Path) -> Result<SqliteStores, OpenError> {
    let settings = Settings {
        durability: Durability::PowerLoss,
        ..Settings::default()
    };
    SqliteStores::open(&Location::File(path.to_owned()), &settings).await
}

async fn append(stores: &Stores, writer: &str, seq: u64) {
    let row = AuditRow {
        writer: writer.to_owned(),
        seq,
        at: Timestamp::from_millis(1),
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
async fn the_file_and_its_companions_belong_to_their_owner_alone() {
    let disk = Disk::new();
    let database = disk.open().await;
    database.stores().meta.put("a", b"b").await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(disk.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        ["portcullis.db", "portcullis.db-shm", "portcullis.db-wal"]
    );
}

#[tokio::test]
async fn a_file_that_others_could_read_is_closed_to_them() {
    let disk = Disk::new();
    disk.open().await.close().await;
    fs::set_permissions(disk.path(), fs::Permissions::from_mode(0o644)).unwrap();
    disk.open().await;
    let mode = fs::metadata(disk.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn companions_that_a_crash_left_open_to_others_are_closed_to_them() {
    let disk = Disk::new();
    let crashed = disk.open().await;
    crashed.stores().meta.put("a", b"b").await.unwrap();
    let names = ["portcullis.db-wal", "portcullis.db-shm"];
    let paths = names.map(|name| disk.folder.path().join(name));
    for path in &paths {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    disk.open().await;
    for path in &paths {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    drop(crashed);
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let disk = Disk::new();
    let database = disk.open().await;
    database
        .stores()
        .api_keys
        .insert(&plain_key("k1"))
        .await
        .unwrap();
    database.close().await;
    let stores = disk.open().await.stores();
    let stored = stores.api_keys.get(&KeyId::from("k1")).await.unwrap();
    assert_eq!(stored, Some(plain_key("k1")));
    let again = stores.api_keys.insert(&plain_key("k1")).await.unwrap();
    assert_eq!(again, Inserted::Duplicate);
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_others_changes() {
    let disk = Disk::new();
    let (one, two) = (disk.open().await.stores(), disk.open().await.stores());
    one.api_keys.insert(&plain_key("k1")).await.unwrap();
    let feed = two.api_keys.changed_since(0, 10).await.unwrap();
    assert_eq!(feed.len(), 1);
    let now = Timestamp::from_millis(9);
    two.api_keys.revoke(&KeyId::from("k1"), now).await.unwrap();
    let news = one.api_keys.changed_since(feed[0].0, 10).await.unwrap();
    assert_eq!(news[0].1.as_ref().unwrap().revoked_at, Some(now));
    append(&one, "w", 1).await;
    append(&two, "w", 2).await;
    assert_eq!(one.audit.chain("w", 1, 10).await.unwrap().len(), 2);
    let ended = TerminatedSession {
        digest: [1; 32],
        expires_at: now,
    };
    two.sessions.terminate(&ended).await.unwrap();
    assert!(one.sessions.is_terminated(&[1; 32]).await.unwrap());
}

#[tokio::test]
async fn handles_that_open_a_new_file_at_once_all_succeed() {
    let disk = Disk::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let path = disk.path();
        tasks.spawn(async move { open(&path).await });
    }
    for opened in tasks.join_all().await {
        opened.unwrap().stores().meta.put("a", b"b").await.unwrap();
    }
}

/// Under load from several handles nobody gets a lock error instead of waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_several_handles_wait_for_each_other() {
    let disk = Disk::new();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let stores = disk.open().await.stores();
        tasks.spawn(async move {
            for number in 0..25 {
                let record = plain_key(&format!("k{writer}-{number}"));
                stores.api_keys.insert(&record).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let stores = disk.open().await.stores();
    let feed = stores.api_keys.changed_since(0, 1000).await.unwrap();
    let numbers: Vec<_> = feed.iter().map(|(change, _)| *change).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}

const DATABASE_OF_CHILD: &str = "PORTCULLIS_TEST_DATABASE";

/// Appends to a chain and says so after each commit; as a child process it does so until killed.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "how the parent tells its child what to do"
)]
async fn a_writer_says_what_it_has_committed() {
    let disk = Disk::new();
    let (path, rows) = match std::env::var_os(DATABASE_OF_CHILD) {
        Some(path) => (PathBuf::from(path), 1_000_000),
        None => (disk.path(), 20),
    };
    let stores = open(&path).await.unwrap().stores();
    let heads = stores.audit.heads().await.unwrap();
    let start = heads.first().map_or(0, |head| head.seq);
    for seq in start + 1..=start + rows {
        append(&stores, "w", seq).await;
        println!("\ncommitted {seq}");
    }
    let heads = stores.audit.heads().await.unwrap();
    assert_eq!(heads[0].seq, start + rows);
}

#[tokio::test]
async fn r_16_a_killed_writer_loses_nothing_that_it_acknowledged() {
    let disk = Disk::new();
    let mut acknowledged = 0;
    for life in 1..=5_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_writer_says_what_it_has_committed",
                "--nocapture",
            ])
            .env(DATABASE_OF_CHILD, disk.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut commits = 0;
        for line in lines {
            let line = line.unwrap();
            if let Some(seq) = line.strip_prefix("committed ") {
                acknowledged = seq.parse().unwrap();
                commits += 1;
                // Killed at another point each time, while it goes on writing.
                if commits == 7 * life {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let database = disk.open().await;
        let stores = database.stores();
        let heads = stores.audit.heads().await.unwrap();
        let chain = stores.audit.chain("w", 1, 1_000_000).await.unwrap();
        let seqs: Vec<_> = chain.iter().map(|row| row.seq).collect();
        assert_eq!(
            seqs,
            (1..=heads[0].seq).collect::<Vec<_>>(),
            "no gap, no tail"
        );
        assert_eq!(heads[0].mac, chain.last().unwrap().mac);
        assert!(heads[0].seq >= acknowledged, "life {life}");
        database.close().await;
    }
    assert!(acknowledged >= 7 * (1 + 2 + 3 + 4 + 5));
}

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
        "DROP TABLE revocations",
        "DROP TABLE signing_keys",
        "DROP TABLE one_time_values",
        "DROP TABLE leases",
        "DROP TABLE consents",
        "DROP TABLE id_tokens",
        "DROP TABLE oauth_clients",
        "DROP TABLE oauth_grants",
        "DROP TABLE oauth_refresh_tokens",
        "DROP TABLE authorization_keys",
        "DROP TABLE connections",
        "DROP TABLE upstream_clients",
        "DELETE FROM change_counters WHERE feed = 'revocations'",
        "DELETE FROM _sqlx_migrations WHERE version >= 3",
    ] {
        disk.run(statement).await;
    }
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
