//! From where and when something is asked.

use std::net::IpAddr;

use portcullis_core::Timestamp;

/// What rules may ask beside who asks for what. Both are handed in: this room has no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Where the caller's connection comes from, if that can be told.
    pub address: Option<IpAddr>,
    /// The moment of the decision.
    pub now: Timestamp,
}
