//! Where spans go, and which.

use super::*;
use crate::TraceSampler;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn in_world(env: &[(&'static str, &'static str)], text: &str) -> Loaded {
    World::with_env(env)
        .load(text)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn no_spans_go_anywhere_unless_somebody_says_where() {
    assert_eq!(loaded("").config.telemetry.traces, None);
    let only_how = "telemetry: {traces: {sampler: traceidratio, sampler_arg: '0.5'}}";
    assert_eq!(loaded(only_how).config.telemetry.traces, None);
    let off = in_world(&[(ENDPOINT, "")], "");
    assert_eq!(off.config.telemetry.traces, None);
}

#[test]
fn the_file_wins_over_the_variables_of_opentelemetry() {
    let env = [
        (ENDPOINT, "http://localhost:4318/"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-api-key=header%2Dcanary%3D, x-team=a",
        ),
        ("OTEL_SERVICE_NAME", "of-the-platform"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let surroundings = in_world(&env, "");
    noticed(&surroundings, ENDPOINT, "traces are sent there");
    let traces = surroundings.config.telemetry.traces.clone().unwrap();
    assert_eq!(
        traces.receiver.url.as_str(),
        "http://localhost:4318/v1/traces"
    );
    assert_eq!(traces.service_name, "of-the-platform");
    let quarter = TraceSampler {
        millionths: 250_000,
        heeds_callers: true,
    };
    assert_eq!(traces.sampler, quarter);
    let headers: Vec<(&str, &str)> = traces
        .headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.value.expose()))
        .collect();
    assert_eq!(headers, [("x-api-key", "header-canary="), ("x-team", "a")]);
    let page = crate::explain(&surroundings.config, &[]);
    assert!(
        page.contains("x-api-key: (from env OTEL_EXPORTER_OTLP_HEADERS)"),
        "{page}"
    );
    assert!(!page.contains("canary"), "{page}");
    assert!(
        page.contains("sampler: parentbased_traceidratio\n    sampler_arg: 0.25\n"),
        "{page}"
    );

    let file = "telemetry: {traces: {url: 'https://c.example.com/in', headers: {}, service_name: mine, sampler: always_off}}";
    let traces = in_world(&env, file).config.telemetry.traces.unwrap();
    assert_eq!(traces.receiver.url.as_str(), "https://c.example.com/in");
    assert_eq!(
        (traces.service_name.as_str(), traces.headers.len()),
        ("mine", 0)
    );
    let none = TraceSampler {
        millionths: 0,
        heeds_callers: false,
    };
    assert_eq!(traces.sampler, none);

    let of_traces = [
        (ENDPOINT, "http://localhost:4318/"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://localhost:4319/as/it/is",
        ),
    ];
    let traces = in_world(&of_traces, "").config.telemetry.traces.unwrap();
    assert_eq!(
        traces.receiver.url.as_str(),
        "http://localhost:4319/as/it/is"
    );
}

/// Whoever runs the machine sets them for all processes: they are no reason not to start.
#[test]
fn variables_that_cannot_be_used_are_told_and_not_used() {
    for (env, said) in [
        (
            vec![(ENDPOINT, "http://collector:4318")],
            "plain http beyond loopback",
        ),
        (
            vec![(ENDPOINT, "collector:4318")],
            "not an http or https URL",
        ),
        (
            vec![
                (ENDPOINT, "http://localhost:4317"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ],
            "gRPC is not spoken here",
        ),
        (
            vec![
                (ENDPOINT, "http://localhost:4318"),
                ("OTEL_SDK_DISABLED", "true"),
            ],
            "`OTEL_SDK_DISABLED` is `true`",
        ),
    ] {
        let loaded = in_world(&env, "");
        noticed(&loaded, ENDPOINT, said);
        assert_eq!(loaded.config.telemetry.traces, None, "{env:?}");
    }
    let accepted = "telemetry: {traces: {allow_insecure_http: true}}";
    let plain = in_world(&[(ENDPOINT, "http://collector:4318")], accepted);
    assert!(plain.config.telemetry.traces.is_some());
    assert!(!plain.config.insecure_choices.is_empty());
    let odd = [
        (ENDPOINT, "http://localhost:4318"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c,c=%zz,d=ok"),
    ];
    let loaded = in_world(&odd, "");
    noticed(
        &loaded,
        "OTEL_TRACES_SAMPLER",
        "not a sampler that is known here",
    );
    noticed(
        &loaded,
        "OTEL_EXPORTER_OTLP_HEADERS",
        "an entry is left out",
    );
    let traces = loaded.config.telemetry.traces.unwrap();
    assert_eq!(traces.headers.len(), 1);
}

#[test]
fn a_collector_that_could_not_work_is_refused_with_what_to_write() {
    for (traces, expected) in [
        (
            "{url: 'http://c.example.com/v1/traces'}",
            "plain http beyond loopback",
        ),
        (
            "{url: 'https://u:p@c.example.com/'}",
            "must not hold a user name or password",
        ),
        (
            "{url: 'https://c.example.com/', sampler: sometimes}",
            "not one of the known values",
        ),
        (
            "{url: 'https://c.example.com/', sampler_arg: '1.5'}",
            "not a part of the requests",
        ),
        (
            "{url: 'https://c.example.com/', headers: {content-length: '1'}}",
            "written by the transport",
        ),
    ] {
        refused(&format!("telemetry: {{traces: {traces}}}"), expected);
    }
}
