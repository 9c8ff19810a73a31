//! One exchange with an issuer, of which nothing reaches an error or a log but its class.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode, Uri};
use portcullis_egress::{Destination, EgressError, EgressPolicy, HttpClient, RequestBody};
use url::Url;

/// Longest for a whole exchange: an issuer that drips is not waited for.
const WHOLE_EXCHANGE: Duration = Duration::from_secs(10);

/// Why no document came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDocument {
    /// The URL cannot be requested.
    #[error("the URL cannot be requested")]
    Url(#[source] http::uri::InvalidUri),
    /// The client refused, or the connection failed.
    #[error("no answer")]
    Egress(#[from] EgressError),
    /// It took too long as a whole.
    #[error("the answer took too long")]
    Late,
    /// An answer, but not the document. Redirects are among them: nobody vouches for where they lead.
    #[error("status {0}")]
    Status(StatusCode),
}

impl NoDocument {
    /// Whether the issuer says that there is nothing at this place.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self, Self::Status(status) if status.as_u16() / 100 == 4)
    }
}

/// Sends, and reads the body of a 200 to its end.
pub(crate) async fn exchange(
    http: &dyn HttpClient,
    url: &Url,
    destination: Destination,
    mut request: Request<RequestBody>,
) -> Result<Bytes, NoDocument> {
    *request.uri_mut() = Uri::try_from(url.as_str()).map_err(NoDocument::Url)?;
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    let policy = EgressPolicy::document(destination);
    let whole = async {
        let response = http.send(request, &policy).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body().collect().await?),
            other => Err(NoDocument::Status(other)),
        }
    };
    tokio::time::timeout(WHOLE_EXCHANGE, whole)
        .await
        .unwrap_or(Err(NoDocument::Late))
}
