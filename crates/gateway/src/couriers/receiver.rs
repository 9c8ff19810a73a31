//! A receiver of HTTP requests, through the one door to the network.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use portcullis_config::AuditReceiver;
use portcullis_egress::{
    Destination, EgressError, EgressErrorKind, EgressPolicy, HttpClient, RequestBody,
};
use portcullis_engine::audit::{Undelivered, UndeliveredKind};

/// Where requests go, and with which credential.
#[derive(Clone)]
pub(crate) struct Receiver {
    client: Arc<dyn HttpClient>,
    uri: Uri,
    destination: Destination,
    authorization: Option<HeaderValue>,
}

impl Receiver {
    /// As the operator wrote it down.
    pub(crate) fn of(client: &Arc<dyn HttpClient>, to: &AuditReceiver) -> anyhow::Result<Self> {
        let authorization = match &to.authorization {
            Some(secret) => {
                let mut value = HeaderValue::from_str(secret.value.expose())?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self {
            client: Arc::clone(client),
            uri: Uri::try_from(to.url.as_str())?,
            destination: Destination::Operator {
                allow_insecure_http: to.allow_insecure_http,
            },
            authorization,
        })
    }

    /// Sends one body. What comes back with a success is handed on, anything else is a refusal.
    pub(super) async fn post(
        &self,
        kind: HeaderValue,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Bytes, Undelivered> {
        let mut request = Request::new(RequestBody::new(body));
        *request.method_mut() = http::Method::POST;
        request.uri_mut().clone_from(&self.uri);
        *request.headers_mut() = headers;
        request.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let policy = EgressPolicy::document(self.destination);
        let answer = self
            .client
            .send(request, &policy)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let retry_after = retry_after(answer.headers());
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(UndeliveredKind::TooLarge.into());
        }
        if !status.is_success() {
            return Err(Undelivered {
                why: UndeliveredKind::Refused(status.as_u16()),
                retry_after,
            });
        }
        // It has taken them, whatever becomes of what it says about it.
        Ok(answer.into_body().collect().await.unwrap_or_default())
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

pub(super) fn unreachable(error: &EgressError) -> Undelivered {
    let why = match error.kind {
        EgressErrorKind::Timeout => return UndeliveredKind::Late.into(),
        EgressErrorKind::Blocked => "address not allowed",
        EgressErrorKind::InvalidUrl => "invalid URL",
        EgressErrorKind::Dns => "name resolution",
        EgressErrorKind::Connect => "connection",
        EgressErrorKind::Tls => "TLS",
        EgressErrorKind::TooLarge => "answer too large",
        EgressErrorKind::Broken => "broken connection",
    };
    UndeliveredKind::Unreachable(why).into()
}

/// In seconds (RFC 9110 §10.2.3). A date is not heeded: the pauses double anyway.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
