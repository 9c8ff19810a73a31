//! What a server says to somebody without a credential: where its metadata is (RFC 9728 §5.1) and
//! which scopes it wants.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use portcullis_egress::{EgressPolicy, RequestBody};
use portcullis_oauth::Challenge;

use crate::broker::{Door, pair};
use crate::discovery::Trust;
use crate::document::uri;
use crate::{ServerAuth, StaticHeader};

/// What a server of every revision has an answer to, and what one wants a credential for that greets
/// everybody. The second is asked only where the first is not refused.
const QUESTIONS: [&[u8]; 2] = [
    br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"portcullis-authorization-probe","version":"1"}}}"#,
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
];

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

impl Door {
    /// The server's challenge. A server that has none for us here, or does not answer, is no reason
    /// to stop: its metadata has a well-known place too.
    pub(super) async fn challenge(&self, auth: &ServerAuth, trust: &Trust<'_>) -> Challenge {
        let mut session = None;
        for question in QUESTIONS {
            let body = RequestBody::new(Bytes::from_static(question));
            let Some(request) = request(auth, trust, Method::POST, body, session.as_ref()) else {
                break;
            };
            let policy = EgressPolicy::document(trust.destination(trust.server_url));
            match self.http.send(request, &policy).await {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                    self.leave(auth, trust, session).await;
                    let values = response.headers().get_all(WWW_AUTHENTICATE);
                    return Challenge::parse_bearer(values).unwrap_or_default();
                }
                Ok(response) => {
                    session = response.headers().get(SESSION).cloned().or(session);
                }
                Err(error) => {
                    tracing::debug!(mcp.server.id = %auth.server, %error, "no challenge to be had");
                    break;
                }
            }
        }
        self.leave(auth, trust, session).await;
        Challenge::default()
    }

    /// Ends the session that a server opened for who only asked; whether it does is its own affair.
    async fn leave(&self, auth: &ServerAuth, trust: &Trust<'_>, session: Option<HeaderValue>) {
        let body = RequestBody::default();
        if let Some(session) = session
            && let Some(request) = request(auth, trust, Method::DELETE, body, Some(&session))
        {
            let policy = EgressPolicy::document(trust.destination(trust.server_url));
            if let Err(error) = self.http.send(request, &policy).await {
                tracing::debug!(mcp.server.id = %auth.server, %error, "a session is left open");
            }
        }
    }
}

fn request(
    auth: &ServerAuth,
    trust: &Trust<'_>,
    method: Method,
    body: RequestBody,
    session: Option<&HeaderValue>,
) -> Option<Request<RequestBody>> {
    let mut request = Request::new(body);
    *request.uri_mut() = uri(trust.server_url).ok()?;
    *request.method_mut() = method;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = "application/json, text/event-stream";
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    if let Some(session) = session {
        headers.insert(SESSION, session.clone());
    }
    let fixed: &[StaticHeader] = &auth.static_headers;
    headers.extend(fixed.iter().map(pair));
    Some(request)
}
