//! Spans of OpenTelemetry (OTLP 1.x over HTTP, in the JSON form of its messages).

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portcullis_core::hex;
use portcullis_engine::audit::Undelivered;
use portcullis_engine::traces::{AttributeValue, Span, SpanCourier, SpanKind};
use serde_json::{Map, Value, json};

use super::Receiver;
use crate::telemetry::otlp;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const TELLS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// `SAMPLED` of the trace flags.
const SAMPLED: u32 = 1;

/// Brings spans to a collector.
#[derive(Debug)]
pub(crate) struct OtlpSpans {
    pub(crate) receiver: Receiver,
    pub(crate) headers: HeaderMap,
    pub(crate) service: String,
}

#[async_trait]
impl SpanCourier for OtlpSpans {
    async fn carry(&self, spans: &[Span]) -> Result<u64, Undelivered> {
        let spans: Vec<Value> = spans.iter().map(span).collect();
        let body = json!({"resourceSpans": [{
            "resource": otlp::resource(&self.service),
            "scopeSpans": [{
                "scope": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")},
                "spans": spans,
            }],
        }]});
        let body = Bytes::from(body.to_string());
        let answer = self.receiver.post(JSON, self.headers.clone(), body).await?;
        Ok(otlp::rejected(&answer, "rejectedSpans").0)
    }
}

fn span(span: &Span) -> Value {
    let attributes: Vec<Value> = span
        .attributes
        .iter()
        .map(|(key, value)| match value {
            AttributeValue::Text(text) => otlp::text(key, text),
            AttributeValue::Number(number) => otlp::number(key, *number),
        })
        .collect();
    let remote = if span.remote_parent { IS_REMOTE } else { 0 };
    let mut told = Map::new();
    if let Some(parent) = &span.parent {
        told.insert("parentSpanId".to_owned(), hex(parent).into());
    }
    if let Some(state) = &span.state {
        told.insert("traceState".to_owned(), (**state).into());
    }
    if span.failed {
        // `STATUS_CODE_ERROR`; no words, they could be an upstream's.
        told.insert("status".to_owned(), json!({"code": 2}));
    }
    let said = [
        ("traceId", hex(&span.trace_id).into()),
        ("spanId", hex(&span.span_id).into()),
        ("flags", (SAMPLED | TELLS_REMOTE | remote).into()),
        ("name", span.name.as_str().into()),
        (
            "kind",
            match span.kind {
                SpanKind::Server => 2,
                SpanKind::Client => 3,
            }
            .into(),
        ),
        ("startTimeUnixNano", span.started.to_string().into()),
        ("endTimeUnixNano", span.ended.to_string().into()),
        ("attributes", Value::Array(attributes)),
    ];
    told.extend(said.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
    Value::Object(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_the_json_encoding_has_it() {
        let told = span(&Span {
            trace_id: [0xab; 16],
            span_id: [1; 8],
            parent: Some([2; 8]),
            remote_parent: true,
            state: Some("a=b".into()),
            kind: SpanKind::Client,
            name: "tools/call echo".to_owned(),
            started: 1_795_305_600_001_000_000,
            ended: 1_795_305_600_002_000_001,
            attributes: vec![
                ("error.type", "timeout".into()),
                ("server.port", 443_u64.into()),
            ],
            failed: true,
        });
        assert_eq!(
            told,
            json!({
                "traceId": "abababababababababababababababab",
                "spanId": "0101010101010101",
                "parentSpanId": "0202020202020202",
                "traceState": "a=b",
                "flags": 0x301,
                "name": "tools/call echo",
                "kind": 3,
                "startTimeUnixNano": "1795305600001000000",
                "endTimeUnixNano": "1795305600002000001",
                "attributes": [
                    {"key": "error.type", "value": {"stringValue": "timeout"}},
                    {"key": "server.port", "value": {"intValue": "443"}},
                ],
                "status": {"code": 2},
            })
        );
    }
}
