//! A line of the log that strangers can provoke: not more often than somebody can read it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two such lines.
const PAUSE: Duration = Duration::from_mins(1);

/// When it was written last, and how often it was not written since.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: Option<Duration>,
    left_out: u64,
}

impl Seldom {
    /// Whether the line is due: then how often it was left out before.
    pub(super) fn due(&self, now: Duration) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = state
            .written
            .is_some_and(|last| now.saturating_sub(last) < PAUSE);
        if rests {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.written = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_and_the_next_says_how_many_it_was() {
        let line = Seldom::default();
        assert_eq!(line.due(Duration::ZERO), Some(0));
        for millis in 1..1000 {
            assert_eq!(line.due(Duration::from_millis(millis)), None);
        }
        assert_eq!(line.due(PAUSE), Some(999));
        assert_eq!(line.due(PAUSE), None);
    }
}
