//! Copies of the trail outside the store.
//!
//! Each copy has a thread of its own that writes lines. What is meant for another machine is written to a
//! spool on this one's disk and brought from there by a task, so that a receiver that is down, slow or
//! refusing holds up neither requests nor the store, and a restart loses nothing of what it has not taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_core::Clock;
use tokio_util::task::TaskTracker;

use super::AuditStartError;
use super::courier::Courier;
use super::lines::{LineSink, Out};
use super::rotation::{RotatingFile, Rotation};
use super::shipping::Shipping;
use super::spool::SpoolWriter;
use crate::metrics::{AuditMeters, SinkMeters};

/// A file of JSON lines.
#[derive(Clone, Debug)]
pub struct FileSink {
    /// What the operator calls it.
    pub name: String,
    /// Where it is. Created with mode 0600.
    pub path: PathBuf,
    /// When another one is begun.
    pub rotation: Rotation,
}

/// A receiver on another machine.
#[derive(Clone, Debug)]
pub struct RemoteSink {
    /// What the operator calls it.
    pub name: String,
    /// Where lines wait for it. Created with mode 0700.
    pub spool: PathBuf,
    /// Bytes that may wait; beyond, lines are left out, counted, and the count is told.
    pub spool_most: u64,
    /// How they get there.
    pub courier: Arc<dyn Courier>,
}

/// How a copy fares, for its thread, its task and whoever asks.
#[derive(Debug)]
pub(super) struct SinkState {
    pub(super) name: String,
    pub(super) meters: SinkMeters,
    writing_fails: AtomicBool,
    delivery_fails: AtomicBool,
}

impl SinkState {
    pub(super) fn new(name: &str, meters: &AuditMeters) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            meters: meters.sink(name),
            writing_fails: AtomicBool::new(false),
            delivery_fails: AtomicBool::new(false),
        })
    }

    /// Notes how the last attempt to write ended; whether that is news.
    pub(super) fn wrote(&self, well: bool) -> bool {
        noted(&self.writing_fails, &self.meters, well)
    }

    /// Notes how the last attempt to deliver ended; whether that is news.
    pub(super) fn delivered(&self, well: bool) -> bool {
        noted(&self.delivery_fails, &self.meters, well)
    }

    pub(super) fn is_well(&self) -> bool {
        !self.writing_fails.load(Ordering::Relaxed) && !self.delivery_fails.load(Ordering::Relaxed)
    }
}

fn noted(fails: &AtomicBool, meters: &SinkMeters, well: bool) -> bool {
    if !well {
        meters.failures.inc();
    }
    fails.swap(!well, Ordering::Relaxed) == well
}

/// One copy.
#[derive(Debug)]
pub(super) struct Sink {
    lines: LineSink,
    shipping: Option<Shipping>,
}

impl Sink {
    pub(super) fn file(
        sink: &FileSink,
        clock: &Arc<dyn Clock>,
        meters: &AuditMeters,
    ) -> Result<Self, AuditStartError> {
        let file = RotatingFile::open(&sink.path, sink.rotation.clone(), Arc::clone(clock));
        let file = file.map_err(|source| AuditStartError::File {
            path: sink.path.clone(),
            source,
        })?;
        Self::over(file, SinkState::new(&sink.name, meters))
    }

    pub(super) fn stdout(meters: &AuditMeters) -> Result<Self, AuditStartError> {
        Self::over(std::io::stdout(), SinkState::new("stdout", meters))
    }

    pub(super) fn remote(
        sink: RemoteSink,
        writer: &str,
        meters: &AuditMeters,
        tracker: &TaskTracker,
    ) -> Result<Self, AuditStartError> {
        let state = SinkState::new(&sink.name, meters);
        let spool = SpoolWriter::open(&sink.spool, sink.spool_most, writer);
        let spool = spool.map_err(|source| AuditStartError::File {
            path: sink.spool.clone(),
            source,
        })?;
        let shipping = Shipping::start(
            sink.spool,
            sink.courier,
            spool.written(),
            Arc::clone(&state),
            tracker,
        );
        Ok(Self {
            lines: LineSink::over(spool, state)?,
            shipping: Some(shipping),
        })
    }

    fn over(
        out: impl Out + Send + 'static,
        state: Arc<SinkState>,
    ) -> Result<Self, AuditStartError> {
        Ok(Self {
            lines: LineSink::over(out, state)?,
            shipping: None,
        })
    }

    pub(super) fn state(&self) -> Arc<SinkState> {
        self.lines.state()
    }

    pub(super) fn push(&mut self, lines: &[u8], rows: u64) {
        self.lines.push(lines, rows);
    }

    /// Writes out what waits, and offers it to its receiver once more, each for no longer than `limit`.
    pub(super) async fn close(self, limit: Duration) {
        self.lines.close(limit).await;
        if let Some(shipping) = self.shipping {
            shipping.close(limit).await;
        }
    }
}
