//! Asking for one small JSON document, from which nothing reaches an error or a log.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody, ResponseBody};
use url::Url;

use crate::CredentialErrorKind;
use crate::error::Failure;

/// Longest for a whole exchange: a peer that drips is not waited for.
const WHOLE_EXCHANGE: Duration = Duration::from_secs(30);

/// What came back, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the server says that it cannot answer now.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status.is_server_error()
            || matches!(
                self.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            )
    }
}

/// The URI of a URL, without fragment.
pub(crate) fn uri(url: &Url) -> Result<Uri, Failure> {
    Uri::try_from(url.as_str())
        .map_err(|error| Failure::new(CredentialErrorKind::NotAllowed).because(error))
}

/// Sends and reads to the end.
pub(crate) async fn exchange(
    http: &dyn HttpClient,
    mut request: Request<RequestBody>,
    destination: Destination,
) -> Result<Answer, Failure> {
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    let policy = EgressPolicy::document(destination);
    let whole = async {
        let response = http.send(request, &policy).await?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = match response.into_body().collect().await {
            Ok(body) => body,
            // The status says enough.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(error) => return Err(Failure::from(error)),
        };
        Ok(Answer {
            status,
            body,
            retry_after,
        })
    };
    tokio::time::timeout(WHOLE_EXCHANGE, whole)
        .await
        .unwrap_or_else(|late| Err(Failure::new(CredentialErrorKind::Unavailable).because(late)))
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). A date is left to our own back-off.
fn retry_after(response: &Response<ResponseBody>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
