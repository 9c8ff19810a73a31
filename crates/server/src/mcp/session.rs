//! GET and DELETE: a legacy session's own stream, and its end. Without a session neither exists.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::{Call, LegacyClient, View};
use portcullis_mcp::{LEGACY_REVISIONS, Revision, RpcError, code};

use super::accept::accepts_events;
use super::post::unknown_session;
use super::refusal::refuse;
use super::{not_allowed, sole};
use crate::handover::{at_home, settled};
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
    let (call, client) = match open(state, call, view, parts).await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    if !accepts_events(headers) {
        return no_events(call).await;
    }
    let Ok(last_event_id) = sole(headers, &LAST_EVENT_ID) else {
        let error = RpcError::new(
            code::INVALID_REQUEST,
            "the Last-Event-ID header stands twice",
        );
        return refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
    };
    let given = state
        .gateway
        .legacy_stream(call, view, &client, last_event_id)
        .await;
    settled(state, parts, &[], given).await
}

/// Whoever cannot read a stream gets none.
pub(super) async fn no_events(call: Call) -> Response<Body> {
    let error = RpcError::new(
        code::INVALID_REQUEST,
        "Not Acceptable: Accept must include text/event-stream",
    );
    refuse(call, StatusCode::NOT_ACCEPTABLE, &error, None).await
}

pub(super) async fn delete(
    state: &ServerState,
    call: Call,
    view: &View,
    parts: &Parts,
) -> Response<Body> {
    match open(state, call, view, parts).await {
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
    parts: &Parts,
) -> Result<(Call, Arc<LegacyClient>), Box<Response<Body>>> {
    let headers = &parts.headers;
    let Ok(version) = sole(headers, &PROTOCOL_VERSION) else {
        let error = RpcError::new(
            code::HEADER_MISMATCH,
            "the MCP-Protocol-Version header stands twice",
        );
        let refusal = refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        return Err(Box::new(refusal));
    };
    let revision = version.map(str::parse::<Revision>);
    let modern = matches!(revision, Some(Ok(revision)) if revision.is_modern());
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
    let spoken =
        revision.is_none_or(|known| known.is_ok_and(|known| LEGACY_REVISIONS.contains(&known)));
    if let Some(version) = version.filter(|_| !spoken) {
        let error = portcullis_mcp::unsupported_version(version);
        let refusal = refuse(call, StatusCode::BAD_REQUEST, &error, None).await;
        return Err(Box::new(refusal));
    }
    match state
        .gateway
        .open_session_id(&call.principal, view, session)
    {
        Ok(client) => {
            let call = at_home(state, parts, &[], call, view, &client, None).await?;
            Ok((call, client))
        }
        Err(refusal) => Err(Box::new(unknown_session(call, refusal, None).await)),
    }
}
