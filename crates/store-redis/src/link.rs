//! The one connection that all steps share, kept by a task: while there is none, nothing waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_core::{Clock, Entropy};
use portcullis_store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use crate::server::{Server, Unfit};
use crate::step::{Answer, Step};

/// How long a connection may take to come about, whatever a step may take.
pub(crate) const CONNECTING: Duration = Duration::from_secs(1);
/// How often a connection that nobody uses is tried.
const TRIED_EVERY: Duration = Duration::from_secs(1);
/// The pauses between two attempts; the longest keeps recovery within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);

/// What keeping a connection takes of the world.
#[derive(Clone, Debug)]
pub struct RedisDeps {
    /// How long what is put may be kept.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Where the tasks run.
    pub tracker: TaskTracker,
    /// When they end.
    pub stop: CancellationToken,
}

/// Whether Redis can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisState {
    /// It can.
    Up {
        /// Product and version.
        version: String,
        /// It forgets what it has no room for, instead of refusing more.
        evicts: bool,
    },
    /// It cannot, and why: for operators, not for callers.
    Down(String),
}

/// A connection, and the server at its other end.
#[derive(Debug)]
pub(crate) struct Live {
    connection: MultiplexedConnection,
    pub(crate) server: Server,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConnected {
    #[error("it does not answer in time")]
    TimedOut,
    #[error("it cannot be used: {0}")]
    Unfit(#[from] Unfit),
    #[error("{0}")]
    Refused(#[from] redis::RedisError),
}

/// The connection, if there is one.
pub(crate) struct Link {
    client: Client,
    pub(crate) timeout: Duration,
    entropy: Arc<dyn Entropy>,
    live: ArcSwapOption<Live>,
    lost: Notify,
    /// Rung whenever `live` changes.
    changed: Notify,
    trouble: Mutex<String>,
}

impl Link {
    pub(crate) fn new(client: Client, timeout: Duration, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            client,
            timeout,
            entropy,
            live: ArcSwapOption::empty(),
            lost: Notify::new(),
            changed: Notify::new(),
            trouble: Mutex::new("it was not tried yet".to_owned()),
        }
    }

    /// Keeps a connection until the stop.
    pub(crate) fn keep(self: &Arc<Self>, deps: &RedisDeps) {
        let (link, stop) = (Arc::clone(self), deps.stop.clone());
        deps.tracker.spawn(async move {
            stop.run_until_cancelled(link.keep_connected()).await;
            link.live.store(None);
        });
    }

    async fn keep_connected(&self) {
        let mut failures = 0;
        let mut told = false;
        loop {
            match self.connect().await {
                Ok(live) => {
                    failures = 0;
                    if told {
                        tracing::info!(server = live.server.version, "Redis answers again");
                    }
                    told = false;
                    let live = Arc::new(live);
                    self.live.store(Some(Arc::clone(&live)));
                    self.changed.notify_waiters();
                    self.until_lost(&live).await;
                }
                Err(why) => {
                    self.note(&why);
                    if !told {
                        tracing::error!(
                            error = &why as &dyn std::error::Error,
                            "Redis cannot be used: what needs it is refused until it can"
                        );
                    }
                    told = true;
                    failures += 1;
                }
            }
            tokio::time::sleep(self.pause(failures)).await;
        }
    }

    async fn connect(&self) -> Result<Live, NotConnected> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(self.timeout));
        let connecting = async {
            let made = self
                .client
                .get_multiplexed_async_connection_with_config(&config);
            let mut connection = made.await?;
            let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
            let server = Server::of_info(&info)?;
            Ok(Live { connection, server })
        };
        // The connection itself, and an answer.
        let patience = CONNECTING.saturating_add(self.timeout);
        let connected = tokio::time::timeout(patience, connecting).await;
        connected.unwrap_or(Err(NotConnected::TimedOut))
    }

    /// Returns when a step found the connection lost, or when it does not answer though nobody uses it.
    async fn until_lost(&self, live: &Arc<Live>) {
        loop {
            let idle = tokio::time::timeout(TRIED_EVERY, self.lost.notified()).await;
            if !self.is_live(live) {
                return;
            }
            if idle.is_ok() {
                // Said of a connection before this one.
                continue;
            }
            let mut connection = live.connection.clone();
            let ping = redis::cmd("PING");
            let pinged =
                tokio::time::timeout(self.timeout, ping.query_async::<()>(&mut connection));
            let failure = match pinged.await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Failure::from(error),
                Err(_) => Failure::TimedOut,
            };
            self.lose(live, &failure);
            return;
        }
    }

    fn is_live(&self, live: &Arc<Live>) -> bool {
        let current = self.live.load();
        current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, live))
    }

    /// The connection, or at once the answer that there is none.
    pub(crate) fn live(&self, operation: &'static str) -> Result<Arc<Live>, StoreError> {
        let live = self.live.load_full();
        live.ok_or_else(|| Failure::NotConnected.of(operation))
    }

    /// Takes one step by this connection.
    pub(crate) async fn take(
        &self,
        live: &Arc<Live>,
        step: Step<'_>,
    ) -> Result<Answer, StoreError> {
        let operation = step.operation;
        let mut connection = live.connection.clone();
        let taken = tokio::time::timeout(self.timeout, step.run(&mut connection)).await;
        let failure = match taken {
            Ok(Ok(answer)) => return Ok(Answer::new(answer, operation)),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::TimedOut,
        };
        if failure.ends_the_connection() {
            self.lose(live, &failure);
        }
        Err(failure.of(operation))
    }

    /// Nobody uses this connection any more.
    fn lose(&self, live: &Arc<Live>, why: &Failure) {
        let former = self.live.compare_and_swap(&Some(Arc::clone(live)), None);
        if former
            .as_ref()
            .is_some_and(|former| Arc::ptr_eq(former, live))
        {
            self.note(why);
            self.changed.notify_waiters();
            tracing::warn!(
                error = why as &dyn std::error::Error,
                "the connection to Redis is lost, and made anew"
            );
            self.lost.notify_one();
        }
    }

    fn note(&self, why: &dyn std::error::Error) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = why.to_string();
    }

    pub(crate) fn state(&self) -> RedisState {
        if let Some(live) = self.live.load_full() {
            return RedisState::Up {
                version: live.server.version.clone(),
                evicts: live.server.evicts,
            };
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        RedisState::Down(trouble.clone())
    }

    /// Waits until there is a connection.
    pub(crate) async fn connected(&self) {
        loop {
            let changed = self.changed.notified();
            if self.live.load().is_some() {
                return;
            }
            changed.await;
        }
    }

    /// 50 ms, 100 ms, 200 ms … to a second and a half, and up to as much again for the first ones: replicas
    /// do not come back together.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        let base = doubled.min(LONGEST_PAUSE);
        let mut random = [0_u8; 2];
        // Without randomness there is no jitter, which harms nobody.
        let jitter = match self.entropy.fill(&mut random) {
            Ok(()) => f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX),
            Err(_) => 0.0,
        };
        base.mul_f64(0.5 + jitter / 2.0)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
