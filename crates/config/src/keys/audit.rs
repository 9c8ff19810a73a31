//! Where else the trail goes.

use super::{Key, Kind, Section};

pub(crate) static SINK: Section = Section {
    name: "audit_sink",
    doc: "One more place for each event of the trail.",
    keys: &[
        Key::new(
            "type",
            Kind::Choice(&["file", "stdout", "webhook", "syslog", "otlp"]),
            "`file` and `stdout`: a line of JSON for each event. `webhook`: signed HTTP requests with some hundred events each. `syslog`: RFC 5424. `otlp`: log records of OpenTelemetry over HTTP with JSON.",
        ),
        Key::new(
            "name",
            Kind::Text,
            "What metrics and log lines call it: lower-case letters, digits, `-` and `_`. Without it, its `type`.",
        ),
        Key::new(
            "path",
            Kind::FilePath,
            "`file`: where it is. Whoever moves it away finds it begun anew.",
        ),
        Key::new(
            "rotate_size",
            Kind::Size,
            "`file`: put away as `PATH.1` when it has this size.",
        ),
        Key::new(
            "rotate_after",
            Kind::Span,
            "`file`: put away as `PATH.1` when it is this old.",
        ),
        Key::new(
            "rotate_keep",
            Kind::Whole(0, 10_000),
            "`file`: how many of those put away stay; the oldest is removed. `10` unless written.",
        ),
        Key::new(
            "url",
            Kind::Url,
            "`webhook`, `otlp`: where requests go, for `otlp` with its path (`/v1/logs`).",
        ),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "`webhook`, `otlp`: plain http beyond loopback is accepted.",
        ),
        Key::new(
            "authorization",
            Kind::Secret,
            "`webhook`, `otlp`: the whole value of an `Authorization` header.",
        ),
        Key::new(
            "secret",
            Kind::Secret,
            "`webhook`: signs each request as Standard Webhooks say (HMAC-SHA-256 over `webhook-id`, `webhook-timestamp` and body, in `webhook-signature`). At least 24 characters, or `whsec_` and base64.",
        ),
        Key::new(
            "format",
            Kind::Choice(&["json", "ndjson"]),
            "`webhook`: an array, or a line for each event. `json` unless written.",
        ),
        Key::new("address", Kind::Text, "`syslog`: host and port."),
        Key::new(
            "transport",
            Kind::Choice(&["tls", "tcp", "udp"]),
            "`syslog`: RFC 5425, RFC 6587 with octet counting, or RFC 5426, where whatever gets lost on the way is lost. `tls` unless written.",
        ),
        Key::new(
            "spool_path",
            Kind::FilePath,
            "`webhook`, `syslog`, `otlp`: the folder where events wait until they were taken. Without it, `audit-spool/NAME` beside the store.",
        ),
        Key::new(
            "spool_size",
            Kind::Size,
            "`webhook`, `syslog`, `otlp`: how much may wait; beyond, events are left out, counted, and the count is told. `256MiB` unless written.",
        ),
    ],
};
