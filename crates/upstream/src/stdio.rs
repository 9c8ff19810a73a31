//! Servers that are processes of ours: one channel over standard input and output.
//!
//! A process belongs to one acting party, unless the operator lets it serve everybody. It is started
//! when it is first needed and again when it ended, and it ends when nobody needs it any more.

mod introduction;
mod limit;
mod lines;
mod process;
mod rests;
mod secrets;
mod stderr;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri};
use portcullis_core::SecretValue;
use portcullis_mcp::{Edits, Envelope, Kind};
use portcullis_policy::{Acting, Party};
use tokio::sync::OnceCell;

use crate::channel::Sharing;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::pending::Owner;
use crate::server::UpstreamServer;
use crate::sessions::Closing;
use crate::stream::EventStream;
use crate::transport::{Means, Outgoing, Presents, Reply, Unsent};

use introduction::Introduction;
pub use limit::Processes;
use process::{Process, Start};
use rests::Rests;

/// A process that nobody used for this long is ended.
pub(crate) const PROCESS_IDLE: Duration = Duration::from_mins(10);
/// Longest wait for what a process of unknown era says to `server/discover`: one that says nothing
/// does not know it.
const PROBE: Duration = Duration::from_secs(10);
/// A process that has to rest no longer than this is waited for.
const SHORT_REST: Duration = Duration::from_secs(2);

/// A command of the operator's.
#[derive(Clone, PartialEq)]
pub struct StdioServer {
    /// A name that is looked for in the `PATH` of `env`, or an absolute path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, StdioEnv)>,
    /// Its working directory; ours when absent.
    pub cwd: Option<PathBuf>,
    /// One process serves everybody.
    pub shared: bool,
}

/// The value of a variable.
#[derive(Clone)]
pub enum StdioEnv {
    /// Known to all.
    Plain(String),
    /// Of the operator's file: not for our log, but the program may speak of it.
    Setting(SecretValue),
    /// Not to be seen by anybody: an answer that repeats it is withheld.
    Secret(SecretValue),
    /// What the caller's request has in this header; unset where it has none.
    Header(HeaderName),
}

impl PartialEq for StdioEnv {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Setting(one), Self::Setting(other))
            | (Self::Secret(one), Self::Secret(other)) => one == other,
            (Self::Header(one), Self::Header(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for StdioEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StdioEnv")
    }
}

/// Without arguments and values: both may hold what nobody should see.
impl fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioServer")
            .field("program", &self.program)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// Whose a process is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// Everybody's, by the `initialize` that it was opened with; `None` without one.
    Everybody(Option<Bytes>),
    /// One acting party's, without a session.
    Of(Acting),
}

/// A process that outlives single requests, and what it said when it was opened.
struct Running {
    process: Arc<Process>,
    opened: Arc<OnceCell<Bytes>>,
    introduced: Arc<Introduction>,
    used: Duration,
}

/// One acting party's way into a process.
#[derive(Debug)]
pub(crate) struct ProcessLink {
    process: Arc<Process>,
    /// Tells it from the others on a process that serves everybody.
    owner: Option<Owner>,
    /// Whether the process was told that it is initialized; `None` where each is told itself.
    introduced: Option<Arc<Introduction>>,
}

/// The processes of one server.
pub(crate) struct Stdio {
    server: Arc<UpstreamServer>,
    command: Arc<StdioServer>,
    means: Means,
    running: Mutex<HashMap<Holder, Running>>,
    rests: Arc<Rests<Party>>,
    owners: AtomicU64,
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Stdio {
    pub(crate) fn new(
        server: Arc<UpstreamServer>,
        command: Arc<StdioServer>,
        means: Means,
    ) -> Self {
        Self {
            server,
            command,
            means,
            running: Mutex::default(),
            rests: Arc::default(),
            owners: AtomicU64::new(1),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Holder, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        self.server.error(kind)
    }

    /// Sends one message outside of any session.
    pub(crate) async fn exchange(
        &self,
        acting: &Acting,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        let shared = self.command.shared;
        let holder = if shared {
            Holder::Everybody(None)
        } else {
            Holder::Of(acting.clone())
        };
        let (process, ..) = self.started(&holder, acting, presents).await?;
        process.post(None, None, outgoing.body).await
    }

    /// A session: a process of its own, or a share of the one that serves everybody.
    pub(crate) async fn open(
        &self,
        acting: &Acting,
        presents: &dyn Presents,
        initialize: Bytes,
    ) -> Result<(ProcessLink, Reply), UpstreamError> {
        if !self.command.shared {
            let process = self.start(&acting.party(), Sharing::Own, presents).await?;
            let reply = process.post(None, None, initialize).await?;
            let link = ProcessLink {
                process,
                owner: None,
                introduced: None,
            };
            return Ok((link, reply));
        }
        let initialize = without_capabilities(&initialize);
        let holder = Holder::Everybody(Some(initialize.clone()));
        let (process, opened, introduced) = self.started(&holder, acting, presents).await?;
        let answer = opened
            .get_or_try_init(|| async {
                match process.post(None, None, initialize).await? {
                    Reply::Message { body, .. } => Ok(body),
                    Reply::Accepted | Reply::Stream(_) => {
                        Err(self.error(UpstreamErrorKind::BadAnswer))
                    }
                }
            })
            .await?;
        let reply = Reply::Message {
            status: http::StatusCode::OK,
            body: answer.clone(),
        };
        let number = self.owners.fetch_add(1, Ordering::Relaxed);
        let mut owner: Owner = [0; 32];
        for (place, byte) in owner.iter_mut().zip(number.to_be_bytes()) {
            *place = byte;
        }
        let link = ProcessLink {
            process,
            owner: Some(owner),
            introduced: Some(introduced),
        };
        Ok((link, reply))
    }

    /// Asks a process that may die of the question: one that serves nobody and ends afterwards.
    /// `None`: it said nothing.
    pub(crate) async fn probe(
        &self,
        presents: &dyn Presents,
        question: Bytes,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let process = self
            .begin(Party::Service, Sharing::Own, presents, None)
            .map_err(|kind| self.error(kind))?;
        let limit = PROBE.min(self.server.timeout / 2);
        match tokio::time::timeout(limit, process.post(None, None, question)).await {
            Ok(Ok(Reply::Message { body, .. })) => Ok(Some(body)),
            Ok(Ok(Reply::Accepted | Reply::Stream(_))) | Err(_) => Ok(None),
            Ok(Err(error)) => match error.kind {
                UpstreamErrorKind::Broken
                | UpstreamErrorKind::SessionLost
                | UpstreamErrorKind::TooLarge
                | UpstreamErrorKind::Timeout => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The process of a holder, started if need be.
    async fn started(
        &self,
        holder: &Holder,
        acting: &Acting,
        presents: &dyn Presents,
    ) -> Result<(Arc<Process>, Arc<OnceCell<Bytes>>, Arc<Introduction>), UpstreamError> {
        let (party, sharing) = match holder {
            Holder::Everybody(_) => (Party::Service, Sharing::Shared),
            Holder::Of(_) => (acting.party(), Sharing::Own),
        };
        loop {
            let now = self.means.clock.monotonic();
            {
                let mut running = self.running();
                if let Some(known) = running.get_mut(holder)
                    && !known.process.has_ended()
                {
                    known.used = now;
                    return Ok((
                        Arc::clone(&known.process),
                        Arc::clone(&known.opened),
                        Arc::clone(&known.introduced),
                    ));
                }
                if self.rests.left(&party, now).is_zero() {
                    let rests = Some(Arc::clone(&self.rests));
                    let process = self
                        .begin(party, sharing, presents, rests)
                        .map_err(|kind| self.error(kind))?;
                    let fresh = Running {
                        process: Arc::clone(&process),
                        opened: Arc::default(),
                        introduced: Arc::default(),
                        used: now,
                    };
                    let parts = (Arc::clone(&fresh.opened), Arc::clone(&fresh.introduced));
                    running.insert(holder.clone(), fresh);
                    return Ok((process, parts.0, parts.1));
                }
            }
            self.rested(&party).await?;
        }
    }

    /// A process of nobody else's.
    async fn start(
        &self,
        party: &Party,
        sharing: Sharing,
        presents: &dyn Presents,
    ) -> Result<Arc<Process>, UpstreamError> {
        self.rested(party).await?;
        let rests = Some(Arc::clone(&self.rests));
        self.begin(party.clone(), sharing, presents, rests)
            .map_err(|kind| self.error(kind))
    }

    /// Waits until a party may have a process started, if that is soon.
    async fn rested(&self, party: &Party) -> Result<(), UpstreamError> {
        let left = self.rests.left(party, self.means.clock.monotonic());
        if left > SHORT_REST {
            return Err(self.error(UpstreamErrorKind::Resting));
        }
        if !left.is_zero() {
            tokio::time::sleep(left).await;
        }
        Ok(())
    }

    fn begin(
        &self,
        party: Party,
        sharing: Sharing,
        presents: &dyn Presents,
        rests: Option<Arc<Rests<Party>>>,
    ) -> Result<Arc<Process>, UpstreamErrorKind> {
        let permit = self
            .means
            .processes
            .take(&party)
            .ok_or(UpstreamErrorKind::TooManyProcesses)?;
        Process::start(Start {
            server: &self.server,
            command: &self.command,
            headers: &headers_of(presents)?,
            sharing,
            means: &self.means,
            permit,
            rests: rests.map(|rests| (rests, party)),
        })
    }

    /// Ends what is to be ended.
    pub(crate) fn tidy(&self, closing: Closing, now: Duration) {
        self.running().retain(|_, running| {
            let busy = running.process.under_way() > 0 || Arc::strong_count(&running.process) > 1;
            !running.process.has_ended()
                && match closing {
                    Closing::Idle => busy || now.saturating_sub(running.used) <= PROCESS_IDLE,
                    Closing::Unused => busy,
                    Closing::All => false,
                }
        });
    }

    /// How many processes outlive single requests.
    pub(crate) fn count(&self) -> usize {
        self.running().len()
    }
}

impl ProcessLink {
    /// Sends one message.
    pub(crate) async fn post(
        &self,
        client: Option<Owner>,
        body: Bytes,
    ) -> Result<Reply, UpstreamError> {
        if let Some(introduced) = &self.introduced
            && is_introduction(&body)
        {
            let tell = async || self.process.post(self.owner, client, body).await.map(drop);
            introduced.once(tell).await?;
            return Ok(Reply::Accepted);
        }
        self.process.post(self.owner, client, body).await
    }

    /// The stream of messages that belong to no request.
    pub(crate) fn stream(&self) -> Result<EventStream, UpstreamError> {
        self.process.listen()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// The end of a session is the end of its process, unless others go on with it.
    pub(crate) fn close(&self) {
        if self.owner.is_none() {
            self.process.stop();
        }
    }
}

fn is_introduction(body: &[u8]) -> bool {
    Envelope::parse(body).is_ok_and(|envelope| {
        matches!(
            envelope.kind,
            Kind::Notification {
                method: "notifications/initialized"
            }
        )
    })
}

/// What serves everybody can ask nobody: an `initialize` that offers nothing.
fn without_capabilities(initialize: &Bytes) -> Bytes {
    let offered = std::str::from_utf8(initialize).ok().and_then(|text| {
        let envelope = Envelope::parse(initialize).ok()?;
        let capabilities = envelope.params()?.get("capabilities")?;
        let mut edits = Edits::of(text);
        edits.replace(capabilities, "{}");
        Some(edits.finish().into())
    });
    offered.unwrap_or_else(|| initialize.clone())
}

/// What of a caller's request is handed on.
fn headers_of(presents: &dyn Presents) -> Result<HeaderMap, UpstreamErrorKind> {
    let mut headers = HeaderMap::new();
    let unsent = Unsent {
        method: &Method::POST,
        uri: &Uri::from_static("/"),
        headers: &mut headers,
        body: &[],
    };
    presents
        .present(unsent)
        .map_err(|_| UpstreamErrorKind::NotPresented)?;
    Ok(headers)
}
