//! The audit trail's own state.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{MetricName, register};

/// Meters of the audit trail.
#[derive(Clone, Debug, Default)]
pub struct AuditMeters {
    /// Events that wait.
    pub queued: Gauge,
    /// Rows stored.
    pub written: Counter,
    /// Events lost.
    pub dropped: Counter,
    /// Losses chained as such.
    pub gaps: Counter,
    /// Failed attempts on the store.
    pub store_failures: Counter,
    /// Rows left out of a copy.
    pub lines_dropped: Counter,
}

impl AuditMeters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let meters = Self::default();
        register(registry, MetricName::AuditQueued, &meters.queued);
        register(registry, MetricName::AuditRows, &meters.written);
        register(registry, MetricName::AuditDropped, &meters.dropped);
        register(registry, MetricName::AuditGaps, &meters.gaps);
        register(
            registry,
            MetricName::AuditStoreFailures,
            &meters.store_failures,
        );
        register(
            registry,
            MetricName::AuditLinesDropped,
            &meters.lines_dropped,
        );
        meters
    }
}
