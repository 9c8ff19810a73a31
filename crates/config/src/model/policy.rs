//! The operator's rules with conditions, and approvals.

use std::time::Duration;

use portcullis_policy::{OnDrift, Rules};

/// `policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `rules`, compiled, in the order of the file.
    pub rules: Rules,
    /// `approvals`.
    pub approvals: Approvals,
    /// `on_drift`: of servers that do not say it themselves.
    pub on_drift: OnDrift,
}

/// `policy.approvals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// `wait`: how long a call waits for a decision, and a refusal stands.
    pub waiting: Duration,
    /// `use_within`: how long an approval can be used.
    pub usable: Duration,
    /// `allow_own_decisions`.
    pub own: bool,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            waiting: Duration::from_mins(10),
            usable: Duration::from_mins(5),
            own: false,
        }
    }
}
