//! Three gateways, the balancer in front of them, and a client that knows only the balancer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_store::{AuditFilter, PageRequest, Stores};
use portcullis_store_redis::testing::Place;
use portcullis_store_sql::testing::Schema;
use portcullis_store_sql::{Location, Settings, SqliteStores};
use portcullis_testkit::PATIENCE;
use portcullis_testkit::gateway::{Ask, Connection, Process, Reply, run};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

pub(crate) const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
pub(crate) const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
pub(crate) const ALICE: &str = "sk-alice-canary-Yx83bQ71kkPwLm20";
pub(crate) const BOB: &str = "sk-bob-canary-Hq5Tn9vB2cXz7Ks40";
pub(crate) const QUESTION: &str =
    r#"{"jsonrpc":"2.0","id":"theirs","method":"sampling/createMessage","params":{"messages":[]}}"#;

/// A server that may ask its callers.
pub(crate) fn server(name: &str, upstream: &FakeUpstream) -> String {
    let url = upstream.url();
    format!(
        "  {name}:\n    url: \"{url}\"\n    allow_sampling: true\n    allow_elicitation: true\n"
    )
}

/// The processes.
pub(crate) struct Cluster {
    // First, so that they have ended when the database goes.
    pub(crate) replicas: Vec<Process>,
    folder: TempDir,
    schema: Option<Schema>,
    _place: Option<Place>,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    next: Arc<AtomicUsize>,
    /// The balancer's own.
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _balancing: TaskTracker,
}

impl Cluster {
    /// `None` where this machine has not the database that the suite is for.
    pub(crate) async fn of(servers: &[String]) -> Option<Self> {
        let schema = if crate::ON_POSTGRES {
            Some(Schema::migrated().await?)
        } else {
            None
        };
        let store = schema.as_ref().map_or_else(String::new, |schema| {
            format!(
                "store: {{database_url: '{}', database_connections: 4}}\n",
                schema.text()
            )
        });
        let place = if crate::ON_REDIS {
            Some(Place::fresh()?)
        } else {
            None
        };
        let redis = place.as_ref().map_or_else(String::new, |place| {
            // The machine may be busy with everybody's tests.
            format!(
                "redis: {{url: '{}', key_prefix: {}, timeout: 5s}}\n",
                place.url(),
                place.prefix()
            )
        });
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "server: {{replica_listen: '127.0.0.1:0'}}\n\
             audit: {{required: true}}\n\
             {store}{redis}\
             general_settings:\n  master_key: \"{MASTER}\"\n\
             identity:\n  keys:\n\
             \x20 - {{id: alice, key: {ALICE}, all_servers: true}}\n\
             \x20 - {{id: bob, key: {BOB}, all_servers: true}}\n\
             mcp_servers:\n{}",
            servers.concat()
        );
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
        let replicas: Vec<Process> = (0..3).map(|_| serve(folder.path())).collect();
        let backends: Vec<SocketAddr> = replicas.iter().map(Process::address).collect();
        let backends = Arc::new(Mutex::new(backends));
        let next = Arc::new(AtomicUsize::new(0));
        let balancing = TaskTracker::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        balancing.spawn(balance(
            listener,
            Arc::clone(&backends),
            Arc::clone(&next),
            balancing.clone(),
        ));
        Some(Self {
            replicas,
            folder,
            schema,
            _place: place,
            backends,
            next,
            address,
            asked: Arc::default(),
            _balancing: balancing,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Which replica gets the next request.
    pub(crate) fn next(&self) -> usize {
        let count = self.backends.lock().unwrap().len();
        self.next.load(Ordering::SeqCst) % count
    }

    /// Ends a replica at once, and takes it out of the balancer as its health check would.
    pub(crate) async fn kill(&mut self, number: usize) {
        // What it answered before is on record; what is written a moment later would die with it.
        let asked = self.asked.lock().unwrap().clone();
        let written = async || {
            let recorded = self.recorded().await;
            asked.iter().all(|id| recorded.contains(id))
        };
        portcullis_testkit::eventually("what was answered is on record", written).await;
        let mut gone = self.replicas.remove(number);
        self.backends
            .lock()
            .unwrap()
            .retain(|address| *address != gone.address());
        gone.signal("KILL");
        gone.wait();
    }

    /// The request ids of every stored event of a request.
    async fn recorded(&self) -> Vec<String> {
        let Some(schema) = &self.schema else {
            let location = Location::File(self.folder().join("portcullis.db"));
            let opened = SqliteStores::open(&location, &Settings::default()).await;
            let database = opened.unwrap();
            let ids = request_ids(&database.stores()).await;
            database.close().await;
            return ids;
        };
        let database = schema.open().await;
        let ids = request_ids(&database.stores()).await;
        database.close().await;
        ids
    }

    pub(crate) fn client(&self, key: &str, path: &str) -> Client {
        Client {
            address: self.address,
            key: key.to_owned(),
            path: path.to_owned(),
            session: None,
            asked: Arc::clone(&self.asked),
        }
    }

    /// Nothing that was answered was forgotten and nothing counted twice, whichever replica had it.
    pub(crate) async fn end(mut self) {
        for replica in &mut self.replicas {
            replica.signal("TERM");
        }
        for replica in &mut self.replicas {
            replica.wait();
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for id in self.recorded().await {
            *counts.entry(id).or_default() += 1;
        }
        for id in self.asked.lock().unwrap().iter() {
            assert_eq!(counts.get(id), Some(&1), "{id} is not on record once");
        }
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let args = ["--config", "c.yaml", "audit", "verify"];
        let verified = run(PORTCULLIS, self.folder(), &args, &[]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
}

async fn request_ids(stores: &Stores) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 1000 };
        let page = stores
            .audit
            .list(&AuditFilter::default(), &page)
            .await
            .unwrap();
        let rows = page.items.into_iter().map(|row| row.request_id);
        ids.extend(rows.filter(|id| !id.is_empty()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

fn serve(folder: &Path) -> Process {
    let args = ["--config", "c.yaml", "--port", "0"];
    Process::serve(PORTCULLIS, folder, &args, &[])
}

/// Every connection to the next one that takes it.
async fn balance(
    listener: TcpListener,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    next: Arc<AtomicUsize>,
    tasks: TaskTracker,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        let backend = {
            let backends = backends.lock().unwrap();
            backends[next.fetch_add(1, Ordering::SeqCst) % backends.len()]
        };
        tasks.spawn(async move {
            let mut server = TcpStream::connect(backend).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

/// A client that speaks 2025-11-25 or, without a session, whatever its requests say.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    key: String,
    path: String,
    pub(crate) session: Option<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// A client with an open session.
    pub(crate) async fn initialized(mut self) -> Self {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"sampling": {}, "elicitation": {}},
            "clientInfo": {"name": "t", "version": "1"},
        });
        let reply = self.rpc("initialize", &params).await;
        self.session = reply.header("mcp-session-id").map(str::to_owned);
        assert!(self.session.is_some(), "{reply:?}");
        self
    }

    fn dressed(&self, ask: Ask) -> Ask {
        let ask = ask.bearer(&self.key);
        match &self.session {
            Some(session) => ask.header("mcp-session-id", session),
            None => ask,
        }
    }

    pub(crate) async fn send(&self, ask: Ask) -> Reply {
        let reply = self.dressed(ask).send(self.address).await;
        let id = reply.header("x-request-id").unwrap().to_owned();
        self.asked.lock().unwrap().push(id);
        reply
    }

    fn message(&self, message: &Value) -> Ask {
        Ask::post(&self.path, message).header("accept", "application/json, text/event-stream")
    }

    pub(crate) async fn post(&self, message: &Value) -> Reply {
        self.send(self.message(message)).await
    }

    pub(crate) async fn rpc(&self, method: &str, params: &Value) -> Reply {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(&message).await
    }

    /// The result of a request.
    pub(crate) async fn result(&self, method: &str, params: &Value) -> Value {
        let reply = self.rpc(method, params).await;
        let mut answer = said(&reply);
        assert!(answer["result"].is_object(), "{method}: {reply:?}");
        answer["result"].take()
    }

    /// A request of 2026-07-28.
    pub(crate) async fn modern(&self, method: &str, name: Option<&str>, params: Value) -> Value {
        said(&self.modern_reply(method, name, params).await)
    }

    /// The same, with its status.
    pub(crate) async fn modern_reply(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
    ) -> Reply {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        });
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut ask = self
            .message(&message)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method);
        if let Some(name) = name {
            ask = ask.header("mcp-name", name);
        }
        self.send(ask).await
    }

    /// A request whose answer is read as it comes.
    pub(crate) async fn open(&self, message: &Value) -> Opened {
        Opened(Connection::begin(self.address, &self.dressed(self.message(message))).await)
    }

    pub(crate) async fn call(&self, id: u64) -> Opened {
        let params = json!({"name": "echo", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        self.open(&call).await
    }

    /// A stream that is opened with GET there.
    pub(crate) async fn get(&self, path: &str) -> Opened {
        let ask = Ask::get(path).header("accept", "text/event-stream");
        let mut opened = Opened(Connection::begin(self.address, &self.dressed(ask)).await);
        assert!(opened.0.until("text/event-stream").await, "no stream");
        opened
    }

    /// The stream of what belongs to no request.
    pub(crate) async fn listen(&self) -> Opened {
        self.get(&self.path).await
    }
}

/// The one message of an answer, whichever form it has.
pub(crate) fn said(reply: &Reply) -> Value {
    let text = reply.text();
    let text = match text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data: "))
    {
        Some(data) => data.to_owned(),
        None => text,
    };
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}

/// A stream.
pub(crate) struct Opened(Connection);

impl Opened {
    /// The message that holds this text.
    pub(crate) async fn hears(&mut self, text: &str) -> Value {
        assert!(self.0.until(text).await, "{text} was never said");
        // The rest of the line may be under way still.
        loop {
            let heard = String::from_utf8_lossy(self.0.heard()).into_owned();
            let whole = heard
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n') && line.contains(text))
                .find_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
            match whole {
                Some(message) => return message,
                None => assert!(self.0.until(&format!("{heard}\n")).await, "{heard}"),
            }
        }
    }

    /// The rest of the line that begins like this.
    pub(crate) async fn line(&mut self, begin: &str) -> String {
        assert!(self.0.until(begin).await, "{begin} was never said");
        loop {
            let heard = String::from_utf8_lossy(self.0.heard()).into_owned();
            let (_, rest) = heard.split_once(begin).unwrap();
            match rest.split_once('\n') {
                Some((line, _)) => return line.trim().to_owned(),
                None => assert!(self.0.until(&format!("{heard}\n")).await, "{heard}"),
            }
        }
    }

    /// Waits for the end, however it comes.
    pub(crate) async fn over(mut self) -> String {
        String::from_utf8_lossy(&self.0.rest().await).into_owned()
    }
}

pub(crate) fn answer_to(question: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": question["id"], "result": {"content": "yes"}})
}

/// Waits for a future that must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{what}: did not happen"))
}
