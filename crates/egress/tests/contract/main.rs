//! What `HttpClient` promises, told against real loopback sockets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the fixtures of an integration test are test code too"
)]

mod addresses;
mod exchange;
mod http2;
mod peer;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use portcullis_egress::{
    Destination, EgressClient, EgressPolicy, RequestBody, RootSource, Settings,
};

pub(crate) const OPERATOR: Destination = Destination::Operator {
    allow_insecure_http: false,
};
pub(crate) const STRANGER: Destination = Destination::Untrusted {
    allow_loopback: false,
};

pub(crate) fn no_roots() -> RootSource {
    RootSource {
        native: false,
        ..RootSource::default()
    }
}

pub(crate) fn client() -> EgressClient {
    Settings {
        roots: no_roots(),
        ..Settings::default()
    }
    .build()
    .unwrap()
}

pub(crate) fn policy(destination: Destination) -> EgressPolicy {
    EgressPolicy::document(destination)
}

/// A policy whose waits are short enough to be waited for.
pub(crate) fn impatient(destination: Destination) -> EgressPolicy {
    EgressPolicy {
        connect_timeout: Duration::from_millis(50),
        head_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        ..EgressPolicy::document(destination)
    }
}

pub(crate) fn get(uri: http::Uri) -> Request<RequestBody> {
    Request::get(uri).body(RequestBody::default()).unwrap()
}

pub(crate) fn post(uri: http::Uri) -> Request<RequestBody> {
    Request::post(uri)
        .body(RequestBody::new(Bytes::from_static(b"transfer=1")))
        .unwrap()
}
