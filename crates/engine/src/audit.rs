//! The audit trail: exactly one event per request, in a chain that shows every later change.
//!
//! [`AuditGuard`] is opened before anything else happens to a request and closes itself when
//! nobody else does, so a panic or a client that walks away is an event too. [`AuditLog`] takes the
//! events without blocking; one writer chains them under a key that the store does not have and
//! appends them in batches. [`verify()`] reads everything back and reports what does not fit.

mod access;
mod batch;
mod chain;
mod change;
mod courier;
mod event;
mod guard;
mod lines;
mod log;
mod ownership;
mod question;
mod resolution;
mod retention;
mod rotation;
mod shipping;
mod sinks;
mod spool;
mod text;
mod trail;
mod verify;
mod writer;

pub use batch::BatchedMessage;
pub use chain::{ChainMac, WriterId};
pub use change::Change;
pub use courier::{Carried, Courier, Undelivered, UndeliveredKind};
pub use event::{AuditEvent, Decision, Outcome, ServerOutcome, Surface, Target};
pub use guard::AuditGuard;
pub use log::{AuditDeps, AuditLog, AuditSettings, AuditStartError, AuditUnavailable};
pub use question::TrailQuestion;
pub use resolution::Resolution;
pub use retention::{PruneInterrupted, Pruned, Retention};
pub use rotation::Rotation;
pub use sinks::{FileSink, RemoteSink};
pub use text::CallerText;
pub use trail::{AuditTrail, LatestEvents, TrailPage};
pub use verify::{Finding, FindingKind, VerifyReport, verify, verify_with_keys};

#[cfg(test)]
pub(crate) mod tests;
