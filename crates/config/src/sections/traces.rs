//! `telemetry.traces`, and the variables that OpenTelemetry gave names to.

use portcullis_core::SecretValue;
use url::Url;

use super::headers;
use crate::fields::{At, Fields};
use crate::findings::{Findings, Place};
use crate::keys::traces::SAMPLERS;
use crate::model::{AuditReceiver, Sourced, StaticHeader, TraceSampler, Traces};
use crate::references::Origin;
use crate::validate::urls::{self, PlainHttp};

const MILLION: u32 = 1_000_000;

/// `None`: no spans.
pub(crate) fn read(fields: &Fields<'_, '_>) -> Option<Traces> {
    // Everything is read, so that all mistakes are said at once.
    let allow_insecure_http = fields.flag("allow_insecure_http").unwrap_or(false);
    let written = fields.url("url");
    let own_headers = fields.has("headers").then(|| headers_of(fields));
    let service_name = fields.text("service_name").map(|name| name.value);
    let sampler = sampler(fields);
    let (url, plain) = match written {
        Some(url) => {
            let plain = if allow_insecure_http {
                PlainHttp::Accepted("`allow_insecure_http: true`")
            } else {
                PlainHttp::Refused
            };
            (url, plain)
        }
        None if fields.has("url") => return None,
        None => (
            by_environment(fields.findings, allow_insecure_http)?,
            PlainHttp::Accepted("`telemetry.traces.allow_insecure_http: true`"),
        ),
    };
    if !url.value.username().is_empty() || url.value.password().is_some() {
        fields.findings.error(
            url.place,
            "a URL must not hold a user name or password",
            "use `headers: {authorization: os.environ/…}`",
        );
        return None;
    }
    let headers = own_headers.unwrap_or_else(|| headers_by_environment(fields.findings));
    let variable = |name| fields.findings.variable(name);
    Some(Traces {
        receiver: AuditReceiver {
            url: urls::callable(fields.findings, url, plain)?,
            allow_insecure_http,
            authorization: None,
        },
        headers,
        service_name: service_name
            .or_else(|| variable("OTEL_SERVICE_NAME"))
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| "portcullis".to_owned()),
        sampler,
    })
}

/// An address that the surroundings set. One that cannot be used is told and not used: nobody wrote it
/// for this process alone.
fn by_environment(findings: &Findings<'_>, allow_insecure_http: bool) -> Option<At<Url>> {
    let is = |name: &str, value: &str| {
        let found = findings.variable(name);
        found.is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
    };
    let (name, text) = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    .into_iter()
    .find_map(|name| Some((name, findings.variable(name)?)))
    .filter(|(_, text)| !text.trim().is_empty())?;
    let place = Place {
        path: name.to_owned(),
        ..Place::default()
    };
    let not_used = |why: &str| {
        findings.warning(
            place.clone(),
            format!("not used, no traces are sent: {why}"),
        );
        None
    };
    if is("OTEL_SDK_DISABLED", "true") {
        return not_used("`OTEL_SDK_DISABLED` is `true`");
    }
    if is("OTEL_TRACES_EXPORTER", "none") {
        return not_used("`OTEL_TRACES_EXPORTER` is `none`");
    }
    if is("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc") || is("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    {
        return not_used(
            "gRPC is not spoken here; name the collector's port for HTTP, usually 4318",
        );
    }
    let Ok(mut url) = Url::parse(text.trim()) else {
        return not_used("not an absolute URL");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return not_used("not an http or https URL");
    }
    if url.scheme() == "http" && !urls::is_loopback(&url) && !allow_insecure_http {
        return not_used(
            "plain http beyond loopback; accept it with `telemetry.traces.allow_insecure_http: true`",
        );
    }
    // The general one is a base that each signal's path is put behind.
    if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v1/traces"));
    }
    findings.info(
        place.clone(),
        "traces are sent there; `telemetry.traces.url` would win",
    );
    Some(At { value: url, place })
}

fn headers_of(fields: &Fields<'_, '_>) -> Vec<StaticHeader> {
    let mut found = Vec::new();
    for (name, mut place, node) in fields.named("headers") {
        let name_place = place.clone();
        place.span = node.span;
        let Some((value, origin)) = fields.secret_node(node, &place) else {
            continue;
        };
        let sendable = headers::check_name(fields.findings, &name_place, name)
            & headers::check_value(fields.findings, &place, &value);
        if !sendable {
            continue;
        }
        if origin == Origin::Literal && headers::is_sensitive(name) {
            fields
                .findings
                .warning(place, crate::diagnostic::LITERAL_SECRET);
        }
        found.push(StaticHeader {
            name: name.to_owned(),
            value: Sourced {
                value: SecretValue::new(value),
                origin,
            },
        });
    }
    found
}

/// `key1=value1,key2=value2`, values with percent signs decoded (OpenTelemetry, "Specifying headers via
/// environment variables").
fn headers_by_environment(findings: &Findings<'_>) -> Vec<StaticHeader> {
    let found = [
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ]
    .into_iter()
    .find_map(|name| Some((name, findings.variable(name)?)));
    let Some((variable, text)) = found else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
        let parts = entry
            .split_once('=')
            .map(|(name, value)| (name.trim(), decoded(value.trim())));
        match parts {
            Some((name, Some(value))) if headers::is_name(name) && headers::is_value(&value) => {
                headers.push(StaticHeader {
                    name: name.to_owned(),
                    value: Sourced {
                        value: SecretValue::new(value),
                        origin: Origin::Variable(variable.to_owned()),
                    },
                });
            }
            // Its text may be a secret.
            _ => findings.warning(
                Place {
                    path: variable.to_owned(),
                    ..Place::default()
                },
                "an entry is left out: not `name=value` with a header's name and value",
            ),
        }
    }
    headers
}

/// Percent signs and what follows them (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn sampler(fields: &Fields<'_, '_>) -> TraceSampler {
    let variable = |name: &str| {
        let text = fields.findings.variable(name)?;
        let place = Place {
            path: name.to_owned(),
            ..Place::default()
        };
        (!text.trim().is_empty()).then(|| (text.trim().to_owned(), place))
    };
    let name = match (fields.choice("sampler"), variable("OTEL_TRACES_SAMPLER")) {
        (Some(name), _) => name,
        (None, Some((text, place))) if !fields.has("sampler") => SAMPLERS
            .iter()
            .find(|known| **known == text)
            .copied()
            .unwrap_or_else(|| {
                fields.findings.warning(
                    place,
                    "not a sampler that is known here: `always_on` is used",
                );
                "always_on"
            }),
        _ => "always_on",
    };
    let part = match fields.text("sampler_arg") {
        Some(At { value, place }) => millionths(&value).or_else(|| {
            fields.findings.error(
                place,
                "not a part of the requests",
                "write a number from 0 to 1, such as `0.1`",
            );
            None
        }),
        None => variable("OTEL_TRACES_SAMPLER_ARG").and_then(|(text, place)| {
            let part = millionths(&text);
            if part.is_none() {
                fields
                    .findings
                    .warning(place, "not a number from 0 to 1: all requests are taken");
            }
            part
        }),
    };
    TraceSampler {
        millionths: match name {
            "always_off" | "parentbased_always_off" => 0,
            "traceidratio" | "parentbased_traceidratio" => part.unwrap_or(MILLION),
            _ => MILLION,
        },
        heeds_callers: name.starts_with("parentbased_"),
    }
}

/// `0`, `1`, `0.25`: digits alone, so that nothing but a plain number is one.
fn millionths(text: &str) -> Option<u32> {
    let text = text.trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > 20 || whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let part: u32 = format!("{part:0<6}").get(..6)?.parse().ok()?;
    let all = whole.checked_mul(MILLION)?.checked_add(part)?;
    (all <= MILLION).then_some(all)
}
