//! The task that brings what a spool holds to its receiver.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::courier::{Carried, Courier, Undelivered, UndeliveredKind};
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
            told: BTreeSet::new(),
            unnoted: false,
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
    /// Troubles of the spool that the log has said already.
    told: BTreeSet<String>,
    unnoted: bool,
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
            let lines = portion.lines.len();
            let carried = timeout(DELIVERY, self.courier.carry(&portion.lines)).await;
            let late = || Undelivered::from(UndeliveredKind::Late);
            match carried.unwrap_or_else(|_| Err(late())) {
                Ok(carried) => self.carried(&carried, lines),
                Err(error) => {
                    let fewer = lines > 1;
                    if fewer
                        && matches!(error.why, UndeliveredKind::TooLarge | UndeliveredKind::Late)
                    {
                        self.most = lines / 2;
                    }
                    if fewer && error.why == UndeliveredKind::TooLarge {
                        continue;
                    }
                    return self.failed(&error);
                }
            }
            self.settle(portion).await;
        }
    }

    /// The receiver has answered for so many lines.
    fn carried(&mut self, carried: &Carried, lines: usize) {
        let lines = lines as u64;
        let refused = carried.refused.min(lines);
        self.pause = None;
        // One large line does not mean small portions for ever.
        self.most = self.most.saturating_add(self.most / 4 + 1).min(MOST_LINES);
        let meters = &self.state.meters;
        meters.delivered.inc_by(lines.saturating_sub(refused));
        meters.dropped.inc_by(refused);
        if refused > 0 {
            if self.state.delivered(false) {
                let because = carried.because.as_deref().unwrap_or_default();
                tracing::error!(
                    sink = self.state.name,
                    refused,
                    because,
                    "an audit receiver refuses lines for good"
                );
            }
        } else if self.told.is_empty() && self.state.delivered(true) {
            tracing::info!(
                sink = self.state.name,
                "an audit receiver takes lines again"
            );
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
        self.tell_what_is_unreadable();
        Ok(portion)
    }

    /// Each once. What is readable is delivered all the same.
    fn tell_what_is_unreadable(&mut self) {
        let Some(reader) = &self.reader else {
            return;
        };
        let unreadable = reader.unreadable();
        self.told.retain(|segment| unreadable.contains_key(segment));
        for (segment, error) in unreadable {
            self.state.delivered(false);
            if self.told.insert(segment.clone()) {
                tracing::error!(
                    sink = self.state.name,
                    error = error as &dyn std::error::Error,
                    path = %self.spool.join(segment).display(),
                    "audit lines that wait on disk cannot be read: may this process read the file?"
                );
            }
        }
    }

    /// A disk that cannot note how far it went (it may be full, and of these very lines) must not mean
    /// that the same lines go out again and again: until this process ends, it is known.
    async fn settle(&mut self, portion: Portion) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let settled = tokio::task::spawn_blocking(move || {
            let noted = reader.delivered(portion);
            (reader, noted)
        });
        let Ok((reader, noted)) = settled.await else {
            return;
        };
        self.reader = Some(reader);
        match noted {
            Ok(()) => self.unnoted = false,
            Err(error) if !self.unnoted => {
                self.unnoted = true;
                tracing::error!(
                    sink = self.state.name,
                    error = &error as &dyn std::error::Error,
                    path = %self.spool.display(),
                    "how far audit lines were delivered cannot be noted: after a restart they go out twice"
                );
            }
            Err(_) => {}
        }
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
