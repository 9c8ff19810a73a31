//! The one HTTP client: hyper's pooled client behind our own connector.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::CertificateDer;

use crate::body::Bounded;
use crate::connect::{CONNECT_TIMEOUT, ConnectFailure, GuardedConnector};
use crate::roots::{RootSource, RootsError, client_config};
use crate::{
    Destination, EgressError, EgressErrorKind, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};

#[expect(
    clippy::disallowed_types,
    reason = "this is the one door to the network"
)]
type Pool = hyper_util::client::legacy::Client<GuardedConnector, RequestBody>;

/// How the client is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which certificate authorities are believed.
    pub roots: RootSource,
    /// Roots believed in addition, already in memory.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// How long a connection may lie idle before it is closed.
    pub pool_idle_timeout: Duration,
    /// How many idle connections are kept for one host and port.
    pub pool_max_idle_per_host: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            roots: RootSource::default(),
            extra_roots: Vec::new(),
            pool_idle_timeout: Duration::from_mins(1),
            pool_max_idle_per_host: 256,
        }
    }
}

impl Settings {
    /// Loads the roots and builds the client. Opens no connection.
    pub fn build(self) -> Result<EgressClient, RootsError> {
        let tls = client_config(&self.roots, self.extra_roots)?;
        let pool = |destination| {
            // Connections are driven by tasks of the pool, which end with it: a drain that waited
            // for them would wait for idle keep-alive.
            let mut builder = hyper_util::client::legacy::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(self.pool_idle_timeout)
                .pool_max_idle_per_host(self.pool_max_idle_per_host)
                // Concerns only requests that the dispatcher hands back untouched because a reused
                // connection had already closed; one that began to be written is never repeated.
                .retry_canceled_requests(true)
                // Many streams share one connection: find out when it is dead.
                .http2_keep_alive_interval(Duration::from_secs(20))
                .http2_keep_alive_timeout(Duration::from_secs(10));
            builder.build(GuardedConnector::new(destination, tls.clone()))
        };
        Ok(EgressClient {
            operator: pool(Destination::Operator {
                allow_insecure_http: false,
            }),
            operator_insecure: pool(Destination::Operator {
                allow_insecure_http: true,
            }),
            untrusted: pool(Destination::Untrusted {
                allow_loopback: false,
            }),
            untrusted_loopback: pool(Destination::Untrusted {
                allow_loopback: true,
            }),
        })
    }
}

/// The pooled client. HTTP/1.1, or HTTP/2 where the server chooses it by ALPN.
pub struct EgressClient {
    operator: Pool,
    operator_insecure: Pool,
    untrusted: Pool,
    untrusted_loopback: Pool,
}

impl EgressClient {
    const fn pool(&self, destination: Destination) -> &Pool {
        match destination {
            Destination::Operator {
                allow_insecure_http: false,
            } => &self.operator,
            Destination::Operator {
                allow_insecure_http: true,
            } => &self.operator_insecure,
            Destination::Untrusted {
                allow_loopback: false,
            } => &self.untrusted,
            Destination::Untrusted {
                allow_loopback: true,
            } => &self.untrusted_loopback,
        }
    }
}

impl fmt::Debug for EgressClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EgressClient")
    }
}

#[async_trait]
impl HttpClient for EgressClient {
    async fn send(
        &self,
        mut request: Request<RequestBody>,
        policy: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        let authority = requestable(&request)?;
        // The version of whatever request this one was made from says nothing about the upstream.
        *request.version_mut() = Version::HTTP_11;

        let exchange = CONNECT_TIMEOUT.scope(
            policy.connect_timeout,
            self.pool(policy.destination).request(request),
        );
        // The connector keeps `connect_timeout` itself; a pooled connection needs no set-up, and
        // hyper does not say which it was.
        let limit = policy.connect_timeout.saturating_add(policy.head_timeout);
        // Whoever bounds the exchange as a whole asks for no second timer on the hot path.
        let answered = if limit == Duration::MAX {
            Ok(exchange.await)
        } else {
            tokio::time::timeout(limit, exchange).await
        };
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failed(&authority, error)),
            Err(late) => {
                return Err(EgressError::caused(
                    EgressErrorKind::Timeout,
                    &authority,
                    late,
                ));
            }
        };
        Ok(response.map(|body| {
            ResponseBody::bounded(Bounded::new(
                body,
                authority,
                policy.max_body,
                policy.idle_timeout,
            ))
        }))
    }
}

/// The authority of a URL that can be requested at all: absolute, http or https, without userinfo.
fn requestable(request: &Request<RequestBody>) -> Result<Authority, EgressError> {
    let uri = request.uri();
    let authority = uri.authority().filter(|authority| {
        !authority.as_str().contains('@')
            && !authority.host().is_empty()
            && (uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS))
            && request.method() != Method::CONNECT
    });
    authority.cloned().ok_or_else(|| EgressError {
        kind: EgressErrorKind::InvalidUrl,
        host: uri
            .authority()
            .map(|authority| host_and_port(authority.as_str()).to_owned())
            .unwrap_or_default(),
        source: None,
    })
}

/// An authority without its userinfo, which may be a password.
fn host_and_port(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// A failure of the connector says itself what it was, so that the layers which only carried it need
/// not be named; everything later may have reached the peer.
fn failed(authority: &Authority, error: hyper_util::client::legacy::Error) -> EgressError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(failure) = current.downcast_ref::<ConnectFailure>() {
            let source = failure.source.clone();
            return EgressError {
                source: source.map(|source| Box::new(source) as Box<_>),
                ..EgressError::new(failure.kind, authority)
            };
        }
        cause = current.source();
    }
    EgressError::caused(EgressErrorKind::Broken, authority, error)
}
