//! POST: one message in, one answer or stream out. Which era it is, is read off the message itself
//! and its version header (reference: 2026-07-28 "versioning", "Streamable HTTP").

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::HeaderMap;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_engine::audit::Surface;
use portcullis_engine::{Call, LegacyClient, SessionRefusal, View};
use portcullis_mcp::{
    ClientCapabilities, Envelope, Kind, LEGACY_REVISIONS, MessageError, Method, ModernMeta,
    Revision, RpcError, Subject, check_headers, code, meta_key, parse_batch,
};

use super::accept::accepts_both;
use super::refusal::refuse;
use super::{end, sole};
use crate::admission::BodyRefusal;
use crate::challenge::challenged;
use crate::handover::{at_home, settled};
use crate::headers::{PROTOCOL_VERSION, SESSION_ID};
use crate::reply::answer;
use crate::state::ServerState;

/// The revision whose clients may send batches; most of them send no header at all.
const BATCHES: &str = Revision::V2025_03_26.as_str();

pub(super) async fn post(
    state: &ServerState,
    mut call: Call,
    view: &View,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    let headers = &parts.headers;
    if !accepts_both(headers) {
        let error = RpcError::new(
            code::INVALID_REQUEST,
            "Not Acceptable: Accept must include application/json and text/event-stream",
        );
        return refuse(call, StatusCode::NOT_ACCEPTABLE, &error, None).await;
    }
    let bytes = match state.read_body(&call, headers, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refuse_body(state, call, parts, refusal).await,
    };
    call.audit.request_bytes(bytes.len() as u64);
    let envelope = match Envelope::parse(&bytes) {
        Ok(envelope) => envelope,
        Err(MessageError::Batch) => {
            return Box::pin(batch(state, call, view, parts, &bytes)).await;
        }
        Err(error) => {
            let error = RpcError::new(error.code(), error.to_string());
            return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        }
    };
    if let Some(denied) = view.barred() {
        let refusing = state.gateway.refuse_barred(call, Some(&envelope), denied);
        return answer(state, parts, Box::pin(refusing).await);
    }
    match era(headers, &envelope) {
        Ok(Era::Modern) => modern(state, call, view, parts, &envelope).await,
        Ok(Era::Legacy(revision)) => legacy(state, call, view, parts, &envelope, revision).await,
        Err(error) => refuse(call, StatusCode::BAD_REQUEST, &error, id_of(&envelope)).await,
    }
}

pub(super) async fn refuse_body(
    state: &ServerState,
    call: Call,
    parts: &Parts,
    refusal: BodyRefusal,
) -> Response<Body> {
    let error = RpcError::new(code::INVALID_REQUEST, refusal.text());
    let refused = refuse(call, refusal.status(), &error, None).await;
    challenged(state, parts, Surface::Mcp, refused)
}

enum Era {
    Modern,
    /// The version header, if it was sent.
    Legacy(Option<Revision>),
}

fn era(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<Era, RpcError> {
    let version = sole(headers, &PROTOCOL_VERSION).map_err(|()| {
        RpcError::new(
            code::HEADER_MISMATCH,
            "the MCP-Protocol-Version header stands twice",
        )
    })?;
    let in_body = envelope
        .meta()
        .ok()
        .flatten()
        .is_some_and(|meta| meta.get(meta_key::PROTOCOL_VERSION).is_some());
    let Some(version) = version else {
        return Ok(if in_body {
            Era::Modern
        } else {
            Era::Legacy(None)
        });
    };
    match version.parse::<Revision>() {
        Ok(revision) if revision.is_modern() => Ok(Era::Modern),
        _ if in_body => Ok(Era::Modern),
        Ok(revision) if LEGACY_REVISIONS.contains(&revision) => Ok(Era::Legacy(Some(revision))),
        _ => Err(portcullis_mcp::unsupported_version(version)),
    }
}

async fn modern(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
    envelope: &Envelope<'_>,
) -> Response<Body> {
    let headers = &parts.headers;
    let (id, method) = match envelope.kind {
        Kind::Request { id, method } => (id.as_json(), method),
        // Servers send no requests in this era, so there is nothing to respond to.
        Kind::Response { .. } => {
            let error = RpcError::new(
                code::INVALID_REQUEST,
                "clients do not send responses in this revision",
            );
            return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        }
        Kind::Notification { .. } => return end_accepted(state, parts, call).await,
    };
    let meta = match ModernMeta::read(envelope, headers) {
        Ok(meta) => meta,
        Err(rejection) => {
            return refuse(call, StatusCode::BAD_REQUEST, &rejection.0, Some(id)).await;
        }
    };
    let known = Method::lookup(method, meta.revision);
    // A subject that cannot be read has no header to agree with; the engine says what is missing.
    let subject = known
        .and_then(|known| known.subject(envelope.params()).ok())
        .unwrap_or(Subject::None);
    if let Err(rejection) = check_headers(headers, method, &subject, known) {
        return refuse(call, StatusCode::BAD_REQUEST, &rejection.0, Some(id)).await;
    }
    let given = state
        .gateway
        .modern_message(call, view, envelope, &meta, headers)
        .await;
    settled(state, parts, envelope.text.as_bytes(), given).await
}

/// Batches are of 2025-03-26, and there of whoever has a session that says so.
async fn batch(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
    bytes: &[u8],
) -> Response<Body> {
    if let Some(denied) = view.barred() {
        let refusing = state.gateway.refuse_barred(call, None, denied);
        return answer(state, parts, Box::pin(refusing).await);
    }
    let headers = &parts.headers;
    let no_batch = RpcError::new(code::INVALID_REQUEST, MessageError::Batch.to_string());
    let (Ok(Some(session)), Ok(None | Some(BATCHES))) =
        (sole(headers, &SESSION_ID), sole(headers, &PROTOCOL_VERSION))
    else {
        return refuse(call, StatusCode::BAD_REQUEST, &no_batch, None).await;
    };
    let client = match state
        .gateway
        .open_session_id(&call.principal, view, session)
    {
        Ok(client) if client.revision == Revision::V2025_03_26 => client,
        Ok(_) => return refuse(call, StatusCode::BAD_REQUEST, &no_batch, None).await,
        Err(refusal) => return unknown_session(call, refusal, None).await,
    };
    let texts = match parse_batch(bytes) {
        Ok(texts) => texts,
        Err(error) => {
            let error = RpcError::new(error.code(), error.to_string());
            return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        }
    };
    let home = Box::pin(at_home(state, parts, bytes, call, view, &client, None)).await;
    let call = match home {
        Ok(ours) => ours,
        Err(answered) => return *answered,
    };
    let taking = state
        .gateway
        .legacy_batch(call, view, &client, &texts, headers);
    answer(state, parts, taking.await)
}

async fn end_accepted(state: &ServerState, parts: &Parts, call: Call) -> Response<Body> {
    if call.close(portcullis_engine::audit::Outcome::Ok).await {
        answer(state, parts, portcullis_engine::Answer::Accepted)
    } else {
        crate::reply::text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}

async fn legacy(
    state: &ServerState,
    mut call: Call,
    view: &View,
    parts: &Parts,
    envelope: &Envelope<'_>,
    version: Option<Revision>,
) -> Response<Body> {
    let headers = &parts.headers;
    if matches!(
        envelope.kind,
        Kind::Request {
            method: "initialize",
            ..
        }
    ) {
        // Boxed: every call would carry its room otherwise.
        let opening = state.gateway.legacy_initialize(call, view, envelope);
        return answer(state, parts, Box::pin(opening).await);
    }
    let client = match sole(headers, &SESSION_ID) {
        Err(()) => {
            let error = RpcError::new(
                code::INVALID_REQUEST,
                "the Mcp-Session-Id header stands twice",
            );
            return refuse(call, StatusCode::BAD_REQUEST, &error, id_of(envelope)).await;
        }
        Ok(Some(session)) => match state
            .gateway
            .open_session_id(&call.principal, view, session)
        {
            Ok(client) => {
                let (body, id) = (envelope.text.as_bytes(), request_id(envelope));
                // Boxed: every call would carry its room otherwise.
                let home = Box::pin(at_home(state, parts, body, call, view, &client, id)).await;
                match home {
                    Ok(ours) => call = ours,
                    Err(answered) => return *answered,
                }
                client
            }
            Err(refusal) => return unknown_session(call, refusal, id_of(envelope)).await,
        },
        // Single requests without a session: what curl and LiteLLM's users send.
        Ok(None) => Arc::new(LegacyClient::without_session(
            version.unwrap_or(Revision::V2025_03_26),
            ClientCapabilities::none(),
        )),
    };
    let given = state
        .gateway
        .legacy_message(call, view, &client, envelope, headers)
        .await;
    settled(state, parts, envelope.text.as_bytes(), given).await
}

/// 404 tells a legacy client to initialize anew.
pub(crate) async fn unknown_session(
    call: Call,
    refusal: SessionRefusal,
    id: Option<&str>,
) -> Response<Body> {
    match refusal {
        SessionRefusal::NotFound => {
            let error = RpcError::new(code::INVALID_REQUEST, "Session not found");
            refuse(call, StatusCode::NOT_FOUND, &error, id).await
        }
        SessionRefusal::Unavailable => {
            end(
                call,
                portcullis_core::ErrorKind::Unavailable,
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
            )
            .await
        }
    }
}

pub(super) fn id_of<'a>(envelope: &Envelope<'a>) -> Option<&'a str> {
    envelope.kind.id()
}

fn request_id<'a>(envelope: &Envelope<'a>) -> Option<&'a str> {
    match envelope.kind {
        Kind::Request { id, .. } => Some(id.as_json()),
        Kind::Response { .. } | Kind::Notification { .. } => None,
    }
}
