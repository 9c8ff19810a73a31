//! What becomes of spans.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{MetricName, Words, register};

/// Meters of the way to the trace collector.
#[derive(Clone, Debug)]
pub struct TraceMeters {
    /// Spans that it has taken.
    pub exported: Counter,
    /// Lost because too many waited.
    pub queue_full: Counter,
    /// Lost because it did not take them.
    pub undelivered: Counter,
    /// Lost because it did not want them.
    pub rejected: Counter,
    /// Deliveries that failed.
    pub failures: Counter,
}

impl TraceMeters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (exported, failures) = (Counter::default(), Counter::default());
        let dropped = Family::<Words<1>, Counter>::default();
        register(registry, MetricName::TraceSpansExported, &exported);
        register(registry, MetricName::TraceSpansDropped, &dropped);
        register(registry, MetricName::TraceExportFailures, &failures);
        let lost = |reason| dropped.get_or_create_owned(&[("reason", reason)]);
        Self {
            exported,
            queue_full: lost("queue_full"),
            undelivered: lost("undelivered"),
            rejected: lost("rejected"),
            failures,
        }
    }
}
