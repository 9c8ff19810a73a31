//! A gateway, the server behind it, and a database of its own.

use std::collections::BTreeMap;

use portcullis_store::{AuditFilter, PageRequest};
use portcullis_store_sql::testing::{OwnServer, Room, Schema};
use portcullis_testkit::gateway::{Actor, Ask, MockServer, Process, Reply, run};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
pub(crate) const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
/// A key of the file.
pub(crate) const CI: &str = "sk-file-canary-Yx83bQ71kkPwLm20";

/// Everything of a story.
pub(crate) struct Stage {
    // First, so that it has ended when the database goes.
    pub(crate) gateway: Process,
    pub(crate) mock: MockServer,
    schema: Schema,
    pub(crate) database: OwnServer,
    folder: TempDir,
}

impl Stage {
    /// `None` where this machine has no PostgreSQL and tests may be skipped.
    pub(crate) async fn set(audit_required: bool) -> Option<Self> {
        let database = OwnServer::start(Room::Enough)?;
        let schema = database.migrated().await;
        let mock = MockServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "general_settings:\n  master_key: \"{MASTER}\"\n\
             store: {{database_url: '{}', database_connections: 4, acquire_timeout: 3s, statement_timeout: 3s}}\n\
             audit: {{required: {audit_required}}}\n\
             identity:\n  keys:\n  - {{id: ci, key: {CI}, servers: [support]}}\n\
             mcp_servers:\n{}",
            schema.text(),
            mock.entry("support")
        );
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
        let args = ["--config", "c.yaml", "--port", "0"];
        let gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        Some(Self {
            gateway,
            mock,
            schema,
            database,
            folder,
        })
    }

    /// A tool call.
    pub(crate) async fn echo(&self, key: &str) -> Reply {
        self.gateway.ask_as(key, Actor::echo_ask("hi")).await
    }

    /// A key of the store.
    pub(crate) async fn make_key(&self) -> Reply {
        let wish = json!({"servers": ["support"]});
        let ask = Ask::post("/key/generate", &wish);
        self.gateway.ask_as(MASTER, ask).await
    }

    pub(crate) async fn ready(&self) -> (u16, Value) {
        let ready = Ask::get("/health/ready").send(self.gateway.address()).await;
        (ready.status, ready.json())
    }

    /// The gateway ends in order; each of these requests is on record once, in a chain that holds, and nothing
    /// that was said holds a secret.
    pub(crate) async fn end(mut self, answered: &[String]) {
        assert_eq!(self.gateway.end().code(), Some(0));
        assert!(!self.gateway.log().contains("canary"), "a secret is logged");
        let opened = self.schema.open().await;
        let stores = opened.stores();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = PageRequest { after, limit: 1000 };
            let filter = AuditFilter::default();
            let page = stores.audit.list(&filter, &page).await.unwrap();
            for row in page.items {
                if !row.request_id.is_empty() {
                    *counts.entry(row.request_id).or_default() += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        opened.close().await;
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let missing: Vec<_> = answered
            .iter()
            .filter(|id| !counts.contains_key(*id))
            .collect();
        assert!(missing.is_empty(), "{missing:?} of {}", answered.len());
        let args = ["--config", "c.yaml", "audit", "verify"];
        let verified = run(PORTCULLIS, self.folder.path(), &args, &[]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
}

/// The request of an answer.
pub(crate) fn id(reply: &Reply) -> String {
    reply.header("x-request-id").unwrap().to_owned()
}
