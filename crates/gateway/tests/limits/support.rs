//! A gateway whose clock the story moves, a server behind it, and its callers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask, Reply, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Noon of 22 November 2026, in UTC.
pub(crate) const NOON: i64 = 1_795_348_800_000;

pub(crate) struct Stage {
    pub(crate) gateway: TestGateway,
    pub(crate) upstream: FakeUpstream,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admin: Actor,
    folder: TempDir,
    yaml: String,
}

/// The server `a`, with further lines, and what else the file says.
pub(crate) fn file(sections: &str, upstream: &FakeUpstream, more: &[&str]) -> String {
    let more: String = more.iter().flat_map(|line| ["    ", line, "\n"]).collect();
    let url = upstream.url();
    format!("{sections}mcp_servers:\n  a:\n    url: \"{url}\"\n{more}")
}

impl Stage {
    pub(crate) async fn new(sections: &str, server: &[&str]) -> Self {
        Self::before(FakeUpstream::legacy().await, sections, server).await
    }

    /// In front of this server.
    pub(crate) async fn before(upstream: FakeUpstream, sections: &str, server: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::at_millis(NOON));
        let folder = tempfile::tempdir().unwrap();
        let yaml = file(sections, &upstream, server);
        let database = database(folder.path());
        let gateway = TestGateway::sharing(&database, &yaml, clock.clone()).await;
        Self {
            admin: gateway.admin().await,
            gateway,
            upstream,
            clock,
            folder,
            yaml,
        }
    }

    /// One more gateway on the same store.
    pub(crate) async fn another(&self) -> TestGateway {
        TestGateway::sharing(&self.database(), &self.yaml, self.clock.clone()).await
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(self.folder.path())
    }

    /// Lets time pass. What the gateway knows of keys is too old then, until it has looked again.
    pub(crate) async fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
        let looked = async || {
            let keys = self.admin.ask(Ask::get("/key/list")).await;
            keys.status == 200
        };
        eventually("the gateway has looked at its store", looked).await;
    }

    /// A caller whose key was made with these members.
    pub(crate) async fn caller(&self, members: Value) -> Actor {
        let made = make_key(&self.admin, members).await;
        self.gateway.bearer(&made)
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("portcullis.db")
}

pub(crate) async fn make_key(admin: &Actor, members: Value) -> String {
    let mut wish = json!({"all_servers": true});
    let wishes = wish.as_object_mut().unwrap();
    wishes.extend(members.as_object().unwrap().clone());
    let made = admin.ask(Ask::post("/key/generate", &wish)).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()["key"].as_str().unwrap().to_owned()
}

/// A call of a tool by REST.
pub(crate) fn rest(tool: &str) -> Ask {
    let body = json!({"server_id": "a", "name": tool, "arguments": {}});
    Ask::post("/mcp-rest/tools/call", &body)
}

pub(crate) async fn echo(actor: &Actor) -> Reply {
    actor.ask(rest("echo")).await
}

/// How many of so many calls pass.
pub(crate) async fn passing(actor: &Actor, calls: usize) -> usize {
    let mut passed = 0;
    for _ in 0..calls {
        let reply = echo(actor).await;
        assert!(matches!(reply.status, 200 | 429), "{reply:?}");
        passed += usize::from(reply.status == 200);
    }
    passed
}

/// In seconds, as the refusal says.
pub(crate) fn wait(reply: &Reply) -> u64 {
    assert_eq!(reply.status, 429, "{reply:?}");
    reply.header("retry-after").unwrap().parse().unwrap()
}
