//! The two clocks of an open stream: when to look whether its principal still stands, and when to
//! say something because nothing was said for long.

use std::time::Duration;

/// The principal of an open stream or a running call is looked at this often, however busy it is:
/// with the pulse of the stores, a revocation ends it within a second on every process.
pub(crate) const STANDING: Duration = Duration::from_millis(500);
/// A silent stream gets a comment this often, so that nothing on the way closes it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a stream was last looked at, and when it last said something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    looked: Duration,
    spoke: Duration,
}

impl Pulse {
    pub(crate) const fn started(now: Duration) -> Self {
        Self {
            looked: now,
            spoke: now,
        }
    }

    /// Whether it is time to look at the principal.
    pub(crate) fn must_look(&mut self, now: Duration) -> bool {
        let due = now.saturating_sub(self.looked) >= STANDING;
        if due {
            self.looked = now;
        }
        due
    }

    /// Something was sent.
    pub(crate) const fn spoke(&mut self, now: Duration) {
        self.spoke = now;
    }

    /// Whether it is time for a comment, which then counts as sent.
    pub(crate) fn must_speak(&mut self, now: Duration) -> bool {
        let due = now.saturating_sub(self.spoke) >= KEEP_ALIVE;
        if due {
            self.spoke = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_stream_is_looked_at_and_a_silent_one_speaks() {
        let mut pulse = Pulse::started(Duration::ZERO);
        let at = Duration::from_millis;
        assert!(!pulse.must_look(at(499)));
        pulse.spoke(at(499));
        assert!(pulse.must_look(at(500)));
        assert!(!pulse.must_look(at(999)));
        assert!(!pulse.must_speak(at(15_498)));
        assert!(pulse.must_speak(at(15_499)));
        assert!(!pulse.must_speak(at(15_500)));
    }
}
