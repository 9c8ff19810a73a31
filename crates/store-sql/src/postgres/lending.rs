//! Connections that are lent, one to a user, so many at most.
//!
//! Not `sqlx`'s pool: that one asks a connection for a sign of life when it is given back and waits for it
//! without an end, its place taken. A server that falls silent at that moment, as one does whose machine is
//! gone, would take the places one after the other, and a new connection to its successor would find none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, error::Elapsed, sleep, timeout};

/// A connection that nobody used for so long is tried before it is lent.
const TRIED_AFTER: Duration = Duration::from_secs(1);
/// One that nobody used for so long is closed.
const IDLE: Duration = Duration::from_mins(10);
/// No connection is lent after that: what its server keeps for it grows, and a name may lead elsewhere by now.
const LIFE: Duration = Duration::from_mins(30);
/// Between two attempts at a server that is starting.
const PAUSE: Duration = Duration::from_millis(50);

/// Where connections are lent and given back.
#[derive(Clone, Debug)]
pub(crate) struct Lending(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: PgConnectOptions,
    size: u32,
    places: Arc<Semaphore>,
    /// The one that was used last is lent first.
    idle: Mutex<Vec<Kept>>,
    /// How long a connection is waited for, whatever it takes to have one.
    waits: Duration,
    /// How long an answer is waited for. The server gives up before that, if it lives.
    patience: Duration,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    made: Instant,
    used: Instant,
}

impl Lending {
    pub(crate) fn new(
        options: PgConnectOptions,
        size: u32,
        waits: Duration,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            options,
            size,
            places: Arc::new(Semaphore::new(size as usize)),
            idle: Mutex::default(),
            waits,
            patience,
        }))
    }

    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        timeout(self.0.waits, self.find())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn find(&self) -> Result<Lent, sqlx::Error> {
        let place = Arc::clone(&self.0.places).acquire_owned().await;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, made) = match self.living().await {
            Some(kept) => (kept.connection, kept.made),
            None => (self.connect().await?, Instant::now()),
        };
        Ok(Lent {
            connection: Some(connection),
            made,
            asked: false,
            patience: self.0.patience,
            lending: self.clone(),
            _place: place,
        })
    }

    /// One that is there already and answers.
    async fn living(&self) -> Option<Kept> {
        loop {
            let mut kept = self.take()?;
            if kept.used.elapsed() <= TRIED_AFTER {
                return Some(kept);
            }
            match timeout(self.0.waits / 4, kept.connection.ping()).await {
                Ok(Ok(())) => return Some(kept),
                // The server ended it; others may live.
                Ok(Err(_)) => {}
                // Whatever is silent here is silent for those of before, too: they are not asked one by one.
                Err(_) => self.idle().clear(),
            }
        }
    }

    fn take(&self) -> Option<Kept> {
        let mut idle = self.idle();
        idle.retain(|kept| kept.used.elapsed() < IDLE && kept.made.elapsed() < LIFE);
        idle.pop()
    }

    /// As often as it takes while the server starts, or is another's copy that only reads, as the old one is
    /// for a while after a failover: the caller's wait has an end.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            match self.0.options.connect().await {
                Err(error) if comes(&error) => {}
                Err(error) => return Err(error),
                Ok(mut connection) => {
                    let asking = sqlx::query_scalar("SELECT pg_is_in_recovery()");
                    if !asking.fetch_one(&mut connection).await? {
                        return Ok(connection);
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits for what is lent, then closes every connection. A server that does not answer is not waited for.
    pub(crate) async fn close(&self) {
        let patience = self.0.patience;
        let lent = timeout(patience, self.0.places.acquire_many(self.0.size)).await;
        self.0.places.close();
        let idle = std::mem::take(&mut *self.idle());
        let closing = async {
            for kept in idle {
                // A server that is gone meanwhile has closed it.
                let _ = kept.connection.close().await;
            }
        };
        if lent.is_err() | timeout(patience, closing).await.is_err() {
            tracing::warn!("the database does not answer; its connections are left to it");
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this is what a server says that is starting, or full for now (`SQLSTATE` 57P03 and 53300), or
/// what is heard of one that does not listen yet.
fn comes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(refusal) => {
            matches!(refusal.code().as_deref(), Some("57P03" | "53300"))
        }
        _ => false,
    }
}

/// A connection in use. One whose answer was not waited for is not used again.
#[derive(Debug)]
pub(crate) struct Lent {
    connection: Option<PgConnection>,
    made: Instant,
    /// Whether something was asked of which it is not known how it ended.
    asked: bool,
    patience: Duration,
    lending: Lending,
    _place: OwnedSemaphorePermit,
}

impl Lent {
    /// The connection, to ask something and to [`Lent::settle`] it.
    pub(crate) fn connection(&mut self) -> Result<(Duration, &mut PgConnection), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        self.asked = true;
        Ok((self.patience, connection))
    }

    /// The end of a call: its answer, or the end of the connection.
    pub(crate) fn settle<T>(
        &mut self,
        ended: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, sqlx::Error> {
        let ended = ended.unwrap_or_else(|_| Err(silent()));
        self.asked = false;
        if let Err(error) = &ended
            && breaks(error)
        {
            self.cut();
        }
        ended
    }

    /// Closes the connection as it is. Another may be opened at once.
    pub(crate) fn cut(&mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lent {
    /// Given back, unless its user left in the middle.
    fn drop(&mut self) {
        let closed = self.lending.0.places.is_closed();
        if let Some(connection) = self.connection.take()
            && !self.asked
            && !closed
        {
            self.lending.idle().push(Kept {
                connection,
                made: self.made,
                used: Instant::now(),
            });
        }
    }
}

/// Whether nothing can be asked of the connection any more: all but what the server answered, and of that
/// what it says when it ends a connection (classes 08 and 57P of `SQLSTATE`), or may not write any more.
fn breaks(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code();
            let code = code.as_deref().unwrap_or_default();
            let is_over = code.is_empty() || code.starts_with("08") || code.starts_with("57P");
            // A server that was the main one and only reads now, and a session that it has ended.
            is_over || matches!(code, "25006" | "25P04")
        }
        sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

pub(crate) fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "the database did not answer in time",
    ))
}

fn gone() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::NotConnected.into())
}
