//! What is counted. An explicit registry, no globals; labels only from closed lists and the
//! operator's own server names; every handle on the hot path resolved beforehand, so that an
//! observation is an atomic addition (or, for a histogram, one short lock) and never a map look-up.

mod audit;
mod name;
mod pins;
mod requests;
mod server;
mod traces;

pub use audit::{AuditMeters, SinkMeters};
pub use name::MetricName;
pub use pins::{PinEvent, PinMeters};
pub use server::{ServerMeters, TokenOutcome, UpstreamOutcome};
pub use traces::TraceMeters;

use std::time::Duration;

use portcullis_core::ServerId;
use portcullis_credentials::CredentialKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::audit::{Outcome, Surface};
use requests::RequestMeters;
use server::ServerFamilies;

/// Labels whose values are our own words.
type Words<const N: usize> = [(&'static str, &'static str); N];

/// The process's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMeters,
    servers: ServerFamilies,
    auth_failures: Family<Words<1>, Counter>,
    reload_ok: Counter,
    reload_failed: Counter,
    generation: Gauge,
    /// The audit trail's own meters.
    pub audit: AuditMeters,
    /// What became of servers' tools.
    pub pins: PinMeters,
    /// What becomes of spans.
    pub traces: TraceMeters,
    /// Open event streams to clients.
    pub sse_streams: Gauge,
}

impl Metrics {
    /// Registers everything, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let requests = RequestMeters::register(&mut registry);
        let servers = ServerFamilies::register(&mut registry);
        let audit = AuditMeters::register(&mut registry);
        let pins = PinMeters::register(&mut registry);
        let traces = TraceMeters::register(&mut registry);
        let auth_failures = Family::default();
        let reloads = Family::<Words<1>, Counter>::default();
        let generation = Gauge::default();
        let sse_streams = Gauge::default();
        let reload_ok = reloads.get_or_create_owned(&[("result", "ok")]);
        let reload_failed = reloads.get_or_create_owned(&[("result", "failed")]);
        register(&mut registry, MetricName::AuthFailures, &auth_failures);
        register(&mut registry, MetricName::ConfigReloads, &reloads);
        register(&mut registry, MetricName::ConfigGeneration, &generation);
        register(&mut registry, MetricName::SseStreams, &sse_streams);
        Self {
            registry,
            requests,
            servers,
            auth_failures,
            reload_ok,
            reload_failed,
            generation,
            audit,
            pins,
            traces,
            sse_streams,
        }
    }

    /// A request began.
    pub fn request_opened(&self, surface: Surface) {
        self.requests.opened(surface);
    }

    /// A request ended. The audit guard calls both, so requests and events are counted alike.
    pub fn request_closed(&self, surface: Surface, outcome: Outcome, latency: Duration) {
        self.requests.closed(surface, outcome, latency);
    }

    /// A request went to another replica, which counts it.
    pub fn request_handed_over(&self, surface: Surface) {
        self.requests.handed_over(surface);
    }

    /// Authentication failed, for one of `identity`'s reasons.
    pub fn auth_failed(&self, reason: &'static str) {
        self.auth_failures
            .get_or_create(&[("reason", reason)])
            .inc();
    }

    /// A new configuration took effect.
    pub fn config_loaded(&self, generation: u64) {
        self.reload_ok.inc();
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A new configuration was refused; the last good one stays.
    pub fn config_refused(&self) {
        self.reload_failed.inc();
    }

    /// The meters of one configured server, to be kept beside its entry in the snapshot. The same
    /// server gets the same meters again.
    pub fn server(&self, id: &ServerId, credential: CredentialKind) -> ServerMeters {
        self.servers.resolve(id, credential)
    }

    /// Drops the series of a server that left the configuration.
    pub fn forget_server(&self, id: &ServerId, credential: CredentialKind) {
        self.servers.forget(id, credential);
    }

    /// OpenMetrics 1.0 text, which Prometheus reads
    /// (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; a metric that did would end the text without `# EOF`,
        // which the scraper rejects.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn register(registry: &mut Registry, name: MetricName, metric: &(impl Metric + Clone)) {
    registry.register(name.as_str(), name.help(), metric.clone());
}

/// From a millisecond, the gateway's own share, to the longest tool call that is usual.
fn latency_histogram() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ])
}

/// Takes the gauge up now and down when dropped.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl InFlight {
    /// One more.
    pub fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
