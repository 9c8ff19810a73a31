//! Requests at our doors.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{MetricName, Words, latency_histogram, register};
use crate::audit::{Outcome, Surface};

/// Every combination resolved once: five surfaces by sixteen outcomes.
#[derive(Debug)]
pub(super) struct RequestMeters {
    surfaces: [SurfaceMeters; Surface::ALL.len()],
}

#[derive(Debug)]
struct SurfaceMeters {
    in_flight: Gauge,
    duration: Histogram,
    ended: [(Outcome, Counter); Outcome::ALL.len()],
}

impl RequestMeters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let ended = Family::<Words<2>, Counter>::default();
        let duration = Family::<Words<1>, Histogram>::new_with_constructor(
            latency_histogram as fn() -> Histogram,
        );
        let in_flight = Family::<Words<1>, Gauge>::default();
        register(registry, MetricName::Requests, &ended);
        register(registry, MetricName::RequestDuration, &duration);
        register(registry, MetricName::RequestsInFlight, &in_flight);
        let surfaces = Surface::ALL.map(|surface| {
            let name = ("surface", surface.as_str());
            SurfaceMeters {
                in_flight: in_flight.get_or_create_owned(&[name]),
                duration: duration.get_or_create_owned(&[name]),
                ended: Outcome::ALL.map(|outcome| {
                    let labels = [name, ("outcome", outcome.as_str())];
                    (outcome, ended.get_or_create_owned(&labels))
                }),
            }
        });
        Self { surfaces }
    }

    pub(super) fn opened(&self, surface: Surface) {
        self.of(surface).in_flight.inc();
    }

    pub(super) fn closed(&self, surface: Surface, outcome: Outcome, latency: Duration) {
        let meters = self.of(surface);
        meters.in_flight.dec();
        meters.duration.observe(latency.as_secs_f64());
        if let Some((_, counter)) = meters.ended.iter().find(|(known, _)| *known == outcome) {
            counter.inc();
        }
    }

    pub(super) fn handed_over(&self, surface: Surface) {
        self.of(surface).in_flight.dec();
    }

    const fn of(&self, surface: Surface) -> &SurfaceMeters {
        let [mcp, rest, admin, page, oauth] = &self.surfaces;
        match surface {
            Surface::Mcp => mcp,
            Surface::Rest => rest,
            Surface::Admin => admin,
            Surface::Page => page,
            Surface::OAuth => oauth,
        }
    }
}
