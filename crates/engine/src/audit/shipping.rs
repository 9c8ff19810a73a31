//! The task that brings what a spool holds to its receiver.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::courier::{Courier, Undelivered, UndeliveredKind};
use super::sinks::SinkState;
use super::spool::{Portion, SpoolReader, held};

/// Lines of one delivery, until the receiver wants fewer.
const MOST_LINES: usize = 500;
/// Another process's lines come without a word.
const LOOK: Duration = Duration::from_secs(1);
/// First pause after a failure; doubles up to [`PAUSE_MOST`].
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_mins(1);
/// What a receiver may ask for at most: hours of silence would fill the spool.
const PAUSE_ASKED: Duration = Duration::from_mins(5);
/// Longest that one delivery may take, whatever its courier says.
const DELIVERY: Duration = Duration::from_secs(30);

/// The running task.
#[derive(Debug)]
pub(super) struct Shipping {
    closing: CancellationToken,
    abandoned: CancellationToken,
    ended: CancellationToken,
}

impl Shipping {
    pub(super) fn start(
        spool: PathBuf,
        courier: Arc<dyn Courier>,
        written: Arc<Notify>,
        state: Arc<SinkState>,
        tracker: &TaskTracker,
    ) -> Self {
        let closing = CancellationToken::new();
        let abandoned = CancellationToken::new();
        let ended = CancellationToken::new();
        let round = Round {
            spool,
            courier,
            state,
            reader: None,
            most: MOST_LINES,
            pause: None,
        };
        let (stop, done) = (closing.clone(), ended.clone().drop_guard());
        let given_up = abandoned.clone();
        tracker.spawn(async move {
            let _done = done;
            let delivering = round.run(&written, &stop);
            given_up.run_until_cancelled(delivering).await;
        });
        Self {
            closing,
            abandoned,
            ended,
        }
    }

    /// Offers what is there once more, without waiting for a receiver that does not take it: it stays in
    /// the spool for the next start.
    pub(super) async fn close(self, limit: Duration) {
        self.closing.cancel();
        if timeout(limit, self.ended.cancelled()).await.is_err() {
            tracing::warn!("an audit receiver was still silent at the end");
            self.abandoned.cancel();
        }
    }
}

#[derive(Debug)]
struct Round {
    spool: PathBuf,
    courier: Arc<dyn Courier>,
    state: Arc<SinkState>,
    reader: Option<SpoolReader>,
    most: usize,
    pause: Option<Duration>,
}

impl Round {
    async fn run(mut self, written: &Notify, closing: &CancellationToken) {
        while !closing.is_cancelled() {
            let pausing = self.pause.is_some();
            tokio::select! {
                () = tokio::time::sleep(self.pause.unwrap_or(LOOK)) => {}
                () = written.notified(), if !pausing => {}
                () = closing.cancelled() => {}
            }
            self.deliver().await;
        }
    }

    /// Delivers until nothing is left or something goes wrong.
    async fn deliver(&mut self) {
        loop {
            let portion = match self.portion().await {
                Ok(Some(portion)) => portion,
                Ok(None) => {
                    self.pause = None;
                    return;
                }
                Err(error) => return self.unreadable(&error),
            };
            let carried = timeout(DELIVERY, self.courier.carry(&portion.lines)).await;
            let late = || Undelivered::from(UndeliveredKind::Unreachable("timeout"));
            if let Err(error) = carried.unwrap_or_else(|_| Err(late())) {
                let lines = portion.lines.len();
                if error.why == UndeliveredKind::TooLarge && lines > 1 {
                    self.most = lines / 2;
                    continue;
                }
                return self.failed(&error);
            }
            if self.state.delivered(true) {
                tracing::info!(
                    sink = self.state.name,
                    "an audit receiver takes lines again"
                );
            }
            self.state
                .meters
                .delivered
                .inc_by(portion.lines.len() as u64);
            self.pause = None;
            if let Err(error) = self.settle(portion).await {
                return self.unreadable(&error);
            }
        }
    }

    async fn portion(&mut self) -> io::Result<Option<Portion>> {
        let (spool, reader, most) = (self.spool.clone(), self.reader.take(), self.most);
        let looked = tokio::task::spawn_blocking(move || {
            let bytes = held(&spool)?;
            let reader = match reader {
                Some(reader) => Some(reader),
                None => SpoolReader::open(&spool)?,
            };
            let Some(mut reader) = reader else {
                return Ok::<_, io::Error>((None, None, bytes));
            };
            let portion = reader.next(most)?;
            Ok((Some(reader), portion, bytes))
        });
        let (reader, portion, bytes) = looked.await.map_err(io::Error::other)??;
        self.reader = reader;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.state.meters.spooled.set(bytes);
        Ok(portion)
    }

    async fn settle(&mut self, portion: Portion) -> io::Result<()> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(());
        };
        let settled = tokio::task::spawn_blocking(move || {
            reader.delivered(portion)?;
            Ok::<_, io::Error>(reader)
        });
        self.reader = Some(settled.await.map_err(io::Error::other)??);
        Ok(())
    }

    fn failed(&mut self, error: &Undelivered) {
        let doubled = self
            .pause
            .map_or(PAUSE_FIRST, |pause| pause.saturating_mul(2).min(PAUSE_MOST));
        let asked = error.retry_after.unwrap_or_default().min(PAUSE_ASKED);
        self.pause = Some(doubled.max(asked));
        if self.state.delivered(false) {
            tracing::error!(
                sink = self.state.name,
                error = error as &dyn std::error::Error,
                "an audit receiver does not take lines: they wait on disk"
            );
        }
    }

    fn unreadable(&mut self, error: &io::Error) {
        self.pause = Some(PAUSE_FIRST);
        if self.state.delivered(false) {
            tracing::error!(
                sink = self.state.name,
                error = error as &dyn std::error::Error,
                path = %self.spool.display(),
                "audit lines that wait on disk cannot be read"
            );
        }
    }
}

#[cfg(test)]
mod tests;
