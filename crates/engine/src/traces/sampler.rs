//! Which requests are told to the collector.

use super::TraceContext;

/// All of them.
const WHOLE: u32 = 1_000_000;

/// Decides by a number of ours and not by the trace's id, which a caller may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Of all 64-bit numbers those below this.
    below: u128,
    heeds_callers: bool,
}

impl Sampler {
    /// So many of a million requests.
    pub fn millionths(part: u32) -> Self {
        let below = (u128::from(part.min(WHOLE)) << 64) / u128::from(WHOLE);
        Self {
            below,
            heeds_callers: false,
        }
    }

    /// Does as an authenticated caller's `sampled` flag says; the others are decided here all the same.
    #[must_use]
    pub const fn heeding_callers(self) -> Self {
        Self {
            heeds_callers: true,
            ..self
        }
    }

    /// `drawn` is a random number of ours, one for each request.
    pub(super) fn takes(
        self,
        parent: Option<&TraceContext>,
        authenticated: bool,
        drawn: u64,
    ) -> bool {
        match parent {
            Some(parent) if self.heeds_callers && authenticated => parent.sampled,
            _ => u128::from(drawn) < self.below,
        }
    }
}
