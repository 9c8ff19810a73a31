//! Log records of OpenTelemetry (OTLP 1.x over HTTP, in the JSON form of its messages).

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portcullis_core::Timestamp;
use portcullis_engine::audit::{Carried, Courier, Undelivered};
use serde_json::{Map, Value, json};

use super::Receiver;
use super::line::{Gravity, Line};
use crate::telemetry::otlp::{self, nanoseconds};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is said of an event beside its text: the attribute, and where it stands.
const ATTRIBUTES: [(&str, &str); 10] = [
    ("portcullis.audit.writer", "/writer"),
    ("portcullis.audit.mac", "/mac"),
    ("portcullis.request.id", "/event/request_id"),
    ("user.id", "/event/principal"),
    ("client.address", "/event/client_ip"),
    ("mcp.method.name", "/event/method"),
    ("portcullis.mcp.server", "/event/server"),
    ("portcullis.decision", "/event/decision"),
    ("portcullis.rule", "/event/rule"),
    ("portcullis.outcome", "/event/outcome"),
];

/// Brings each line as a log record.
#[derive(Debug)]
pub(crate) struct OtlpLogs {
    pub(crate) receiver: Receiver,
}

#[async_trait]
impl Courier for OtlpLogs {
    async fn carry(&self, lines: &[String]) -> Result<Carried, Undelivered> {
        let records: Vec<Value> = lines.iter().map(|line| record(line)).collect();
        let body = json!({"resourceLogs": [{
            "resource": otlp::resource(otlp::SERVICE),
            "scopeLogs": [{"scope": {"name": "portcullis.audit"}, "logRecords": records}],
        }]});
        let body = Bytes::from(body.to_string());
        let answer = self.receiver.post(JSON, HeaderMap::new(), body).await?;
        // "The client MUST NOT retry the request when it receives a partial success response."
        let (refused, because) = otlp::rejected(&answer, "rejectedLogRecords");
        Ok(Carried { refused, because })
    }
}

fn record(text: &str) -> Value {
    let line = Line::read(text);
    let (number, name) = match line.gravity() {
        Gravity::Ordinary => (9, "INFO"),
        Gravity::Notice => (10, "INFO2"),
        Gravity::Error => (17, "ERROR"),
    };
    let mut attributes: Vec<Value> = ATTRIBUTES
        .iter()
        .filter_map(|(name, at)| Some(otlp::text(name, line.text(at)?)))
        .collect();
    if let Some(seq) = line.seq() {
        attributes.push(otlp::number("portcullis.audit.seq", seq));
    }
    if line.text("/event/target/kind") == Some("tool")
        && let Some(tool) = line.text("/event/target/name")
    {
        attributes.push(otlp::text("gen_ai.tool.name", tool));
    }
    let mut record = Map::new();
    if let Some(Ok(at)) = line.at().map(str::parse::<Timestamp>) {
        record.insert("timeUnixNano".to_owned(), nanoseconds(at).into());
    }
    if let Some(trace) = line.text("/event/trace_id") {
        record.insert("traceId".to_owned(), trace.into());
    }
    let said = [
        (
            "eventName",
            format!("portcullis.audit.{}", line.kind()).into(),
        ),
        ("severityNumber", number.into()),
        ("severityText", name.into()),
        ("body", json!({"stringValue": text})),
        ("attributes", Value::Array(attributes)),
    ];
    record.extend(said.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_log_record_that_holds_all_of_it() {
        let line = r#"{"writer":"1-a","seq":2,"mac":"ab","event":{"event":"request","at":"2026-11-22T00:00:00.001Z","outcome":"forbidden","decision":"deny","method":"tools/call","target":{"kind":"tool","name":"delete"},"trace_id":"0af7651916cd43dd8448eb211c80319c"}}"#;
        let record = record(line);
        assert_eq!(record["body"]["stringValue"], line);
        assert_eq!(record["eventName"], "portcullis.audit.request");
        assert_eq!(record["severityText"], "INFO2");
        assert_eq!(record["timeUnixNano"], "1795305600001000000");
        assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
        let attributes = record["attributes"].as_array().unwrap();
        let of =
            |key: &str| attributes.iter().find(|one| one["key"] == key).unwrap()["value"].clone();
        assert_eq!(of("mcp.method.name"), json!({"stringValue": "tools/call"}));
        assert_eq!(of("gen_ai.tool.name"), json!({"stringValue": "delete"}));
        assert_eq!(of("portcullis.audit.seq"), json!({"intValue": "2"}));
    }
}
