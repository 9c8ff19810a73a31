//! Keys that are made, used on every replica, and revoked on one: how long the others go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use super::{
    callers::attempt,
    stage::REPLICAS,
    tally::{Met, Tally},
};
use crate::{
    http::{KEY, connect},
    load::now,
    work::Work,
};

/// What product and issue promise: revoked on one is refused on all within this.
const PROMISED: Duration = Duration::from_secs(1);
/// After which a key that is still served is given up on; it has broken the promise long since.
const GIVEN_UP: Duration = Duration::from_secs(20);

pub(crate) async fn revoke_until(
    ports: [u16; REPLICAS],
    stop: watch::Receiver<bool>,
    tally: Arc<Tally>,
) {
    let mut round = 0_usize;
    while !*stop.borrow() {
        // What cannot be made, or not revoked, while something is broken is no revocation.
        if let Ok(Some(took)) = one(ports, round, &stop).await {
            tally.revoked(took);
            if took > PROMISED {
                tally.violation(format!("a revoked key was served for {took:?}"));
            }
        }
        round += 1;
        sleep(Duration::from_millis(500)).await;
    }
}

/// How long after the revocation the last replica still served the key.
async fn one(
    ports: [u16; REPLICAS],
    round: usize,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Option<Duration>> {
    let admin = *ports.get(round % REPLICAS).context("no replica")?;
    let made = ask(admin, "/key/generate", &json!({"servers": ["bench"]})).await?;
    let key = made.get("key").and_then(Value::as_str).context("no key")?;
    for port in ports {
        if !used(port, key, stop).await {
            return Ok(None);
        }
    }
    ask(admin, "/key/delete", &json!({"keys": [key]})).await?;
    let revoked = now();
    let mut longest = Duration::ZERO;
    for port in ports {
        if let Some(last) = last_served(port, key, revoked, stop).await {
            longest = longest.max(last.saturating_duration_since(revoked));
        }
    }
    Ok(Some(longest))
}

/// Calls with it until it is served.
async fn used(port: u16, key: &str, stop: &watch::Receiver<bool>) -> bool {
    let begun = now();
    while !*stop.borrow() && begun.elapsed() < GIVEN_UP {
        if let Met::Answered(_) = attempt(&mut None, port, Work::Rest, key, 1).await {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Calls with it until it is refused as one that nobody knows; when the last call that was served was
/// sent. A call before that counts as sent at the revocation: it was not asked for.
async fn last_served(
    port: u16,
    key: &str,
    revoked: Instant,
    stop: &watch::Receiver<bool>,
) -> Option<Instant> {
    let mut last = None;
    while !*stop.borrow() && revoked.elapsed() < GIVEN_UP {
        let sent = now();
        match attempt(&mut None, port, Work::Rest, key, 2).await {
            Met::Answered(_) => last = Some(sent),
            Met::Refused(StatusCode::UNAUTHORIZED) => return last,
            _ => {}
        }
        sleep(Duration::from_millis(20)).await;
    }
    last
}

async fn ask(port: u16, path: &str, body: &Value) -> anyhow::Result<Value> {
    let asking = async {
        let (mut sender, _driving) = connect(port).await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, format!("127.0.0.1:{port}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .body(Full::from(body.to_string()))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{path}: {status}");
        Ok(serde_json::from_slice(&body)?)
    };
    tokio::time::timeout(GIVEN_UP, asking).await?
}
