//! What a server says to somebody without a credential: where its metadata is (RFC 9728 §5.1) and
//! which scopes it wants.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode};
use portcullis_egress::{EgressPolicy, RequestBody};
use portcullis_oauth::Challenge;

use crate::broker::{Door, pair};
use crate::discovery::Trust;
use crate::document::uri;
use crate::{ServerAuth, StaticHeader};

/// The one request that servers of every revision have an answer to.
const HELLO: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"portcullis-authorization-probe","version":"1"}}}"#;

impl Door {
    /// The server's challenge. A server that has none for us here, or does not answer, is no reason
    /// to stop: its metadata has a well-known place too.
    pub(super) async fn challenge(&self, auth: &ServerAuth, trust: &Trust<'_>) -> Challenge {
        let mut request = Request::new(RequestBody::new(Bytes::from_static(HELLO)));
        let Ok(target) = uri(trust.server_url) else {
            return Challenge::default();
        };
        *request.uri_mut() = target;
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = "application/json, text/event-stream";
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let fixed: &[StaticHeader] = &auth.static_headers;
        headers.extend(fixed.iter().map(pair));
        let policy = EgressPolicy::document(trust.destination(trust.server_url));
        match self.http.send(request, &policy).await {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                let values = response.headers().get_all(WWW_AUTHENTICATE);
                Challenge::parse_bearer(values).unwrap_or_default()
            }
            Ok(_) => Challenge::default(),
            Err(error) => {
                tracing::debug!(mcp.server.id = %auth.server, %error, "no challenge to be had");
                Challenge::default()
            }
        }
    }
}
