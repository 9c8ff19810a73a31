//! Keys made over the admin API.

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, header};
use serde_json::Value;

use crate::http::{KEY, connect};

/// Makes keys as an administrator does; the last one calls.
pub(crate) async fn make_keys(port: u16, count: usize) -> anyhow::Result<String> {
    let mut last = String::new();
    let (mut sender, _driving) = connect(port).await?;
    for number in 0..count {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/key/generate")
            .header(header::HOST, format!("127.0.0.1:{port}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .body(Full::from("{}"))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "key {number}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        if number + 1 == count {
            let body: Value = serde_json::from_slice(&body)?;
            let key = body.get("key").and_then(Value::as_str);
            key.context("no key in the answer")?.clone_into(&mut last);
        }
        if number % 10_000 == 9_999 {
            println!("    {} keys made", number + 1);
        }
    }
    Ok(last)
}
