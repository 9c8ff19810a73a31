//! HTTP+SSE of 2024-11-05: GET opens the stream that is the session, POST brings a message to it.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_engine::{Call, Elsewhere, SessionRefusal, SseRefusal, View};
use portcullis_mcp::{Envelope, MessageError, Revision, RpcError, SSE_REVISIONS, code};
use serde::Deserialize;

use super::accept::accepts_events;
use super::post::{id_of, refuse_body, unknown_session};
use super::refusal::refuse;
use super::session::no_events;
use super::sole;
use crate::handover::settled;
use crate::headers::PROTOCOL_VERSION;
use crate::query::query;
use crate::reply::answer;
use crate::state::ServerState;

/// The transport is of 2024-11-05, which has no batches, and 2025-03-26, which has them, replaced it.
const NO_BATCH: &str = "a batch is not taken over HTTP+SSE: send each message by itself, or speak \
                        2025-03-26 over Streamable HTTP, where batches are taken";

/// What a client was told to come back with.
#[derive(Deserialize)]
struct Handed {
    session_id: String,
}

/// Opens a stream.
pub(super) async fn stream(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
) -> Response<Body> {
    if !accepts_events(&parts.headers) {
        return no_events(call).await;
    }
    // As the client spells it: what it makes of this leads back to the same endpoint.
    let messages = format!("{}/messages", parts.uri.path());
    let opening = state.gateway.sse_stream(call, view, &messages);
    answer(state, parts, opening.await)
}

/// Takes a message. Its `Accept` is not looked at: what it asks is answered on the stream.
pub(super) async fn message(
    state: &ServerState,
    mut call: Call,
    view: &View,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    let headers = &parts.headers;
    let Ok(Handed { session_id }) = query::<Handed>(&parts.uri) else {
        let error = RpcError::new(
            code::INVALID_REQUEST,
            "the session_id of the stream's `endpoint` event is missing",
        );
        return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
    };
    let stream = match state
        .gateway
        .sse_session(&call.principal, view, &session_id)
    {
        Ok(session) => Ok(session),
        Err(SseRefusal::NotFound) => {
            return unknown_session(call, SessionRefusal::NotFound, None).await;
        }
        Err(SseRefusal::Elsewhere(owner)) => Err(owner),
    };
    let bytes = match state.read_body(&call, headers, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refuse_body(state, call, parts, refusal).await,
    };
    let session = match stream {
        Ok(session) => session,
        Err(owner) => {
            // Where the owner is gone the stream is, and so is the session.
            let elsewhere = Elsewhere::new(call, owner, Some(StatusCode::NOT_FOUND), None);
            return Box::pin(settled(state, parts, &bytes, elsewhere.into())).await;
        }
    };
    call.audit.request_bytes(bytes.len() as u64);
    let envelope = match Envelope::parse(&bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            let words = match error {
                MessageError::Batch => NO_BATCH.to_owned(),
                _ => error.to_string(),
            };
            let error = RpcError::new(error.code(), words);
            return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        }
    };
    if let Some(denied) = view.barred() {
        let refusing = state.gateway.refuse_barred(call, Some(&envelope), denied);
        return answer(state, parts, Box::pin(refusing).await);
    }
    if let Err(error) = spoken(parts) {
        return refuse(call, StatusCode::BAD_REQUEST, &error, id_of(&envelope)).await;
    }
    let taking = state
        .gateway
        .sse_message(call, view, &session, &envelope, headers);
    settled(state, parts, &bytes, Box::pin(taking).await).await
}

/// A client that names a revision names one of this transport; most name none.
fn spoken(parts: &Parts) -> Result<(), RpcError> {
    let version = sole(&parts.headers, &PROTOCOL_VERSION).map_err(|()| {
        RpcError::new(
            code::HEADER_MISMATCH,
            "the MCP-Protocol-Version header stands twice",
        )
    })?;
    match version {
        Some(version)
            if !version
                .parse::<Revision>()
                .is_ok_and(|revision| SSE_REVISIONS.contains(&revision)) =>
        {
            Err(portcullis_mcp::unsupported_version(version))
        }
        _ => Ok(()),
    }
}
