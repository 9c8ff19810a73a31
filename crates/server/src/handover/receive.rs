//! The listener of the other replicas: a letter in, the same doors as everybody's behind it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use rustls_pki_types::CertificateDer;
use tower::Service;

use super::letter::{self, Letter};
use super::seldom::Seldom;
use super::{NEWS, PATH, news, reply, showing};
use crate::layers::Guarded;
use crate::listen::{PeerAddr, PeerCertificate, ServerTls};
use crate::reply::text_error;

/// On a request: another replica received it and handed it over. On a response: it is another's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandedOver;

/// Receives what other replicas hand over. Nothing else is served here, and nothing is believed that they
/// did not seal.
#[derive(Clone, Debug)]
pub struct Receiver {
    doors: Guarded,
    /// The TLS of the callers' listener: by its authorities their certificates are judged.
    tls: Option<Arc<ServerTls>>,
    /// Whoever reaches this port can send what is no letter.
    refusals: Arc<Seldom>,
}

impl Receiver {
    /// In front of these doors, whose listener has this TLS.
    pub fn new(doors: Guarded, tls: Option<Arc<ServerTls>>) -> Self {
        Self {
            doors,
            tls,
            refusals: Arc::default(),
        }
    }

    async fn receive(self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if !matches!(path, PATH | NEWS) || parts.method != Method::POST {
            return text_error(StatusCode::NOT_FOUND, "not_found");
        }
        let state = self.doors.state();
        let unreadable = || text_error(StatusCode::BAD_REQUEST, "unreadable");
        if path == NEWS {
            let reading = Limited::new(body, news::LONGEST).collect();
            let Ok(Ok(letter)) = tokio::time::timeout(state.body_timeout, reading).await else {
                return unreadable();
            };
            return news::hear(state, &letter.to_bytes());
        }
        let reading = letter::read(state.gateway.replicas(), body, state.max_body);
        let Ok(letter) = tokio::time::timeout(state.body_timeout, reading).await else {
            return unreadable();
        };
        let Some(letter) = letter else {
            if let Some(left_out) = self.refusals.due(state.clock.monotonic()) {
                tracing::warn!(
                    left_out,
                    "something was handed over that no replica of this gateway sealed for this one"
                );
            }
            return text_error(StatusCode::FORBIDDEN, "handover_not_accepted");
        };
        let id = letter.request;
        let request = self.unpack(letter);
        let mut doors = self.doors;
        showing(reply::taken(doors.call(request)), id)
    }

    /// The request as it reached the other replica.
    fn unpack(&self, letter: Letter) -> Request {
        let mut request = Request::new(Body::from(letter.body));
        *request.method_mut() = letter.method;
        *request.uri_mut() = letter.uri;
        *request.headers_mut() = letter.headers;
        let extensions = request.extensions_mut();
        extensions.insert(letter.request);
        extensions.insert(HandedOver);
        if let Some(peer) = letter.peer {
            extensions.insert(PeerAddr(peer));
        }
        // Where the other listener asks for none, ours still decides whether there must be one.
        if let Some(tls) = &self.tls {
            let chain = letter.chain.unwrap_or_default().into_iter();
            let chain: Vec<_> = chain.map(CertificateDer::from).collect();
            extensions.insert(PeerCertificate::new(Some(&chain), tls));
        }
        request
    }
}

impl Service<Request> for Receiver {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.receive(request).await) })
    }
}
