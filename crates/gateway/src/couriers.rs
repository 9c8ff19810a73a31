//! How lines of the audit trail, and spans, get to other machines: one courier for each kind of receiver.
//!
//! What waits, when it is offered again and what is told of it is the engine's business
//! (`engine/src/audit/shipping.rs`); a courier says only whether the receiver has taken it.

mod line;
mod otlp;
mod receiver;
mod spans;
mod syslog;
mod webhook;

pub(crate) use otlp::OtlpLogs;
pub(crate) use receiver::Receiver;
pub(crate) use spans::OtlpSpans;
pub(crate) use syslog::{Syslog, SyslogWay};
pub(crate) use webhook::Webhook;
