//! How replicas reach each other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody};
use portcullis_server::handover::{Courier, Undelivered};

/// Time to connect: replicas are near each other.
const CONNECT: Duration = Duration::from_secs(2);
/// Time until the other one says that it takes a request.
const TAKEN: Duration = Duration::from_secs(5);
/// Longest silence of one that took a request; whoever works says so every ten seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// The one HTTP client, as the way to other replicas.
#[derive(Debug)]
pub(super) struct Messenger(Arc<dyn HttpClient>);

impl Messenger {
    pub(super) fn new(client: &Arc<dyn HttpClient>) -> Self {
        Self(Arc::clone(client))
    }
}

#[async_trait]
impl Courier for Messenger {
    async fn carry(
        &self,
        address: &str,
        path: &'static str,
        letter: Bytes,
    ) -> Result<Response<Body>, Undelivered> {
        let policy = EgressPolicy {
            // The operator's own address, which a process with their key ring has sealed.
            destination: Destination::Operator {
                allow_insecure_http: true,
            },
            connect_timeout: CONNECT,
            head_timeout: TAKEN,
            idle_timeout: SILENCE,
            max_body: None,
        };
        let address = address.trim_end_matches('/');
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{address}{path}"))
            .header("content-type", "application/octet-stream")
            .body(RequestBody::new(letter))
            .map_err(|_| Undelivered::Unreachable)?;
        match self.0.send(request, &policy).await {
            Ok(taken) if taken.status() == StatusCode::OK => Ok(taken.map(Body::new)),
            Ok(refused) => {
                tracing::error!(
                    status = refused.status().as_u16(),
                    "another replica does not take what is handed over to it: is it one of this gateway, and do the clocks agree?"
                );
                Err(Undelivered::NotTaken)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "another replica does not answer"
                );
                Err(if error.kind.is_before_send() {
                    Undelivered::Unreachable
                } else {
                    Undelivered::NotTaken
                })
            }
        }
    }
}
