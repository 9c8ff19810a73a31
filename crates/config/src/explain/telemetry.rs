//! What is told of the process itself.

use super::page::{Page, quoted, shown, url};
use crate::model::{LogFormat, Telemetry};

pub(super) fn explain(page: &mut Page<'_>, telemetry: &Telemetry) {
    page.heading(0, "telemetry");
    let format = match telemetry.log_format {
        LogFormat::Auto => "auto",
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
    };
    page.value(2, "log_format", format);
    page.value(2, "log_level", telemetry.log_level.as_str());
    page.value(2, "metrics", telemetry.metrics);
    let Some(traces) = &telemetry.traces else {
        return;
    };
    page.heading(2, "traces");
    page.value(4, "url", url(&traces.receiver.url));
    page.value(
        4,
        "allow_insecure_http",
        traces.receiver.allow_insecure_http,
    );
    if !traces.headers.is_empty() {
        page.heading(4, "headers");
    }
    for header in &traces.headers {
        page.value(6, &header.name, shown(&header.value));
    }
    page.value(4, "service_name", quoted(&traces.service_name));
    let sampler = match (traces.sampler.millionths, traces.sampler.heeds_callers) {
        (0, false) => "always_off",
        (0, true) => "parentbased_always_off",
        (1_000_000, false) => "always_on",
        (1_000_000, true) => "parentbased_always_on",
        (_, false) => "traceidratio",
        (_, true) => "parentbased_traceidratio",
    };
    page.value(4, "sampler", sampler);
    if sampler.ends_with("ratio") {
        let part = format!("0.{:06}", traces.sampler.millionths);
        page.value(4, "sampler_arg", part.trim_end_matches('0'));
    }
}
