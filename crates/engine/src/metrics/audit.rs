//! The audit trail's own state.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
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
    lines_dropped: Family<SinkLabels, Counter>,
    lines_delivered: Family<SinkLabels, Counter>,
    sink_failures: Family<SinkLabels, Counter>,
    spooled: Family<SinkLabels, Gauge>,
}

/// The operator's own name of a copy.
type SinkLabels = [(&'static str, String); 1];

/// Meters of one copy of the trail.
#[derive(Clone, Debug)]
pub struct SinkMeters {
    /// Rows left out of it.
    pub dropped: Counter,
    /// Lines that its receiver has taken.
    pub delivered: Counter,
    /// Failed attempts to write or to deliver.
    pub failures: Counter,
    /// Bytes that wait on disk for its receiver.
    pub spooled: Gauge,
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
        register(
            registry,
            MetricName::AuditLinesDelivered,
            &meters.lines_delivered,
        );
        register(
            registry,
            MetricName::AuditSinkFailures,
            &meters.sink_failures,
        );
        register(registry, MetricName::AuditSpooledBytes, &meters.spooled);
        meters
    }

    /// The meters of the copy with this name, which the configuration gave it.
    pub fn sink(&self, name: &str) -> SinkMeters {
        let labels = [("sink", name.to_owned())];
        SinkMeters {
            dropped: self.lines_dropped.get_or_create_owned(&labels),
            delivered: self.lines_delivered.get_or_create_owned(&labels),
            failures: self.sink_failures.get_or_create_owned(&labels),
            spooled: self.spooled.get_or_create_owned(&labels),
        }
    }
}
