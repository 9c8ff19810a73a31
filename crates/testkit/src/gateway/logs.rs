//! Everything that this process logs, at trace level, kept in memory.

use std::io;
use std::sync::{Mutex, OnceLock};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static STARTED: OnceLock<()> = OnceLock::new();

#[derive(Clone, Copy, Debug)]
struct Kept;

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Begins to keep what is logged. All stories of a process share one log.
pub(super) fn capture() {
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("trace"))
            .with_ansi(false)
            .with_writer(Kept)
            .init();
    });
}

/// The log up to now.
pub(super) fn so_far() -> Vec<u8> {
    LINES.lock().unwrap().clone()
}
