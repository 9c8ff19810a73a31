//! Spans: what a request looks like in a distributed trace (W3C Trace Context, OpenTelemetry).
//!
//! A span is made of what the audit event of the request says anyway, when that is closed; a request to a
//! server is a child of it. Nothing is written while a request runs, nobody waits for a collector, and
//! without a [`Tracer`] none of this costs more than a look at an `Option`.

mod context;
mod export;
mod outbound;
mod record;
mod request;
mod sampler;

pub use context::{TraceContext, TraceState};
pub use export::{Pace, SpanCourier, Tracer, TracerDeps};
pub use record::{AttributeValue, Span, SpanKind};
pub use sampler::Sampler;

pub(crate) use outbound::Outbound;
pub(crate) use request::RequestTrace;

#[cfg(test)]
mod tests;
