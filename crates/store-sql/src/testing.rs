//! A schema of its own on a PostgreSQL server for each test, gone when the test is over.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this module is test code that other crates' tests call; the environment says which server"
)]

mod own_server;

use std::time::Duration;

use portcullis_core::SecretValue;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;
use url::Url;

use crate::postgres::{PostgresSettings, PostgresStores, PostgresUrl};

pub use own_server::{OwnServer, Room};

/// Names the server: `postgres://user@host/database`, whose user may make schemas in that database.
pub const SERVER: &str = "TEST_POSTGRES_URL";

/// `1` makes a test fail that would be skipped because there is no server.
pub const REQUIRE: &str = "REQUIRE_ALL_BACKENDS";

/// Longer than a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An empty schema, dropped with this.
#[derive(Debug)]
pub struct Schema {
    server: Url,
    name: String,
}

impl Schema {
    /// A new schema on the server that the environment names; `None` where it names none and tests
    /// may be skipped.
    pub async fn fresh() -> Option<Self> {
        let Ok(server) = std::env::var(SERVER) else {
            let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, but {SERVER} names no server");
            println!("skipped: {SERVER} names no server");
            return None;
        };
        Some(Self::on(&server).await)
    }

    /// A new schema on this server.
    pub async fn on(server: &str) -> Self {
        let server: Url = server.parse().unwrap();
        let mut connection = connect(&server).await;
        let name: String = sqlx::query_scalar(
            "SELECT set_config('portcullis.schema', \
             'test_' || replace(gen_random_uuid()::text, '-', ''), FALSE)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        sqlx::raw_sql(
            "DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', \
             current_setting('portcullis.schema')); END $$",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
        Self { server, name }
    }

    /// The same with everything in it that this program needs.
    pub async fn migrated() -> Option<Self> {
        let schema = Self::fresh().await?;
        schema.migrate().await;
        Some(schema)
    }

    /// Brings it up to date.
    pub async fn migrate(&self) {
        let settings = PostgresSettings::default();
        PostgresStores::migrate(&self.url(), &settings)
            .await
            .unwrap();
    }

    /// The URL of this schema, as a configuration names it.
    pub fn text(&self) -> String {
        self.text_at(self.server.clone())
    }

    /// The same by another port of this machine: that of something in between.
    pub fn text_by(&self, port: u16) -> String {
        let mut url = self.server.clone();
        url.set_port(Some(port)).unwrap();
        self.text_at(url)
    }

    /// Where its server listens.
    pub fn port(&self) -> u16 {
        self.server.port().unwrap_or(5432)
    }

    fn text_at(&self, mut url: Url) -> String {
        url.query_pairs_mut()
            .append_pair("options[search_path]", &self.name)
            // Tells whose connections are whose.
            .append_pair("application_name", &self.name);
        url.into()
    }

    /// The same, read.
    pub fn url(&self) -> PostgresUrl {
        PostgresUrl::read(&SecretValue::new(self.text()), true).unwrap()
    }

    /// The same by another port; see [`Schema::text_by`].
    pub fn url_by(&self, port: u16) -> PostgresUrl {
        PostgresUrl::read(&SecretValue::new(self.text_by(port)), true).unwrap()
    }

    /// The stores in it, by few connections: many tests share a server.
    pub async fn open(&self) -> PostgresStores {
        let settings = PostgresSettings {
            connections: 4,
            ..PostgresSettings::default()
        };
        PostgresStores::open(&self.url(), &settings).await.unwrap()
    }

    /// A connection of our own, as a foreign tool has one.
    pub async fn tool(&self) -> PgConnection {
        self.url().options.connect().await.unwrap()
    }

    /// Runs a statement as a foreign tool would.
    pub async fn run(&self, statement: &'static str) {
        let mut tool = self.tool().await;
        sqlx::raw_sql(statement).execute(&mut tool).await.unwrap();
        tool.close().await.unwrap();
    }
}

async fn connect(server: &Url) -> PgConnection {
    let options = PgConnectOptions::from_url(server).unwrap();
    options.connect().await.unwrap()
}

impl Drop for Schema {
    /// In a thread with a runtime of its own: the test's may be over.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.unwrap();
            let cleaning = async {
                let mut connection = connect(&server).await;
                sqlx::query("SELECT set_config('portcullis.schema', $1, FALSE)")
                    .bind(&name)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                sqlx::raw_sql(
                    "SET client_min_messages = warning; SET lock_timeout = '20s'; \
                     DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', \
                     current_setting('portcullis.schema')); END $$",
                )
                .execute(&mut connection)
                .await
                .unwrap();
            };
            // A server that a failed test left standing still is not waited for.
            let cleaned = runtime.block_on(async { timeout(PATIENCE, cleaning).await });
            cleaned.unwrap();
        });
        // A server that was stopped by its test keeps the schema.
        if dropping.join().is_err() && !std::thread::panicking() {
            println!("the schema {} is left on the server", self.name);
        }
    }
}
