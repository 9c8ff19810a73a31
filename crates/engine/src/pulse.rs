//! The two clocks of an open stream: when to look whether its principal still stands, and when to
//! say something because nothing was said for long.

use std::time::Duration;

/// The principal of an open stream or a running call is looked at this often, however busy it is:
/// with the pulse of the stores, a revocation ends it within a second on every process.
pub(crate) const STANDING: Duration = Duration::from_millis(500);
/// A silent stream gets a comment this often, so that nothing on the way closes it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Silent streams speak at the same moments, this far apart: to wake the process for each of thousands
/// costs more than what they say.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long a stream that is silent from `now` on waits before it says something.
pub(crate) fn until_keep_alive(now: Duration) -> Duration {
    let due = now.saturating_add(KEEP_ALIVE).as_nanos();
    let behind = due % TOGETHER.as_nanos();
    let missing = (TOGETHER.as_nanos() - behind) % TOGETHER.as_nanos();
    KEEP_ALIVE + Duration::from_nanos(u64::try_from(missing).unwrap_or_default())
}

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
    fn silent_streams_speak_together_and_no_earlier_than_each_must() {
        let at = Duration::from_micros;
        for now in [1, 17_000, 49_999] {
            assert_eq!(at(now) + until_keep_alive(at(now)), at(15_050_000));
        }
        assert_eq!(until_keep_alive(at(50_000)), KEEP_ALIVE);
    }

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
