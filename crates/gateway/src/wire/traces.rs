//! Where spans go: from the configuration to a tracer.

use std::sync::Arc;

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_config::{Config, Traces};
use portcullis_core::Stocked;
use portcullis_engine::metrics::Metrics;
use portcullis_engine::traces::{Pace, Sampler, Tracer, TracerDeps};
use tokio_util::task::TaskTracker;

use super::outbound;
use super::rooms::Vaults;
use crate::couriers::{OtlpSpans, Receiver};

/// `None` where nobody is told.
pub(super) fn tracer(
    config: &Config,
    vaults: &Vaults,
    metrics: &Metrics,
    tracker: &TaskTracker,
) -> anyhow::Result<Option<Tracer>> {
    let Some(traces) = &config.telemetry.traces else {
        return Ok(None);
    };
    // Connections of its own: a collector that hangs takes none from servers.
    let client = outbound::client(config.server.ca_file.clone())?;
    let courier = OtlpSpans {
        receiver: Receiver::of(&client, &traces.receiver)?,
        headers: headers(traces)?,
        service: traces.service_name.clone(),
    };
    let mut sampler = Sampler::millionths(traces.sampler.millionths);
    if traces.sampler.heeds_callers {
        sampler = sampler.heeding_callers();
    }
    Ok(Some(Tracer::start(TracerDeps {
        sampler,
        courier: Arc::new(courier),
        pace: Pace::default(),
        entropy: Arc::new(Stocked::of(Arc::clone(&vaults.entropy))),
        clock: Arc::clone(&vaults.clock),
        meters: metrics.traces.clone(),
        tracker: tracker.clone(),
    })))
}

fn headers(traces: &Traces) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in &traces.headers {
        let name = HeaderName::try_from(header.name.as_str());
        let value = HeaderValue::from_str(header.value.value.expose());
        let (name, mut value) = name
            .ok()
            .zip(value.ok())
            .context("telemetry.traces.headers")?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}
