//! `initialize`, and the notification that completes it.

use bytes::Bytes;
use http::header::HeaderMap;
use portcullis_mcp::{ClientCapabilities, Envelope, Kind, LEGACY_REVISIONS, Members, Revision};
use portcullis_policy::Acting;
use serde_json::json;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::stream::EventStream;
use crate::transport::{Link, Outgoing, Presents, Reply, Wire};

/// What a handshake yields.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) revision: Revision,
    pub(crate) link: Link,
    /// The `InitializeResult` as the server wrote it.
    pub(crate) result: String,
}

/// Who we say we are. A session is shared by all clients of one principal, so it is not theirs.
pub(crate) fn client_info() -> serde_json::Value {
    json!({"name": "portcullis", "title": "Portcullis", "version": env!("CARGO_PKG_VERSION")})
}

/// Opens a session.
pub(crate) async fn initialize(
    wire: &Wire,
    acting: &Acting,
    presents: &dyn Presents,
    revision: Revision,
    capabilities: &ClientCapabilities,
) -> Result<Handshake, UpstreamError> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{},"clientInfo":{}}}}}"#,
        capabilities.as_json(),
        client_info(),
    );
    let exchange = open(wire, acting, presents, Bytes::from(body));
    let (link, text) = tokio::time::timeout(wire.server.timeout, exchange)
        .await
        .map_err(|_| wire.error(UpstreamErrorKind::Timeout))??;
    let (revision, result) = accept(wire, &link, &text, revision)?;
    let note = Outgoing {
        body: Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        revision: Some(revision),
        headers: HeaderMap::new(),
        client: None,
    };
    wire.post(presents, &link, note).await?;
    Ok(Handshake {
        revision,
        link,
        result,
    })
}

async fn open(
    wire: &Wire,
    acting: &Acting,
    presents: &dyn Presents,
    body: Bytes,
) -> Result<(Link, String), UpstreamError> {
    let (link, reply) = wire.open(acting, presents, body).await?;
    let text = match reply {
        Reply::Message { body, .. } => {
            String::from_utf8(body.into()).map_err(|_| wire.error(UpstreamErrorKind::BadAnswer))?
        }
        Reply::Stream(stream) => first_answer(wire, stream).await?,
        Reply::Accepted => return Err(wire.error(UpstreamErrorKind::BadAnswer)),
    };
    Ok((link, text))
}

/// Reads a stream up to the one response that we wait for.
pub(crate) async fn first_answer(
    wire: &Wire,
    mut stream: EventStream,
) -> Result<String, UpstreamError> {
    while let Some(text) = stream.next_text().await? {
        let is_answer = Envelope::parse(text.as_bytes())
            .is_ok_and(|envelope| matches!(envelope.kind, Kind::Response { .. }));
        if is_answer {
            return Ok(text);
        }
    }
    Err(wire.error(UpstreamErrorKind::Broken))
}

fn accept(
    wire: &Wire,
    link: &Link,
    text: &str,
    asked: Revision,
) -> Result<(Revision, String), UpstreamError> {
    let envelope =
        Envelope::parse(text.as_bytes()).map_err(|_| wire.error(UpstreamErrorKind::BadAnswer))?;
    let Some(result) = envelope.result() else {
        // A server that refuses every revision we could offer says so with an error.
        return Err(wire.error(UpstreamErrorKind::Era));
    };
    let revision = Members::of(result)
        .ok()
        .and_then(|members| members.string("protocolVersion")?.parse::<Revision>().ok())
        .ok_or_else(|| wire.error(UpstreamErrorKind::Revision))?;
    if revision.is_modern() {
        return Err(wire.error(UpstreamErrorKind::Era));
    }
    // 2024-11-05 does not know Streamable HTTP: there, only a client of HTTP+SSE that speaks it itself
    // could go on with it.
    if revision != asked && !LEGACY_REVISIONS.contains(&revision) && !link.takes_any_legacy() {
        return Err(wire.error(UpstreamErrorKind::Revision));
    }
    Ok((revision, result.get().to_owned()))
}
