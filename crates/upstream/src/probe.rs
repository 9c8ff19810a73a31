//! Which era a server speaks, asked as 2026-07-28 "versioning" says: a modern request first, and
//! only an answer that shows it was not understood means legacy. 401, 403, 429 and 5xx are no evidence.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{Envelope, Members, Revision, meta_key};
use serde_json::json;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::client_info;
use crate::server::{Endpoint, ProtocolChoice};
use crate::transport::{Outgoing, Presents, Wire};

/// What nobody need be asked for: it is written, or the transport knows one era only.
pub(crate) fn settled(wire: &Wire) -> Option<bool> {
    match (wire.server.protocol, &wire.server.endpoint) {
        (_, Endpoint::Sse(_)) => Some(false),
        (ProtocolChoice::Pinned(revision), _) => Some(revision.is_modern()),
        (ProtocolChoice::Auto, _) => None,
    }
}

/// The `_meta` of a request that we make ourselves.
pub fn own_meta() -> serde_json::Value {
    json!({
        meta_key::PROTOCOL_VERSION: Revision::V2026_07_28.as_str(),
        meta_key::CLIENT_CAPABILITIES: {},
        meta_key::CLIENT_INFO: client_info(),
    })
}

/// The same as text, which never changes.
pub fn own_meta_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| own_meta().to_string());
    &TEXT
}

/// Asks. An answer that is about whoever asks, or about the moment, is an error.
pub(crate) async fn ask(wire: &Wire, presents: &dyn Presents) -> Result<bool, UpstreamError> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "server/discover",
        "params": {"_meta": own_meta()},
    });
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("mcp-method"),
        HeaderValue::from_static("server/discover"),
    );
    let outgoing = Outgoing {
        body: Bytes::from(body.to_string()),
        revision: Some(Revision::V2026_07_28),
        headers,
        client: None,
    };
    match wire.probe(presents, outgoing).await {
        Ok(text) => Ok(text.is_some_and(|text| lists_modern(&text))),
        Err(error) => match error.kind {
            // Others are about this request's caller, its size or the moment.
            UpstreamErrorKind::Status(400 | 404 | 405 | 406 | 410 | 415 | 422)
            | UpstreamErrorKind::BadAnswer => Ok(false),
            _ => Err(error),
        },
    }
}

fn lists_modern(text: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(text) else {
        return false;
    };
    envelope
        .result()
        .and_then(|result| Members::of(result).ok())
        .and_then(|members| members.get("supportedVersions"))
        .and_then(|versions| serde_json::from_str::<Vec<String>>(versions.get()).ok())
        .is_some_and(|versions| {
            versions
                .iter()
                .any(|version| version == Revision::V2026_07_28.as_str())
        })
}
