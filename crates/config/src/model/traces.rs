//! Where spans go, and which.

use super::{AuditReceiver, StaticHeader};

/// `telemetry.traces`, with what the environment says where the file says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// The collector.
    pub receiver: AuditReceiver,
    /// Sent along.
    pub headers: Vec<StaticHeader>,
    /// `service.name`
    pub service_name: String,
    /// Which requests.
    pub sampler: TraceSampler,
}

/// Which requests are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSampler {
    /// So many of a million.
    pub millionths: u32,
    /// An authenticated caller's flag decides instead, where there is one.
    pub heeds_callers: bool,
}
