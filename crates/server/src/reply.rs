//! Small responses that several surfaces give.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use portcullis_engine::Answer;
use portcullis_engine::audit::Surface;

use crate::challenge::{Flaw, challenge, told};
use crate::headers::SESSION_ID;
use crate::state::ServerState;

pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let body: Bytes = body.into();
    let empty = body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if !empty {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// `{"error": "<code>"}`: the same bytes for every reason that is no business of the caller's.
pub(crate) fn text_error(status: StatusCode, error: &'static str) -> Response<Body> {
    json(status, format!(r#"{{"error":"{error}"}}"#))
}

/// An engine's answer over HTTP. Streams are handed on item by item.
pub(crate) fn answer(state: &ServerState, parts: &Parts, answer: Answer) -> Response<Body> {
    match answer {
        Answer::InsufficientScope { body, required } => {
            let flaw = Flaw::InsufficientScope(&required);
            let mut response = json(StatusCode::FORBIDDEN, body);
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                challenge(state, parts, Surface::Mcp, &flaw),
            );
            response
        }
        Answer::Unauthenticated {
            body,
            challenge: whose,
        } => {
            let value = told(state, parts, Surface::Mcp, whose);
            let mut response = json(StatusCode::UNAUTHORIZED, body);
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
            response
        }
        Answer::Limited {
            body,
            retry_after_secs,
        } => {
            let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
            if let Some(secs) = retry_after_secs {
                response.headers_mut().insert(RETRY_AFTER, secs.into());
            }
            response
        }
        Answer::Accepted => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        Answer::Json {
            status,
            body,
            session,
        } => {
            let mut response = json(status, body);
            if let Some(session) = session.and_then(|session| HeaderValue::from_str(&session).ok())
            {
                response.headers_mut().insert(&SESSION_ID, session);
            }
            response
        }
        // Only who has the request can hand it over.
        Answer::Elsewhere(_) => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Answer::Stream(stream) => {
            let body = Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>));
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(
                "cache-control",
                HeaderValue::from_static("no-cache, no-store"),
            );
            // Proxies on the way shall not buffer it (2026-07-28 "Streamable HTTP").
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    }
}
