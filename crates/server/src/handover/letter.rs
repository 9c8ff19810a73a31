//! A request as one replica writes it to another: everything but its body sealed, and the body's digest
//! with it. `sealed head \n body`; in the head, one line of JSON and then one line for each header.

use std::net::SocketAddr;

use axum::body::{Body, BodyDataStream};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use portcullis_core::{ReplicaId, RequestId, constant_time_eq, hex, sha256};
use portcullis_engine::Replicas;
use serde::{Deserialize, Serialize};

use crate::listen::{PeerAddr, PeerCertificate};

/// Largest sealed head: the largest head of a request and a chain of certificates, as text. It is all
/// that is held of what a stranger sends.
const MAX_HEAD: usize = 256 * 1024;

/// What concerns one connection and not the message (RFC 9110 §7.6.1).
static OF_THE_CONNECTION: [HeaderName; 7] = [
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    request: String,
    method: String,
    uri: String,
    /// Who connected to the replica that the client chose.
    peer: Option<SocketAddr>,
    /// With which certificates; `None` where it was not asked for any.
    chain: Option<Vec<Vec<u8>>>,
    /// SHA-256 of the body.
    digest: String,
}

/// A request that another replica received.
pub(super) struct Letter {
    pub(super) request: RequestId,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) peer: Option<SocketAddr>,
    pub(super) chain: Option<Vec<Vec<u8>>>,
    pub(super) body: Bytes,
}

/// Headers that are passed on, one line each. A value holds no line break, whoever wrote it.
pub(super) fn lines(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        if OF_THE_CONNECTION.contains(name) {
            continue;
        }
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

/// Reads what [`lines`] wrote.
pub(super) fn headers(text: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = HeaderValue::from_bytes(value.get(1..)?).ok()?;
        headers.append(HeaderName::from_bytes(name).ok()?, value);
    }
    Some(headers)
}

/// Writes a request to its owner; `None` when nothing can be sealed.
pub(super) fn write(
    replicas: &Replicas,
    owner: &ReplicaId,
    request: RequestId,
    parts: &Parts,
    body: &[u8],
) -> Option<Bytes> {
    let head = Head {
        request: request.text(),
        method: parts.method.as_str().to_owned(),
        uri: parts.uri.to_string(),
        peer: parts.extensions.get::<PeerAddr>().map(|peer| peer.0),
        chain: parts.extensions.get().map(PeerCertificate::chain),
        digest: hex(&sha256(body)),
    };
    let mut text = serde_json::to_vec(&head).ok()?;
    text.push(b'\n');
    text.extend_from_slice(&lines(&parts.headers));
    let sealed = replicas.seal_letter(owner, &text).ok()?;
    Some([sealed.as_bytes(), b"\n", body].concat().into())
}

/// Reads a letter to us, its body of at most so many bytes; `None` when it is none, or no longer, or not
/// for the first time. The body is not read before the head opened.
pub(super) async fn read(replicas: &Replicas, letter: Body, most: usize) -> Option<Letter> {
    let mut frames = letter.into_data_stream();
    let (sealed, begun) = sealed_head(&mut frames).await?;
    let opened = replicas
        .open_letter(std::str::from_utf8(&sealed).ok()?)
        .ok()?;
    let line = opened.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(opened.get(..line)?).ok()?;
    let body = body_of(begun, frames, most).await?;
    let digest = hex(&sha256(&body));
    if !constant_time_eq(digest.as_bytes(), head.digest.as_bytes()) {
        return None;
    }
    let request = RequestId::read(&head.request)?;
    let letter = Letter {
        request,
        method: head.method.parse().ok()?,
        uri: head.uri.parse().ok()?,
        headers: headers(opened.get(line..)?)?,
        peer: head.peer,
        chain: head.chain,
        body,
    };
    replicas.is_first(request).then_some(letter)
}

/// What stands before the first line break, and what came after it already.
async fn sealed_head(frames: &mut BodyDataStream) -> Option<(Bytes, BytesMut)> {
    let mut text = BytesMut::new();
    loop {
        if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let sealed = text.split_to(end).freeze();
            drop(text.split_to(1));
            return Some((sealed, text));
        }
        if text.len() > MAX_HEAD {
            return None;
        }
        text.extend_from_slice(&frames.next().await?.ok()?);
    }
}

async fn body_of(mut text: BytesMut, mut frames: BodyDataStream, most: usize) -> Option<Bytes> {
    while let Some(frame) = frames.next().await {
        text.extend_from_slice(&frame.ok()?);
        if text.len() > most {
            return None;
        }
    }
    Some(text.freeze())
}
