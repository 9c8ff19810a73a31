//! A sign of life for whatever takes longer than a second.

use std::io::{IsTerminal, Write};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];

/// Awaits `work`; if it takes long and a person is watching, says what is going on.
pub async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    tokio::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    let mut ticks = tokio::time::interval(TICK);
    let mut frames = FRAMES.iter().cycle();
    let done = loop {
        tokio::select! {
            done = work.as_mut() => break done,
            _ = ticks.tick() => show(&format!("\r{} {what}", frames.next().unwrap_or(&' '))),
        }
    };
    show("\r\u{1b}[2K");
    done
}

/// A terminal that cannot be written to is not worth an error.
fn show(text: &str) {
    let mut terminal = std::io::stderr();
    let _ = terminal.write_all(text.as_bytes());
    let _ = terminal.flush();
}
