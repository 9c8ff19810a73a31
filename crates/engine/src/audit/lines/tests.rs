use std::sync::Mutex;

use super::*;
use crate::metrics::AuditMeters;

fn state() -> Arc<SinkState> {
    SinkState::new("copy", &AuditMeters::default())
}

/// A disk that takes a few bytes at a time and is full once.
#[derive(Clone, Debug, Default)]
struct Disk {
    written: Arc<Mutex<Vec<u8>>>,
    calls: u32,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.calls += 1;
        if self.calls == 2 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(7);
        self.written
            .lock()
            .unwrap()
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Out for Disk {
    fn lost(&mut self, rows: u64) -> std::io::Result<()> {
        self.written
            .lock()
            .unwrap()
            .extend_from_slice(gap(rows).as_bytes());
        Ok(())
    }
}

/// A pipe whose reader stopped reading, until told to go on.
struct Blocked {
    go: mpsc::Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.go.recv();
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Out for Blocked {}

#[test]
fn a_full_disk_in_the_middle_of_a_line_tears_nothing() {
    let mut disk = Disk::default();
    let line = b"{\"seq\":1,\"event\":{}}\n";
    let state = state();
    assert!(write_whole(
        &mut disk,
        line,
        &AtomicBool::new(false),
        &state
    ));
    assert_eq!(*disk.written.lock().unwrap(), line);
    assert_eq!(state.meters.failures.get(), 1);
    assert!(state.is_well());
}

#[tokio::test]
async fn a_reader_that_stops_reading_costs_lines_but_never_blocks_and_the_loss_is_told() {
    let (go, waits) = mpsc::channel();
    let written = Arc::new(Mutex::default());
    let pipe = Blocked {
        go: waits,
        written: Arc::clone(&written),
    };
    let state = state();
    let mut sink = LineSink::over(pipe, Arc::clone(&state)).unwrap();
    let big = vec![b'x'; MOST_PENDING];
    sink.push(&big, 1);
    sink.push(b"lost\n", 2);
    sink.push(b"lost too\n", 3);
    assert_eq!(state.meters.dropped.get(), 5);
    // The reader is back; once the backlog is written there is room again.
    drop(go);
    while sink.shared.pending.load(Ordering::Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
    sink.push(b"kept\n", 1);
    sink.close(Duration::from_secs(5)).await;
    let written = written.lock().unwrap();
    let end = String::from_utf8_lossy(&written[MOST_PENDING..]).into_owned();
    assert_eq!(end, "{\"event\":\"sink_gap\",\"lost\":5}\nkept\n");
}

#[tokio::test]
async fn a_pipe_that_stays_blocked_does_not_hold_up_the_end() {
    let (go, waits) = mpsc::channel();
    let pipe = Blocked {
        go: waits,
        written: Arc::default(),
    };
    let mut sink = LineSink::over(pipe, state()).unwrap();
    sink.push(b"never read\n", 1);
    sink.close(Duration::from_millis(5)).await;
    drop(go);
}

/// A disk that stays full.
struct Full;

impl Out for Full {}

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_disk_that_is_still_full_at_the_end_costs_lines_that_are_counted() {
    let state = state();
    let mut sink = LineSink::over(Full, Arc::clone(&state)).unwrap();
    sink.push(b"{}\n{}\n", 2);
    sink.close(Duration::from_mins(1)).await;
    assert_eq!(state.meters.dropped.get(), 2);
    assert!(!state.is_well());
}
