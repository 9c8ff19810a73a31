//! A programmable MCP server on a loopback port.
//!
//! It behaves like a decent server of its era until a script for a kind of request says otherwise.
//! A kind is the JSON-RPC method, or `GET`, `DELETE`, `RESPONSE` (a client's answer to a push) and
//! `TOKEN` (the token endpoint).
#![expect(clippy::missing_fields_in_debug, reason = "scripts have no Debug form")]

mod defaults;
mod live;
mod recorded;
mod reply;
mod serve;
mod sse;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PATIENCE;

pub use live::Live;
pub use recorded::{Recorded, member};
pub use reply::{Gate, Reply, Step, event, event_with_id};
pub use sse::SseSide;

type Script = Arc<dyn Fn(&Recorded) -> Reply + Send + Sync>;

/// What the server speaks when no script says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Sessions, up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
    /// Whatever it is asked in.
    Both,
}

/// The server. It ends when it is dropped.
pub struct FakeUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    era: Era,
    state: Mutex<State>,
    /// How many requests have arrived.
    arrived: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    scripts: HashMap<String, Script>,
    once: HashMap<String, VecDeque<Script>>,
    first: Option<Script>,
    tools: Vec<String>,
    prompts: Vec<String>,
    resources: Vec<String>,
    templates: Vec<String>,
    page_size: Option<usize>,
    sessions: HashSet<String>,
    sessions_made: usize,
    tokens_made: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeUpstream {
    /// A server of sessions, with the tools `echo` and `delete_user`.
    pub async fn legacy() -> Self {
        Self::start(Era::Legacy).await
    }

    /// A stateless server with the same tools.
    pub async fn modern() -> Self {
        Self::start(Era::Modern).await
    }

    /// A server of an era.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub async fn start(era: Era) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        #[expect(
            clippy::expect_used,
            reason = "a story cannot go on without its server"
        )]
        let listener = listener.expect("a loopback port");
        #[expect(clippy::expect_used, reason = "a bound listener has an address")]
        let address = listener.local_addr().expect("an address");
        let state = State {
            tools: ["echo", "delete_user"].map(defaults::tool).to_vec(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            era,
            state: Mutex::new(state),
            arrived: watch::Sender::new(0),
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "aborted when the server is dropped"
        )]
        let serving = tokio::spawn(serve::serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            serving,
        }
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The token endpoint. It gives `token-1`, `token-2`, … for an hour each.
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, requests of this kind are answered so.
    pub fn on(&self, kind: &str, script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        self.shared
            .state()
            .scripts
            .insert(kind.to_owned(), Arc::new(script));
    }

    /// The next request of this kind is answered so; further ones queue.
    pub fn once(&self, kind: &str, script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        self.shared
            .state()
            .once
            .entry(kind.to_owned())
            .or_default()
            .push_back(Arc::new(script));
    }

    /// Looks at every request before anything else does; [`Reply::Default`] lets it pass.
    pub fn first(&self, script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        self.shared.state().first = Some(Arc::new(script));
    }

    /// Requests of this kind get a stream that the story writes into as it goes on.
    pub fn live(&self, kind: &str) -> Live {
        let live = Live::new();
        let opening = live.clone();
        self.on(kind, move |_| opening.open());
        live
    }

    /// What `tools/list` lists, as JSON texts.
    pub fn tools(&self, tools: &[&str]) {
        self.shared.state().tools = tools.iter().map(|&tool| tool.to_owned()).collect();
    }

    /// Tools of these names.
    pub fn tool_names(&self, names: &[&str]) {
        self.shared.state().tools = names.iter().copied().map(defaults::tool).collect();
    }

    /// What `prompts/list` lists.
    pub fn prompts(&self, prompts: &[&str]) {
        self.shared.state().prompts = prompts.iter().map(|&text| text.to_owned()).collect();
    }

    /// What `resources/list` lists.
    pub fn resources(&self, resources: &[&str]) {
        self.shared.state().resources = resources.iter().map(|&text| text.to_owned()).collect();
    }

    /// What `resources/templates/list` lists.
    pub fn templates(&self, templates: &[&str]) {
        self.shared.state().templates = templates.iter().map(|&text| text.to_owned()).collect();
    }

    /// Lists come in pages of this many items.
    pub fn pages_of(&self, items: usize) {
        self.shared.state().page_size = Some(items);
    }

    /// Forgets every session, as a restart would.
    pub fn forget_sessions(&self) {
        self.shared.state().sessions.clear();
    }

    /// How many sessions it knows.
    pub fn session_count(&self) -> usize {
        self.shared.state().sessions.len()
    }

    /// Everything that arrived.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().requests.clone()
    }

    /// What arrived of one kind.
    pub fn seen(&self, kind: &str) -> Vec<Recorded> {
        let state = self.shared.state();
        let of_kind = state.requests.iter().filter(|one| one.kind == kind);
        of_kind.cloned().collect()
    }

    /// How often.
    pub fn count(&self, kind: &str) -> usize {
        let state = self.shared.state();
        state.requests.iter().filter(|one| one.kind == kind).count()
    }

    /// The last request of a kind.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self, kind: &str) -> Recorded {
        #[expect(clippy::expect_used, reason = "the story failed")]
        self.seen(kind).pop().expect("a request of this kind")
    }

    /// Waits until `count` requests of a kind have arrived.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn arrived(&self, kind: &str, count: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        let enough = arrived.wait_for(|_| self.count(kind) >= count);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        assert!(
            waited.is_ok(),
            "{count} requests of kind {kind} did not arrive; these did: {:?}",
            self.requests()
                .iter()
                .map(|one| one.kind.clone())
                .collect::<Vec<_>>()
        );
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for FakeUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeUpstream")
            .field("address", &self.address)
            .field("era", &self.shared.era)
            .finish()
    }
}
