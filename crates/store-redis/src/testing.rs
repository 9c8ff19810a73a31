//! Keys of its own on a Redis server for each test, gone when the test is over.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this module is test code that other crates' tests call; the environment says which server"
)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Entropy, SecretValue, SystemClock, SystemEntropy, hex};
use redis::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::link::RedisDeps;
use crate::settings::{RedisSettings, RedisUrl};
use crate::stores::RedisStores;

/// Names the server: `redis://host:6379/0`, whose user may make any key.
pub const SERVER: &str = "TEST_REDIS_URL";

/// `1` makes a test fail that would be skipped because there is no server.
pub const REQUIRE: &str = "REQUIRE_ALL_BACKENDS";

/// Longer than a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A place for keys, emptied with this.
#[derive(Debug)]
pub struct Place {
    server: String,
    prefix: String,
    stop: CancellationToken,
}

impl Place {
    /// A new place on the server that the environment names; `None` where it names none and tests may be
    /// skipped.
    pub fn fresh() -> Option<Self> {
        let Ok(server) = std::env::var(SERVER) else {
            let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, but {SERVER} names no server");
            println!("skipped: {SERVER} names no server");
            return None;
        };
        Some(Self::on(server))
    }

    /// A new place on this server.
    pub fn on(server: String) -> Self {
        let mut unique = [0_u8; 12];
        SystemEntropy.fill(&mut unique).unwrap();
        Self {
            server,
            prefix: format!("test-{}", hex(&unique)),
            stop: CancellationToken::new(),
        }
    }

    /// The URL, as a configuration names it.
    pub fn url(&self) -> &str {
        &self.server
    }

    /// What the keys in it begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Settings for this place, at another address if one is named: that of something in between.
    pub fn settings(&self, url: Option<&str>) -> RedisSettings {
        let url = SecretValue::new(url.unwrap_or(&self.server));
        RedisSettings {
            url: RedisUrl::read(&url, true).unwrap(),
            key_prefix: self.prefix.clone(),
            timeout: PATIENCE,
            ca_file: None,
        }
    }

    /// The stores in it, with a connection of their own.
    pub async fn open(&self) -> RedisStores {
        let stores = self.open_by(&self.settings(None));
        stores.wait(PATIENCE).await;
        stores
    }

    /// The same by these settings, not yet connected.
    pub fn open_by(&self, settings: &RedisSettings) -> RedisStores {
        let deps = RedisDeps {
            clock: Arc::new(SystemClock::start()),
            entropy: Arc::new(SystemEntropy),
            tracker: TaskTracker::new(),
            stop: self.stop.child_token(),
        };
        RedisStores::open(settings, &deps).unwrap()
    }

    /// Runs a command as a foreign tool would. `{}` in an argument is what keys here begin with.
    pub fn run(&self, command: &[&str]) -> redis::Value {
        let mut connection = Client::open(self.server.as_str())
            .and_then(|client| client.get_connection())
            .unwrap();
        let mut cmd = redis::Cmd::new();
        for word in command {
            cmd.arg(word.replace("{}", &format!("{{{}}}", self.prefix)));
        }
        cmd.query(&mut connection).unwrap()
    }

    /// The keys in it.
    pub fn keys(&self) -> Vec<String> {
        redis::from_redis_value(self.run(&["KEYS", "{}:*"])).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
        // A server that was stopped by its test keeps what it has, which ends by itself.
        let emptying = "local keys = redis.call('KEYS', ARGV[1]) \
                        for _, key in ipairs(keys) do redis.call('DEL', key) end return #keys";
        let client = Client::open(self.server.as_str());
        if let Ok(mut connection) = client.and_then(|client| client.get_connection()) {
            let mut cmd = redis::cmd("EVAL");
            cmd.arg(emptying)
                .arg(0)
                .arg(format!("{{{}}}:*", self.prefix));
            let _ = cmd.query::<i64>(&mut connection);
        }
    }
}

/// A server of our own, which a test may stop, start again and hold.
#[derive(Debug)]
pub struct OwnServer {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl OwnServer {
    /// A server that keeps what it is told to save; `None` where the program is not installed and tests may
    /// be skipped.
    pub fn start() -> Option<Self> {
        let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
        let Some(_) = program() else {
            assert!(!required, "{REQUIRE}=1, but no redis-server is installed");
            println!("skipped: no redis-server is installed");
            return None;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            port,
            process: None,
        };
        server.begin();
        Some(server)
    }

    /// Starts it again, with what it saved.
    pub fn begin(&mut self) {
        let started = Command::new(program().unwrap())
            .current_dir(self.folder.path())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args([
                "--save",
                "",
                "--appendonly",
                "no",
                "--dbfilename",
                "dump.rdb",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(started.unwrap());
        // It takes a moment until it listens.
        let client = Client::open(self.url()).unwrap();
        let pinged = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(25));
            let connection = client.get_connection();
            connection.is_ok_and(|mut it| redis::cmd("PING").query::<()>(&mut it).is_ok())
        });
        assert!(pinged, "the server does not come");
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Sends it a signal: `STOP` makes it silent, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), id]).status();
        assert!(sent.unwrap().success());
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// A place on it.
    pub fn place(&self) -> Place {
        Place::on(self.url())
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<&'static str> {
    ["redis-server", "valkey-server"].into_iter().find(|name| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    })
}
