//! The events of one call, for whoever reads them now, and for the same client when it comes back
//! with `Last-Event-ID`: a connection that broke is no reason to end the call (2025-11-25,
//! "Resumability and redelivery").

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use portcullis_mcp::SseEvent;
use tokio::sync::Notify;

/// Most events that are kept, and most bytes of them. The answer is kept however large it is.
const MOST_EVENTS: usize = 256;
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Tape {
    /// What the ids of its events begin with.
    name: String,
    state: Mutex<State>,
    /// There is something new to read, or room to write.
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the first event that is kept.
    first: u64,
    kept: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
    /// Who reads: only the last that came does.
    reader: u64,
    reading: bool,
    /// How far it has read.
    read: u64,
    /// When the last reader left.
    left: Duration,
}

/// A place on the tape from which one client reads.
#[derive(Debug)]
pub(super) struct Reading {
    tape: Arc<Tape>,
    number: u64,
    next: u64,
}

impl Tape {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            state: Mutex::default(),
            moved: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on after the event of this number; whoever read before reads no more.
    pub(super) fn read_after(self: &Arc<Self>, number: Option<u64>) -> Reading {
        let mut state = self.state();
        state.reader += 1;
        state.reading = true;
        let next = number.map_or(0, |number| number.saturating_add(1));
        // Nobody is kept waiting for events that are not there yet by having claimed to know them.
        let next = next.min(state.first + state.kept.len() as u64);
        state.read = next;
        let number = state.reader;
        drop(state);
        self.moved.notify_waiters();
        Reading {
            tape: Arc::clone(self),
            number,
            next,
        }
    }

    /// Puts an event at the end. A reader that is slow is waited for; without one the oldest events
    /// are forgotten first.
    pub(super) async fn put(&self, event: SseEvent) {
        loop {
            let moved = self.moved.notified();
            if self.state().try_put(&self.name, &event, false) {
                self.moved.notify_waiters();
                return;
            }
            moved.await;
        }
    }

    /// Puts the last event and closes the tape.
    pub(super) fn end(&self, last: Option<SseEvent>) {
        let mut state = self.state();
        if let Some(event) = last {
            state.try_put(&self.name, &event, true);
        }
        state.ended = true;
        drop(state);
        self.moved.notify_waiters();
    }

    /// Since when nobody reads, if so.
    pub(super) fn left_since(&self) -> Option<Duration> {
        let state = self.state();
        (!state.reading).then_some(state.left)
    }

    /// How many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        self.state().bytes
    }
}

impl State {
    fn try_put(&mut self, name: &str, event: &SseEvent, whatever: bool) -> bool {
        let number = self.first + self.kept.len() as u64;
        let event = SseEvent {
            id: Some(format!("{name}.{number}")),
            ..event.clone()
        };
        let mut out = BytesMut::with_capacity(event.data.as_ref().map_or(0, Bytes::len) + 64);
        event.encode(&mut out);
        let fits = |state: &Self| {
            state.kept.is_empty()
                || (state.kept.len() < MOST_EVENTS && state.bytes + out.len() <= MOST_BYTES)
        };
        while !fits(self) && (self.first < self.read || !self.reading) {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.len());
            self.first += 1;
        }
        if !fits(self) && !whatever {
            return false;
        }
        self.bytes += out.len();
        self.kept.push_back(out.freeze());
        true
    }
}

impl Reading {
    /// The next event; `None` at the end, or when another reader came.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let moved = self.tape.moved.notified();
            {
                let mut state = self.tape.state();
                if state.reader != self.number {
                    return None;
                }
                self.next = self.next.max(state.first);
                let at = usize::try_from(self.next - state.first).unwrap_or(usize::MAX);
                if let Some(event) = state.kept.get(at).cloned() {
                    self.next += 1;
                    state.read = self.next;
                    drop(state);
                    self.tape.moved.notify_waiters();
                    return Some(event);
                }
                if state.ended {
                    return None;
                }
            }
            moved.await;
        }
    }

    /// Leaves the tape at this moment.
    pub(super) fn leave(&self, now: Duration) {
        let mut state = self.tape.state();
        if state.reader == self.number {
            state.reading = false;
            state.left = now;
        }
        drop(state);
        self.tape.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> SseEvent {
        SseEvent::message(text.to_owned())
    }

    fn text(number: u64, data: &str) -> String {
        format!("id: t.{number}\ndata: {data}\n\n")
    }

    #[tokio::test]
    async fn who_comes_back_reads_on_and_the_one_before_reads_no_more() {
        let tape = Arc::new(Tape::new("t".to_owned()));
        let mut first = tape.read_after(None);
        for data in ["a", "b", "c"] {
            tape.put(event(data)).await;
        }
        assert_eq!(first.next().await.unwrap(), text(0, "a"));
        let mut second = tape.read_after(Some(0));
        assert!(first.next().await.is_none());
        assert_eq!(second.next().await.unwrap(), text(1, "b"));
        first.leave(Duration::ZERO);
        assert!(tape.left_since().is_none(), "another reads");
        let mut third = tape.read_after(Some(99));
        tape.end(Some(event("end")));
        assert_eq!(third.next().await.unwrap(), text(3, "end"));
        assert!(third.next().await.is_none());
        third.leave(Duration::from_secs(7));
        assert_eq!(tape.left_since(), Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn a_slow_reader_is_waited_for_and_an_absent_one_loses_the_oldest() {
        let tape = Arc::new(Tape::new("t".to_owned()));
        let mut reading = tape.read_after(None);
        for number in 0..MOST_EVENTS {
            tape.put(event(&number.to_string())).await;
        }
        let waits = tape.put(event("late"));
        let (first, ()) = tokio::join!(reading.next(), waits);
        assert_eq!(first.unwrap(), text(0, "0"));
        reading.leave(Duration::ZERO);
        for _ in 0..MOST_EVENTS {
            tape.put(event("unread")).await;
        }
        assert_eq!(tape.state().kept.len(), MOST_EVENTS);
        let mut again = tape.read_after(Some(0));
        assert!(again.next().await.unwrap().ends_with(b"data: unread\n\n"));
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_the_answer_is_kept_all_the_same() {
        let tape = Arc::new(Tape::new("t".to_owned()));
        let mut reading = tape.read_after(None);
        tape.put(event(&"x".repeat(MOST_BYTES))).await;
        tape.end(Some(event("answer")));
        reading.next().await.unwrap();
        assert_eq!(reading.next().await.unwrap(), text(1, "answer"));
    }
}
