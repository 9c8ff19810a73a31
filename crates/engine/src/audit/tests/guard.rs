//! Exactly one event per request, whatever happens to it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{ErrorKind, ServerId};
use portcullis_credentials::CredentialKind;

use super::fixture::{Mood, Process, TestStore, alice, quick};
use crate::audit::{AuditGuard, AuditSettings, CallerText, Outcome, Surface, Target};

fn traceparent(text: &'static str) -> HeaderMap {
    let name = HeaderName::from_static("traceparent");
    HeaderMap::from_iter([(name, HeaderValue::from_static(text))])
}

fn outcomes(store: &TestStore) -> Vec<String> {
    store
        .of_kind("request")
        .iter()
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_answered_request_tells_who_asked_for_what_and_why_it_was_allowed() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let id = process.request_id();
    let mut guard = process.log.open(id, Surface::Mcp);
    guard.client(Some([192, 0, 2, 7].into()));
    guard.traced(&traceparent(
        "00-abababababababababababababababab-00f067aa0ba902b7-01",
    ));
    guard.principal(&alice());
    guard.method(CallerText::fixed("tools/call"));
    guard.revision("2025-06-18");
    guard.server(&ServerId::from("github"));
    guard.target(Target::tool("create_issue"));
    guard.arguments(br#"{"title":"canary-argument"}"#);
    guard.allowed("grant_server");
    guard.credential(CredentialKind::M2mClientCredentials);
    guard.upstream_status(200);
    guard.request_bytes(10);
    guard.add_response_bytes(20);
    guard.add_response_bytes(22);
    process.clock.advance(Duration::from_millis(7));
    guard.finish(Outcome::Ok);
    process.stored().await;

    let events = store.of_kind("request");
    assert_eq!(events.len(), 1);
    let mut event = events[0].clone();
    let hash = event["arguments_hash"].take();
    assert_eq!(hash.as_str().map(str::len), Some(64));
    assert_eq!(
        event,
        serde_json::json!({
            "event": "request",
            "at": "2026-11-21T07:53:01.000Z",
            "request_id": id.to_string(),
            "surface": "mcp",
            "outcome": "ok",
            "principal": "key:alice",
            "principal_kind": "api_key",
            "key_id": "alice",
            "method": "tools/call",
            "server": "github",
            "target": {"kind": "tool", "name": "create_issue"},
            "decision": "allow",
            "rule": "grant_server",
            "credential": "m2m-client-credentials",
            "upstream_status": 200,
            "latency_us": 7000,
            "request_bytes": 10,
            "response_bytes": 42,
            "arguments_hash": null,
            "client_ip": "192.0.2.7",
            "trace_id": "abababababababababababababababab",
            "revision": "2025-06-18",
        })
    );
    let rows = store.rows.lock().unwrap();
    assert!(rows.iter().all(|row| !row.event.contains("canary")));
}

#[tokio::test]
async fn a_request_that_nobody_finishes_is_recorded_as_abandoned() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    drop(process.log.open(process.request_id(), Surface::Rest));
    process.stored().await;
    assert_eq!(outcomes(&store), ["abandoned"]);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_recorded_as_such_and_the_next_request_is_fine() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let guard = process.log.open(process.request_id(), Surface::Mcp);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _held = guard;
        panic!("a defect");
    }));
    assert!(result.is_err());
    let guard = process.log.open(process.request_id(), Surface::Mcp);
    guard.finish(Outcome::Ok);
    process.stored().await;
    assert_eq!(outcomes(&store), ["panicked", "ok"]);
}

#[tokio::test]
async fn a_failed_authentication_names_its_reason_and_no_principal() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let mut guard = process.log.open(process.request_id(), Surface::Mcp);
    guard.authn_failed("expired");
    guard.finish(ErrorKind::Unauthenticated.into());
    process.stored().await;
    let event = &store.of_kind("request")[0];
    assert_eq!(event["authn"], "expired");
    assert_eq!(event["decision"], "none");
    assert_eq!(event.get("principal"), None);
    let scraped = process.metrics.encode();
    assert!(scraped.contains(r#"portcullis_auth_failures_total{reason="expired"} 1"#));
}

#[tokio::test]
async fn a_stream_carries_its_guard_and_ends_the_event_when_it_ends() {
    struct Body(Option<AuditGuard>);
    impl Body {
        fn frame(&mut self, bytes: u64) {
            self.0.as_mut().unwrap().add_response_bytes(bytes);
        }
        fn end(&mut self) {
            self.0.take().unwrap().finish(Outcome::Ok);
        }
    }
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let body = |process: &Process| Body(Some(process.log.open(process.request_id(), Surface::Mcp)));
    let (mut whole, mut cut) = (body(&process), body(&process));
    let reader = std::thread::spawn(move || {
        whole.frame(5);
        cut.frame(3);
        whole.end();
        drop(cut);
    });
    reader.join().unwrap();
    process.stored().await;
    let seen: Vec<_> = store
        .of_kind("request")
        .iter()
        .map(|event| (event["outcome"].clone(), event["response_bytes"].clone()))
        .collect();
    assert_eq!(
        seen,
        [("ok".into(), 5.into()), ("abandoned".into(), 3.into())]
    );
}

#[tokio::test]
async fn a_caller_who_leaves_while_the_event_is_made_durable_is_recorded_once() {
    let store = TestStore::new();
    let settings = AuditSettings {
        required: true,
        ..quick()
    };
    let process = Process::begin(&store, 1, settings).await;
    store.be(Mood::Hangs);
    let open = || process.log.open(process.request_id(), Surface::Mcp);
    let never_polled = open().finish_before_answer(Outcome::Ok);
    drop(never_polled);
    let mut half_way = Box::pin(open().finish_before_answer(Outcome::Ok));
    assert!(futures_util::poll!(&mut half_way).is_pending());
    drop(half_way);
    store.be(Mood::Well);
    process.stored().await;
    assert_eq!(outcomes(&store), ["abandoned", "ok"]);
    assert_eq!(store.of_kind("request")[1]["withheld"], true);
}

#[tokio::test]
async fn requests_in_flight_return_to_zero_and_totals_match_the_events() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    for turn in 0..9 {
        let guard = process.log.open(process.request_id(), Surface::Mcp);
        match turn % 3 {
            0 => guard.finish(Outcome::Ok),
            1 => guard.finish(ErrorKind::NotFound.into()),
            _ => drop(guard),
        }
    }
    process.stored().await;
    assert_eq!(store.of_kind("request").len(), 9);
    let scraped = process.metrics.encode();
    assert!(scraped.contains("portcullis_requests_in_flight{surface=\"mcp\"} 0\n"));
    for outcome in ["ok", "not_found", "abandoned"] {
        let series =
            format!("portcullis_requests_total{{surface=\"mcp\",outcome=\"{outcome}\"}} 3\n");
        assert!(scraped.contains(&series), "{series}");
    }
}

#[tokio::test]
async fn what_a_caller_types_cannot_break_out_of_its_line() {
    let store = TestStore::new();
    let process = Process::begin(&store, 1, quick()).await;
    let mut guard = process.log.open(process.request_id(), Surface::Mcp);
    let forged = "x\"}\n{\"event\":\"writer_stopped\"}\r\u{1b}[2J";
    guard.method(CallerText::new(forged));
    guard.target(Target::tool(forged));
    guard.finish(Outcome::Ok);
    process.stored().await;
    let rows = store.rows.lock().unwrap();
    let row = rows.last().unwrap();
    assert!(row.event.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    let event: serde_json::Value = serde_json::from_str(&row.event).unwrap();
    assert_eq!(event["method"], forged);
}
