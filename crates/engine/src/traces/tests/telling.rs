use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{ErrorKind, ServerId};
use portcullis_mcp::Envelope;

use super::collector::{Collector, tracer};
use crate::audit::tests::fixture::{Process, TestStore, alice, quick};
use crate::audit::{AuditGuard, AuditSettings, CallerText, Outcome, Surface, Target};
use crate::traces::{AttributeValue, Sampler, Span};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|&(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect()
}

/// What is told of one request, and its event.
async fn told(
    sampler: Sampler,
    request: impl FnOnce(&Process, &mut AuditGuard),
    outcome: Outcome,
) -> (Vec<Span>, serde_json::Value) {
    let (store, collector) = (TestStore::new(), Collector::that([]));
    let (tracer, _) = tracer(&collector, sampler);
    let settings = AuditSettings {
        tracer: Some(tracer),
        ..quick()
    };
    let process = Process::begin(&store, 1, settings).await;
    let mut guard = process.log.open(process.request_id(), Surface::Mcp);
    request(&process, &mut guard);
    guard.finish(outcome);
    process.log.close().await.unwrap();
    (collector.taken(), store.of_kind("request").remove(0))
}

fn all() -> Sampler {
    Sampler::millionths(1_000_000)
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let (_, value) = span.attributes.iter().find(|(name, _)| *name == key)?;
    Some(match value {
        AttributeValue::Text(text) => text.clone().into_owned(),
        AttributeValue::Number(number) => number.to_string(),
    })
}

fn call(guard: &mut AuditGuard) {
    guard.principal(&alice());
    guard.method(CallerText::fixed("tools/call"));
    guard.target(Target::tool("create_issue"));
    guard.server(&ServerId::from("github"));
    guard.arguments(br#"{"title":"canary-argument"}"#);
    guard.allowed("grant_server");
}

#[tokio::test]
async fn a_request_is_one_span_that_continues_its_callers_trace_and_names_nobody() {
    let (spans, event) = told(
        all(),
        |process, guard| {
            guard.traced(&headers(&[("traceparent", PARENT), ("tracestate", "a=b")]));
            call(guard);
            process.clock.advance(Duration::from_millis(7));
        },
        Outcome::ToolError,
    )
    .await;
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(
        portcullis_core::hex(&span.trace_id),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(event["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        span.parent.map(|id| portcullis_core::hex(&id)).as_deref(),
        Some("00f067aa0ba902b7")
    );
    assert!(span.remote_parent);
    assert_eq!(span.state.as_deref(), Some("a=b"));
    assert_eq!(span.name, "tools/call create_issue");
    assert_eq!(span.ended - span.started, 7_000_000);
    assert_eq!(span.started, 1_795_247_581_000_000_000);
    assert!(span.failed);
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "create_issue"),
        ("portcullis.mcp.server", "github"),
        ("portcullis.decision", "allow"),
        ("error.type", "tool_error"),
        (
            "portcullis.request.id",
            event["request_id"].as_str().unwrap(),
        ),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
    let text = format!("{span:?}");
    for secret in ["alice", "canary", "grant_server"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// What callers choose is as many different names as they like.
#[tokio::test]
async fn a_name_that_no_server_was_found_for_names_no_span() {
    for (resolved, method, name) in [
        (false, CallerText::fixed("tools/call"), "tools/call"),
        (
            true,
            CallerText::new("x/of-the-caller"),
            "_OTHER create_issue",
        ),
        (false, CallerText::new("x/of-the-caller"), "_OTHER"),
    ] {
        let (spans, _) = told(
            all(),
            |_, guard| {
                guard.method(method);
                guard.target(Target::tool("create_issue"));
                if resolved {
                    guard.server(&ServerId::from("github"));
                    guard.denied("tool_not_granted");
                }
            },
            Outcome::Kind(ErrorKind::Forbidden),
        )
        .await;
        let [span] = spans.as_slice() else {
            panic!("{spans:?}")
        };
        assert_eq!(span.name, name);
        assert!(!span.failed, "what was asked for was wrong");
        assert_eq!(attribute(span, "error.type").as_deref(), Some("forbidden"));
        assert_eq!(attribute(span, "gen_ai.tool.name").is_some(), resolved);
    }
}

#[tokio::test]
async fn a_malformed_context_begins_a_trace_of_its_own_and_the_messages_own_wins() {
    const MALFORMED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";
    let (spans, event) = told(
        all(),
        |_, guard| {
            guard.traced(&headers(&[
                ("traceparent", MALFORMED),
                ("tracestate", "a=b"),
            ]));
        },
        Outcome::Ok,
    )
    .await;
    let span = &spans[0];
    assert_eq!(event["trace_id"], portcullis_core::hex(&span.trace_id));
    assert_ne!(event["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((span.parent, span.state.as_deref()), (None, None));

    let told_by = |meta: &'static str| async move {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{meta}}}}}"#);
        let (spans, event) = told(
            all(),
            |_, guard| {
                guard.traced(&headers(&[("traceparent", PARENT), ("tracestate", "a=b")]));
                guard.traced_by(&Envelope::parse(text.as_bytes()).unwrap());
            },
            Outcome::Ok,
        )
        .await;
        assert_eq!(event["trace_id"], portcullis_core::hex(&spans[0].trace_id));
        (
            event["trace_id"].as_str().unwrap().to_owned(),
            spans[0].state.clone(),
        )
    };
    let own = r#"{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;
    let (id, state) = told_by(own).await;
    assert_eq!(
        (id.as_str(), state),
        ("0af7651916cd43dd8448eb211c80319c", None)
    );
    let (id, state) = told_by(r#"{"traceparent":7}"#).await;
    assert_eq!(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(state.as_deref(), Some("a=b"));
}

/// LOG-15.
#[tokio::test]
async fn a_stranger_who_says_that_it_records_is_not_told_to_anybody() {
    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let heeding = Sampler::millionths(0).heeding_callers();
    for (known, count) in [(false, 0), (true, 1)] {
        let (spans, event) = told(
            heeding,
            |_, guard| {
                guard.traced(&headers(&[("traceparent", SAMPLED)]));
                if known {
                    guard.principal(&alice());
                }
            },
            Outcome::Ok,
        )
        .await;
        assert_eq!(spans.len(), count);
        assert_eq!(event["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    }
}

#[tokio::test]
async fn a_batch_is_one_span() {
    let (spans, _) = told(
        all(),
        |_, guard| {
            guard.principal(&alice());
            guard.method(CallerText::fixed("batch"));
            for _ in 0..3 {
                let mut part = guard.part();
                part.method(CallerText::fixed("tools/call"));
                part.finish(Outcome::Ok);
            }
        },
        Outcome::Ok,
    )
    .await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["batch"]);
}
