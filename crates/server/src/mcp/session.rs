//! GET and DELETE: a legacy session's own stream, and its end. Without a session neither exists.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, HeaderMap};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::{Call, LegacyClient, View};
use portcullis_mcp::{Revision, RpcError, code};

use super::post::unknown_session;
use super::refusal::refuse;
use super::{not_allowed, sole};
use crate::headers::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID};
use crate::reply::{answer, text_error};
use crate::state::ServerState;

pub(super) async fn get(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
) -> Response<Body> {
    let headers = &parts.headers;
    let (call, client) = match open(state, call, view, headers).await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let accepts_events = headers.get_all(ACCEPT).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.contains("text/event-stream") || value.contains("*/*"))
    });
    if !accepts_events {
        let error = RpcError::new(
            code::INVALID_REQUEST,
            "Not Acceptable: Accept must include text/event-stream",
        );
        return refuse(call, StatusCode::NOT_ACCEPTABLE, &error, None).await;
    }
    let Ok(last_event_id) = sole(headers, &LAST_EVENT_ID) else {
        let error = RpcError::new(
            code::INVALID_REQUEST,
            "the Last-Event-ID header stands twice",
        );
        return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
    };
    answer(
        state,
        parts,
        state
            .gateway
            .legacy_stream(call, view, &client, last_event_id)
            .await,
    )
}

pub(super) async fn delete(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
) -> Response<Body> {
    let headers = &parts.headers;
    match open(state, call, view, headers).await {
        Ok((call, client)) => answer(
            state,
            parts,
            state.gateway.legacy_delete(call, &client).await,
        ),
        Err(refusal) => *refusal,
    }
}

async fn open(
    state: &ServerState,
    call: Call,
    view: &View,
    headers: &HeaderMap,
) -> Result<(Call, Arc<LegacyClient>), Box<Response<Body>>> {
    let modern = sole(headers, &PROTOCOL_VERSION)
        .ok()
        .flatten()
        .and_then(|version| version.parse::<Revision>().ok())
        .is_some_and(Revision::is_modern);
    let session = match sole(headers, &SESSION_ID) {
        Ok(Some(session)) if !modern => session,
        Ok(_) => {
            let refusal = if call.close(ErrorKind::Invalid.into()).await {
                not_allowed("POST")
            } else {
                text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            };
            return Err(Box::new(refusal));
        }
        Err(()) => {
            let error = RpcError::new(
                code::INVALID_REQUEST,
                "the Mcp-Session-Id header stands twice",
            );
            return Err(Box::new(
                refuse(call, StatusCode::BAD_REQUEST, &error, None).await,
            ));
        }
    };
    match state
        .gateway
        .open_session_id(&call.principal, view, session)
    {
        Ok(client) => Ok((call, client)),
        Err(refusal) => Err(Box::new(unknown_session(call, refusal, None).await)),
    }
}
