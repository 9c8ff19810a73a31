//! What happens to a database on a real disk: shared, killed, damaged, locked, upgraded.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod damage;

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

    /// Takes away every table and feed that the first two migrations did not make.
    async fn forget_what_came_after_the_second_migration(&self) {
        let mut tool = self.tool().await;
        let later: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND \
             name NOT IN ('_sqlx_migrations', 'change_counters', 'api_keys', 'audit_rows', \
             'audit_heads', 'terminated_sessions', 'meta')",
        )
        .fetch_all(&mut tool)
        .await
        .unwrap();
        for table in later {
            let drop = sqlx::AssertSqlSafe(format!("DROP TABLE {table}"));
            sqlx::query(drop).execute(&mut tool).await.unwrap();
        }
        tool.close().await.unwrap();
        self.run("DELETE FROM change_counters WHERE feed NOT IN ('api_keys', 'sessions')")
            .await;
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
