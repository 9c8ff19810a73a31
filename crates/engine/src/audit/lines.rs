//! Copies of the rows as JSON lines, written by a thread of their own: a full disk or a reader that
//! stopped reading holds up neither requests nor the store.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::AuditStartError;
use crate::metrics::AuditMeters;

/// Bytes that may wait for a sink; beyond, lines are left out and counted.
const MOST_PENDING: usize = 8 * 1024 * 1024;

/// Pause after a failed write. Short enough to resume well within five seconds of free space.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct LineSink {
    lines: mpsc::Sender<Vec<u8>>,
    shared: Arc<Shared>,
    done: oneshot::Receiver<()>,
    unreported: u64,
    meters: AuditMeters,
}

#[derive(Debug, Default)]
struct Shared {
    pending: AtomicUsize,
    stopping: AtomicBool,
}

impl LineSink {
    /// Appends to a file that only its owner may read.
    pub(super) fn file(path: &Path, meters: AuditMeters) -> Result<Self, AuditStartError> {
        let file = open(path).map_err(|source| AuditStartError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::over(file, meters)
    }

    pub(super) fn stdout(meters: AuditMeters) -> Result<Self, AuditStartError> {
        Self::over(std::io::stdout(), meters)
    }

    pub(super) fn over(
        mut out: impl Write + Send + 'static,
        meters: AuditMeters,
    ) -> Result<Self, AuditStartError> {
        let (lines, waiting) = mpsc::channel::<Vec<u8>>();
        let (finished, done) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("audit-lines".to_owned())
            .spawn(move || {
                for bytes in waiting {
                    write_whole(&mut out, &bytes, &theirs.stopping);
                    theirs.pending.fetch_sub(bytes.len(), Ordering::Relaxed);
                }
                let _ = finished.send(());
            })
            .map_err(AuditStartError::Thread)?;
        Ok(Self {
            lines,
            shared,
            done,
            unreported: 0,
            meters,
        })
    }

    /// Hands over lines, or counts them as left out when too much is waiting already.
    pub(super) fn push(&mut self, lines: &[u8], rows: u64) {
        if self.shared.pending.load(Ordering::Relaxed) + lines.len() > MOST_PENDING {
            self.unreported = self.unreported.saturating_add(rows);
            self.meters.lines_dropped.inc_by(rows);
            return;
        }
        let mut bytes = Vec::with_capacity(lines.len() + 64);
        if self.unreported > 0 {
            let lost = std::mem::take(&mut self.unreported);
            let _ = writeln!(bytes, r#"{{"event":"sink_gap","lost":{lost}}}"#);
        }
        bytes.extend_from_slice(lines);
        let length = bytes.len();
        self.shared.pending.fetch_add(length, Ordering::Relaxed);
        if self.lines.send(bytes).is_err() {
            self.shared.pending.fetch_sub(length, Ordering::Relaxed);
            self.meters.lines_dropped.inc_by(rows);
        }
    }

    /// Writes out what waits, but for no longer than `limit`.
    pub(super) async fn close(self, limit: Duration) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(self.lines);
        if tokio::time::timeout(limit, self.done).await.is_err() {
            tracing::warn!("an audit line sink was still blocked at the end");
        }
    }
}

/// Writes all bytes, starting again where a failed write stopped, so that no line is torn.
fn write_whole(out: &mut impl Write, bytes: &[u8], stopping: &AtomicBool) {
    let mut rest = bytes;
    let mut complained = false;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                if !complained {
                    complained = true;
                    let error = result.err().map(|error| error.kind());
                    tracing::error!(?error, "audit lines cannot be written");
                }
                std::thread::sleep(RETRY);
            }
        }
    }
    let _ = out.flush();
}

/// Opens for appending. A crash may have torn the last line; it is ended, so that the damage stays
/// with that one line.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A pipe or device belongs to whoever made it.
        if file.metadata()?.is_file() {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0_u8; 1];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
