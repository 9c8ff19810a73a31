//! Where spans go.

use super::{Key, Kind, Section};

/// As `OTEL_TRACES_SAMPLER` calls them.
pub(crate) const SAMPLERS: &[&str] = &[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

pub(crate) static TRACES: Section = Section {
    name: "traces",
    doc: "A span for each request and each request to a server, by OTLP over HTTP with JSON. Off without an address, here or in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`.",
    keys: &[
        Key::new(
            "url",
            Kind::Url,
            "The collector, with its path (`/v1/traces`). Wins over the environment.",
        ),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Plain http beyond loopback is accepted.",
        )
        .default("false"),
        Key::new(
            "headers",
            Kind::SecretMap,
            "Sent along with each delivery. Without it, what `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS` says.",
        ),
        Key::new(
            "service_name",
            Kind::Text,
            "`service.name` of all spans. Without it, `OTEL_SERVICE_NAME`, or `portcullis`.",
        ),
        Key::new(
            "sampler",
            Kind::Choice(SAMPLERS),
            "Which requests are told. The `parentbased_` ones do as the caller's `traceparent` says, if the caller is authenticated; the others never do. Without it, `OTEL_TRACES_SAMPLER`, or `always_on`.",
        ),
        Key::new(
            "sampler_arg",
            Kind::Text,
            "For `traceidratio` and `parentbased_traceidratio`: which part, from `0` to `1`. Without it, `OTEL_TRACES_SAMPLER_ARG`, or `1`.",
        ),
    ],
};
