//! With `audit.required`, what cannot be recorded is not answered either: not even a refusal.

use http::{Method, StatusCode};
use portcullis_core::Timestamp;
use portcullis_store::{AuditHead, AuditRow};

use super::small_world::SmallWorld;

/// Somebody else writes under the gateway's own name, so that its next event does not fit any more.
async fn break_the_chain(world: &SmallWorld) {
    world.embedded.gateway().audit().flush().await.unwrap();
    let audit = &world.embedded.stores().audit;
    for head in audit.heads().await.unwrap() {
        let row = AuditRow {
            writer: head.writer.clone(),
            seq: head.seq + 1,
            at: Timestamp::from_millis(1),
            request_id: "r".to_owned(),
            event: "{}".to_owned(),
            mac: [0; 32],
        };
        let head = AuditHead {
            seq: row.seq,
            mac: row.mac,
            ..head
        };
        audit.append(&[row], &head).await.unwrap();
    }
}

async fn refused_once(method: Method, path: &str, host: &str) -> [StatusCode; 2] {
    let world = SmallWorld::start("audit: {required: true}").await;
    let recorded = world.ask_at(host, method.clone(), path).await;
    break_the_chain(&world).await;
    let unrecorded = world.ask_at(host, method, path).await;
    [recorded.status, unrecorded.status]
}

#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_none() {
    for (method, path, host, refusal) in [
        // Neither exists without a session.
        (Method::DELETE, "/mcp", "localhost", 405),
        (Method::GET, "/mcp", "localhost", 405),
        // Refused before anybody is asked who they are.
        (Method::GET, "/v1/audit", "evil.test", 403),
        (Method::POST, "/mcp", "evil.test", 403),
    ] {
        let what = format!("{method} {path} at {host}");
        let statuses = refused_once(method, path, host).await;
        assert_eq!(
            statuses.map(|status| status.as_u16()),
            [refusal, 503],
            "{what}"
        );
    }
}
