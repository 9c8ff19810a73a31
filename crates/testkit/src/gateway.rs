//! A gateway for stories: its router behind its real listener, on loopback, port 0.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken stage is a failed story; nothing but tests stands on it"
)]

mod actor;
mod browser;
mod issuer;
mod leaks;
mod logs;
mod mock;
mod process;
mod provider;
mod site;
mod unread;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use portcullis_config::CommandLine;
use portcullis_core::{ApiKey, Clock, Role, ServerGrants, SystemClock};
use portcullis_gateway::wire::Embedded;
use portcullis_server::listen::{Bound, ListenSettings, ServerTls, Stop};
use portcullis_store::{AuditFilter, PageRequest};
use serde_json::Value;
use tokio_util::task::TaskTracker;

pub use actor::Actor;
pub use browser::{Browser, form_token};
pub use issuer::TestIssuer;
pub use leaks::forms;
pub use mock::MockServer;
pub use process::{Finished, Process, run};
pub use provider::TestProvider;
pub use site::Site;
pub use unread::Unread;
pub use wire::{Ask, Connection, Reply};

/// Everything that clients were answered, and for which requests.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<Said>>>);

#[derive(Clone, Debug)]
struct Said {
    head: String,
    reply: Reply,
}

impl Transcript {
    fn note(&self, head: &str, reply: &Reply) {
        let head = head.to_owned();
        let reply = reply.clone();
        self.0.lock().unwrap().push(Said { head, reply });
    }
}

/// A gateway and everything that was said to its clients.
#[derive(Debug)]
pub struct TestGateway {
    embedded: Embedded,
    address: SocketAddr,
    mock: Option<MockServer>,
    stop: Stop,
    tasks: TaskTracker,
    transcript: Transcript,
    secrets: Mutex<BTreeMap<String, String>>,
}

impl TestGateway {
    /// A gateway with this configuration.
    pub async fn start(yaml: &str) -> Self {
        Self::listening(yaml, ListenSettings::default()).await
    }

    /// The same, with its own limits at the door.
    pub async fn listening(yaml: &str, settings: ListenSettings) -> Self {
        Self::at(yaml, settings, Arc::new(SystemClock::start())).await
    }

    /// The same, by a clock that the story moves.
    pub async fn by_clock(yaml: &str, clock: Arc<dyn Clock>) -> Self {
        Self::at(yaml, ListenSettings::default(), clock).await
    }

    /// The same on a database that several gateways share.
    pub async fn sharing(database: &Path, yaml: &str, clock: Arc<dyn Clock>) -> Self {
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        logs::capture();
        let line = CommandLine::default();
        let embedded = Embedded::start_on_at(database, clock, yaml, line, &tasks, &stop.soft).await;
        Self::serving(embedded, ListenSettings::default(), stop, tasks).await
    }

    async fn at(yaml: &str, settings: ListenSettings, clock: Arc<dyn Clock>) -> Self {
        logs::capture();
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        let line = CommandLine::default();
        let embedded = Embedded::start_at(clock, yaml, line, &tasks, &stop.soft).await;
        Self::serving(embedded, settings, stop, tasks).await
    }

    async fn serving<E: std::fmt::Display>(
        embedded: Result<Embedded, E>,
        settings: ListenSettings,
        stop: Stop,
        tasks: TaskTracker,
    ) -> Self {
        let embedded =
            embedded.unwrap_or_else(|error| panic!("the configuration is refused: {error}"));
        let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
        let address = bound.local_addr();
        let (router, stopped) = (embedded.router(), stop.clone());
        tasks.spawn(async move { bound.serve(router, stopped).await });
        Self {
            embedded,
            address,
            mock: None,
            stop,
            tasks,
            transcript: Transcript::default(),
            secrets: Mutex::default(),
        }
    }

    /// Another door to the same rooms.
    pub async fn opens(&self, settings: ListenSettings) -> (SocketAddr, Option<Arc<ServerTls>>) {
        let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
        let (address, tls) = (bound.local_addr(), bound.tls());
        let (router, stopped) = (self.embedded.router(), self.stop.clone());
        self.tasks
            .spawn(async move { bound.serve(router, stopped).await });
        (address, tls)
    }

    /// A gateway in front of the mock: the server `support`, and `private`, which only keys that
    /// name it see. Both are called with the mock's client secret.
    pub async fn with_support() -> Self {
        Self::with_support_listening(ListenSettings::default()).await
    }

    /// The same, with further sections of the file.
    pub async fn with_support_and(sections: &str) -> Self {
        Self::with_support_of(sections, ListenSettings::default()).await
    }

    /// The same, with its own limits at the door.
    pub async fn with_support_listening(settings: ListenSettings) -> Self {
        Self::with_support_of("", settings).await
    }

    async fn with_support_of(sections: &str, settings: ListenSettings) -> Self {
        let mock = MockServer::start().await;
        let yaml = format!(
            "{sections}mcp_servers:\n{}{}",
            mock.entry("support"),
            mock.entry("private")
        );
        let mut gateway = Self::listening(&yaml, settings).await;
        gateway.keep_secret("the mock's client secret", mock.client_secret());
        gateway.mock = Some(mock);
        gateway
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway without its socket.
    pub const fn embedded(&self) -> &Embedded {
        &self.embedded
    }

    /// The server behind it.
    pub fn mock(&self) -> &MockServer {
        self.mock.as_ref().unwrap()
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> Actor {
        Actor::new(self.address, None, self.transcript.clone())
    }

    /// A fresh browser.
    pub fn browser(&self) -> Browser {
        Browser::of(self.anonymous())
    }

    /// Someone who presents this credential as a bearer token.
    pub fn bearer(&self, credential: &str) -> Actor {
        self.anonymous().with(credential)
    }

    /// A caller with a fresh key for these servers.
    pub async fn key(&self, alias: &str, servers: &[&str]) -> Actor {
        let grants = ServerGrants {
            servers: servers.iter().map(|name| (*name).into()).collect(),
            ..ServerGrants::default()
        };
        self.person(alias, Role::User, grants).await
    }

    /// A caller of the mock, whose key has just worked: what is refused to it or to others
    /// afterwards is not refused because nothing works.
    pub async fn working_key(&self) -> Actor {
        let caller = self.key("caller", &["support"]).await;
        let reply = caller.echo("control").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        caller
    }

    /// An administrator with a fresh key.
    pub async fn admin(&self) -> Actor {
        let all = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        self.person("admin", Role::Admin, all).await
    }

    async fn person(&self, alias: &str, role: Role, grants: ServerGrants) -> Actor {
        let number = self.secrets.lock().unwrap().len();
        let alias = format!("{alias}-{number}");
        let created = self.embedded.mint(&alias, role, grants).await.unwrap();
        self.keep_secret(&format!("the key of {alias}"), created.key.expose());
        let key_id = created.record.id.to_string();
        self.anonymous().holding(&created.key, &key_id)
    }

    /// From now on nothing that is said anywhere may hold this.
    pub fn keep_secret(&self, what: &str, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        secrets.insert(secret.to_owned(), what.to_owned());
    }

    /// Every event of the audit trail that is a request, in order.
    pub async fn events(&self) -> Vec<Value> {
        self.embedded.gateway().audit().flush().await.unwrap();
        let audit = &self.embedded.stores().audit;
        let (mut events, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest { after, limit: 1000 };
            let page = audit.list(&AuditFilter::default(), &page).await.unwrap();
            events.extend(
                page.items
                    .iter()
                    .map(|row| serde_json::from_str::<Value>(&row.event).unwrap())
                    .filter(|event| event["event"] == "request"),
            );
            after = page.next;
            if after.is_none() {
                return events;
            }
        }
    }

    /// The one event of an answer.
    pub async fn event_of(&self, reply: &Reply) -> Value {
        let id = reply.header("x-request-id").unwrap();
        let mut events = self.events().await;
        events.retain(|event| event["request_id"] == id);
        assert_eq!(events.len(), 1, "events of {id}: {events:#?}");
        events.remove(0)
    }

    /// What must hold after every story: each governed request is on record exactly once, nothing
    /// that was said to anyone, logged or recorded holds a secret, and the next good call works.
    pub async fn stands(&self) {
        if self.mock.is_some() {
            let next = self.key("the-next-caller", &["support"]).await;
            let reply = next.echo("still here").await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert!(reply.text().contains("still here"), "{reply:?}");
        }
        self.every_request_is_on_record_once().await;
        self.no_secret_was_told().await;
    }

    async fn every_request_is_on_record_once(&self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for event in self.events().await {
            let id = event["request_id"].as_str().unwrap().to_owned();
            *counts.entry(id).or_default() += 1;
        }
        for (id, count) in &counts {
            assert_eq!(*count, 1, "request {id} is on record {count} times");
        }
        for said in self.transcript.0.lock().unwrap().iter() {
            let Some(id) = said.reply.header("x-request-id") else {
                // Not even HTTP: refused by the parser, before there is a request.
                assert!(matches!(said.reply.status, 400 | 431), "{said:?}");
                continue;
            };
            let on_record = counts.contains_key(id);
            assert_eq!(on_record, said.is_governed(), "{said:?}");
        }
    }

    /// The leak oracle, over all answers, the whole log at trace level and every stored event.
    pub async fn no_secret_was_told(&self) {
        let events = self.events().await;
        let metrics = self.admin().await.ask(Ask::get("/metrics")).await;
        assert_eq!(metrics.status, 200, "{metrics:?}");
        let log = logs::so_far();
        assert!(!log.is_empty() && !events.is_empty(), "nothing to look at");
        let mut places = vec![
            ("log", log),
            ("audit trail", serde_json::to_vec(&events).unwrap()),
            ("metrics", metrics.raw.clone()),
        ];
        for said in self.transcript.0.lock().unwrap().iter() {
            places.push(("answer", said.reply.raw.clone()));
            // Without what frames the chunks: a secret may lie across two.
            places.push(("body", said.reply.body.clone()));
        }
        let secrets = self.secrets.lock().unwrap();
        for (place, text) in &places {
            for (secret, what) in &*secrets {
                if let Some(form) = leaks::find(text, secret) {
                    panic!("{what} stands in the {place} as {form}");
                }
            }
        }
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.stop.soft.cancel();
        self.stop.hard.cancel();
        self.tasks.close();
    }
}

impl Said {
    /// Whether this is a request that must be on record: it came through one of the governed doors
    /// and was not a path or a method that does not exist.
    fn is_governed(&self) -> bool {
        let path = self.head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        // Documents for strangers are no request for anything that is behind us.
        let governed = !path.starts_with("/.well-known/")
            && (path.starts_with("/mcp")
                || path.trim_end_matches('/').ends_with("/mcp")
                || path.ends_with("/sse")
                || path.ends_with("/sse/messages")
                || matches!(path, "/token" | "/register" | "/revoke" | "/introspect")
                || ["key", "team", "organization", "user", "customer"]
                    .contains(&path.split('/').nth(1).unwrap_or_default())
                || path.starts_with("/v1/")
                || [
                    "login",
                    "logout",
                    "authorize",
                    "connect",
                    "callback",
                    "docs",
                ]
                .contains(&path.split('/').nth(1).unwrap_or_default())
                || path == "/ui/mcp/oauth/callback"
                || ["authorize", "token", "register"]
                    .contains(&path.rsplit('/').next().unwrap_or_default())
                || matches!(path, "/metrics" | "/openapi.json"));
        let no_such_route = match self.reply.status {
            404 => self.reply.body.is_empty(),
            _ => false,
        };
        governed && !no_such_route
    }
}

/// A key as text, for stories that hand it to someone else.
pub fn text_of(key: &ApiKey) -> String {
    key.expose().to_owned()
}
