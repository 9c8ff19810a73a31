//! Copies of the rows as JSON lines, written by a thread of their own: a full disk or a reader that
//! stopped reading holds up neither requests nor the store.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::AuditStartError;
use super::sinks::SinkState;

/// Where lines go.
pub(super) trait Out: Write {
    /// So many rows will never come: the end is here, and this is the last that is said. Where nothing can
    /// be said of it, the count stands in the log and the metrics.
    fn lost(&mut self, _rows: u64) -> std::io::Result<()> {
        Ok(())
    }
}

impl Out for std::io::Stdout {}

/// The line that stands in the place of lines that are missing.
pub(super) fn gap(lost: u64) -> String {
    format!("{{\"event\":\"sink_gap\",\"lost\":{lost}}}\n")
}

/// Bytes that may wait for a sink; beyond, lines are left out and counted.
const MOST_PENDING: usize = 8 * 1024 * 1024;

/// Pause after a failed write. Short enough to resume well within five seconds of free space.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct LineSink {
    lines: mpsc::Sender<Lines>,
    shared: Arc<Shared>,
    state: Arc<SinkState>,
    done: oneshot::Receiver<()>,
    unreported: u64,
}

#[derive(Debug, Default)]
struct Shared {
    pending: AtomicUsize,
    stopping: AtomicBool,
    /// Rows left out that no line has told of, once the end is near.
    untold: AtomicU64,
}

/// Whole lines, and how many rows they tell of.
#[derive(Debug)]
struct Lines {
    bytes: Vec<u8>,
    rows: u64,
}

impl LineSink {
    pub(super) fn over(
        mut out: impl Out + Send + 'static,
        state: Arc<SinkState>,
    ) -> Result<Self, AuditStartError> {
        let (lines, waiting) = mpsc::channel::<Lines>();
        let (finished, done) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let (theirs, of_it) = (Arc::clone(&shared), Arc::clone(&state));
        std::thread::Builder::new()
            .name("audit-lines".to_owned())
            .spawn(move || {
                let mut lost = 0_u64;
                for Lines { bytes, rows } in waiting {
                    if !write_whole(&mut out, &bytes, &theirs.stopping, &of_it) {
                        of_it.meters.dropped.inc_by(rows);
                        lost = lost.saturating_add(rows);
                    }
                    theirs.pending.fetch_sub(bytes.len(), Ordering::Relaxed);
                }
                let untold = theirs.untold.load(Ordering::Relaxed);
                tell_of_loss(&mut out, lost, untold, &of_it);
                let _ = finished.send(());
            })
            .map_err(AuditStartError::Thread)?;
        Ok(Self {
            lines,
            shared,
            state,
            done,
            unreported: 0,
        })
    }

    pub(super) fn state(&self) -> Arc<SinkState> {
        Arc::clone(&self.state)
    }

    /// Hands over lines, or counts them as left out when too much is waiting already.
    pub(super) fn push(&mut self, lines: &[u8], rows: u64) {
        if self.shared.pending.load(Ordering::Relaxed) + lines.len() > MOST_PENDING {
            self.unreported = self.unreported.saturating_add(rows);
            self.state.meters.dropped.inc_by(rows);
            return;
        }
        let mut bytes = Vec::with_capacity(lines.len() + 64);
        if self.unreported > 0 {
            let lost = std::mem::take(&mut self.unreported);
            bytes.extend_from_slice(gap(lost).as_bytes());
        }
        bytes.extend_from_slice(lines);
        let length = bytes.len();
        self.shared.pending.fetch_add(length, Ordering::Relaxed);
        if self.lines.send(Lines { bytes, rows }).is_err() {
            self.shared.pending.fetch_sub(length, Ordering::Relaxed);
            self.state.meters.dropped.inc_by(rows);
        }
    }

    /// Writes out what waits, but for no longer than `limit`.
    pub(super) async fn close(self, limit: Duration) {
        let untold = self.unreported;
        self.shared.untold.store(untold, Ordering::Relaxed);
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(self.lines);
        if tokio::time::timeout(limit, self.done).await.is_err() {
            tracing::warn!("an audit line sink was still blocked at the end");
        }
    }
}

/// `lost` were given up at the end, `untold` were left out before it.
fn tell_of_loss(out: &mut impl Out, lost: u64, untold: u64, state: &SinkState) {
    if lost > 0 {
        tracing::error!(
            sink = state.name,
            rows = lost,
            "audit lines were not written before the end"
        );
    }
    let rows = lost.saturating_add(untold);
    if rows > 0
        && let Err(error) = out.lost(rows)
    {
        tracing::error!(
            sink = state.name,
            rows,
            error = &error as &dyn std::error::Error,
            "nor can it be written down that lines are missing"
        );
    }
}

/// Writes all bytes, starting again where a failed write stopped, so that no line is torn. `false` when
/// the end came before that.
fn write_whole(
    out: &mut impl Write,
    bytes: &[u8],
    stopping: &AtomicBool,
    state: &SinkState,
) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => {
                if state.wrote(false) {
                    let error = result.err().map(|error| error.kind());
                    tracing::error!(sink = state.name, ?error, "audit lines cannot be written");
                }
                if stopping.load(Ordering::Relaxed) {
                    return false;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
    let _ = out.flush();
    if state.wrote(true) {
        tracing::info!(sink = state.name, "audit lines are written again");
    }
    true
}

#[cfg(test)]
mod tests;
