//! `initialize`, and the notification that completes it.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use portcullis_mcp::{ClientCapabilities, Envelope, Kind, LEGACY_REVISIONS, Members, Revision};
use serde_json::json;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::stream::EventStream;
use crate::transport::{Outgoing, Presents, Reply, SESSION_ID, Wire};

/// What a handshake yields.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) revision: Revision,
    pub(crate) session: Option<HeaderValue>,
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
    presents: &dyn Presents,
    revision: Revision,
    capabilities: &ClientCapabilities,
) -> Result<Handshake, UpstreamError> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{},"clientInfo":{}}}}}"#,
        capabilities.as_json(),
        client_info(),
    );
    let exchange = open(wire, presents, Bytes::from(body));
    let (session, text) = tokio::time::timeout(wire.server.timeout, exchange)
        .await
        .map_err(|_| wire.error(UpstreamErrorKind::Timeout))??;
    let (revision, result) = accept(wire, &text)?;
    let note = Outgoing {
        body: Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        revision: Some(revision),
        headers: HeaderMap::new(),
    };
    wire.post(presents, session.as_ref(), note).await?;
    Ok(Handshake {
        revision,
        session,
        result,
    })
}

async fn open(
    wire: &Wire,
    presents: &dyn Presents,
    body: Bytes,
) -> Result<(Option<HeaderValue>, String), UpstreamError> {
    let (reply, headers) = wire.post_keeping_headers(presents, body).await?;
    let session = headers.get(SESSION_ID).cloned();
    let text = match reply {
        Reply::Message { body, .. } => {
            String::from_utf8(body.into()).map_err(|_| wire.error(UpstreamErrorKind::BadAnswer))?
        }
        Reply::Stream(stream) => first_answer(wire, stream).await?,
        Reply::Accepted => return Err(wire.error(UpstreamErrorKind::BadAnswer)),
    };
    Ok((session, text))
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

fn accept(wire: &Wire, text: &str) -> Result<(Revision, String), UpstreamError> {
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
    // 2024-11-05 has a transport of its own: on this one no client of ours could go on with it.
    if !LEGACY_REVISIONS.contains(&revision) {
        return Err(wire.error(UpstreamErrorKind::Revision));
    }
    Ok((revision, result.get().to_owned()))
}
