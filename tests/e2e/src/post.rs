//! One request of a caller, in either era, and the answer as it came.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub text: String,
}

/// Headers of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// POSTs a body to a loopback port.
pub async fn post(
    port: u16,
    path: &str,
    headers: Headers<'_>,
    content_type: &str,
    body: String,
) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    let mut request = Request::post(path)
        .header("host", format!("localhost:{port}"))
        .header("accept", "application/json, text/event-stream")
        .header(CONTENT_TYPE, content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer {
        status,
        text: String::from_utf8(body.to_vec()).context("an answer that is no text")?,
    })
}

/// Calls a tool without arguments in this revision, without opening a session first.
pub async fn call_tool(
    port: u16,
    path: &str,
    revision: &str,
    tool: &str,
    headers: Headers<'_>,
) -> anyhow::Result<Answer> {
    let mut params = json!({"name": tool, "arguments": {}});
    let mut all = headers.to_vec();
    if revision == "2026-07-28" {
        let about = json!({"io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": {}});
        params
            .as_object_mut()
            .context("an object")?
            .insert("_meta".to_owned(), about);
        all.extend([
            ("mcp-protocol-version", revision),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ]);
    }
    let message: Value =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    post(port, path, &all, "application/json", message.to_string()).await
}

/// A JSON document from a loopback port.
pub async fn get_json(port: u16, path: &str) -> anyhow::Result<Value> {
    let stream = TcpStream::connect(("localhost", port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    let request = Request::get(path)
        .header("host", format!("localhost:{port}"))
        .body(Full::<Bytes>::default())?;
    let response = sender.send_request(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    serde_json::from_slice(&body).context("not JSON")
}
