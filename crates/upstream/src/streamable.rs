//! Streamable HTTP: each message is an exchange of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use portcullis_egress::{EgressPolicy, HttpClient, RequestBody, ResponseBody};
use portcullis_mcp::{Envelope, Kind, Revision};

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server::UpstreamServer;
use crate::stream::EventStream;
use crate::transport::{Outgoing, Presents, Reply, Unsent};

/// Largest JSON answer, and largest body of a refusal that we read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const MAX_REFUSAL: usize = 64 * 1024;

/// Headers that hardly any request adds more of.
const OUR_HEADERS: usize = 8;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// One MCP endpoint.
#[derive(Debug)]
pub(crate) struct StreamableHttp {
    pub(crate) server: Arc<UpstreamServer>,
    pub(crate) uri: Uri,
    client: Arc<dyn HttpClient>,
    policy: EgressPolicy,
    version: [(Revision, HeaderValue); 5],
}

impl StreamableHttp {
    pub(crate) fn new(server: Arc<UpstreamServer>, uri: Uri, client: Arc<dyn HttpClient>) -> Self {
        let policy = server.egress_policy();
        let version = [
            Revision::V2024_11_05,
            Revision::V2025_03_26,
            Revision::V2025_06_18,
            Revision::V2025_11_25,
            Revision::V2026_07_28,
        ]
        .map(|revision| (revision, HeaderValue::from_static(revision.as_str())));
        Self {
            server,
            uri,
            client,
            policy,
            version,
        }
    }

    pub(crate) fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        self.server.error(kind)
    }

    /// POSTs one message.
    pub(crate) async fn post(
        &self,
        presents: &dyn Presents,
        session: Option<&HeaderValue>,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        let mut headers = outgoing.headers;
        // Ours, the credential's and those of HTTP itself: room for all is made once.
        headers.reserve(OUR_HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        self.address(&mut headers, outgoing.revision, session);
        let request = self.request(presents, Method::POST, &self.uri, headers, outgoing.body)?;
        let exchange = async {
            let response = self.send(request).await?;
            self.read(response, session.is_some()).await
        };
        self.within(self.server.timeout, exchange).await
    }

    /// POSTs `initialize`: the one exchange whose response headers matter. Also the name of the
    /// session, if it has one.
    pub(crate) async fn initialize(
        &self,
        presents: &dyn Presents,
        body: Bytes,
    ) -> Result<(Option<HeaderValue>, Reply), UpstreamError> {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        let request = self.request(presents, Method::POST, &self.uri, headers, body)?;
        let response = self.send(request).await?;
        let session = response.headers().get(SESSION_ID).cloned();
        match self.read(response, false).await? {
            // A server that does not know `initialize`, or wants another revision's form.
            Reply::Message { status, .. } if !status.is_success() => {
                Err(self.error(UpstreamErrorKind::Era))
            }
            reply => Ok((session, reply)),
        }
    }

    /// Opens the stream for messages that belong to no request, or resumes one after an event.
    /// `None`: the server offers no such stream (405).
    pub(crate) async fn get(
        &self,
        presents: &dyn Presents,
        revision: Revision,
        session: Option<&HeaderValue>,
        last_event_id: Option<HeaderValue>,
    ) -> Result<Option<EventStream>, UpstreamError> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.address(&mut headers, Some(revision), session);
        if let Some(id) = last_event_id {
            headers.insert(LAST_EVENT_ID, id);
        }
        let request = self.request(presents, Method::GET, &self.uri, headers, Bytes::new())?;
        let response = self.within(self.server.timeout, self.send(request)).await?;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Ok(None);
        }
        match self.read(response, session.is_some()).await? {
            Reply::Stream(stream) => Ok(Some(stream)),
            Reply::Accepted | Reply::Message { .. } => {
                Err(self.error(UpstreamErrorKind::BadAnswer))
            }
        }
    }

    /// Ends a session; a server that does not allow it (405) is content too.
    pub(crate) async fn delete(
        &self,
        presents: &dyn Presents,
        revision: Revision,
        session: &HeaderValue,
    ) -> Result<(), UpstreamError> {
        let mut headers = HeaderMap::with_capacity(6);
        self.address(&mut headers, Some(revision), Some(session));
        let request = self.request(presents, Method::DELETE, &self.uri, headers, Bytes::new())?;
        self.within(self.server.timeout, self.send(request))
            .await
            .map(drop)
    }

    /// Opens the one stream of an HTTP+SSE session, or resumes it after an event. Silence is no sign
    /// of its end: whoever waits on it has a time-out of their own.
    pub(crate) async fn open_channel(
        &self,
        presents: &dyn Presents,
        last_event_id: Option<HeaderValue>,
    ) -> Result<EventStream, UpstreamError> {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id {
            headers.insert(LAST_EVENT_ID, id);
        }
        let request = self.request(presents, Method::GET, &self.uri, headers, Bytes::new())?;
        let policy = EgressPolicy {
            idle_timeout: Duration::MAX,
            ..self.policy.clone()
        };
        let sent = self.client.send(request, &policy).await;
        let response = sent.map_err(|error| UpstreamError::egress(&self.server.id, error))?;
        match self.read(response, false).await? {
            Reply::Stream(stream) => Ok(stream),
            Reply::Accepted | Reply::Message { .. } => {
                Err(self.error(UpstreamErrorKind::BadAnswer))
            }
        }
    }

    /// POSTs one message of an HTTP+SSE session. What answers it comes on the stream, so only the
    /// status counts.
    pub(crate) async fn post_to_channel(
        &self,
        presents: &dyn Presents,
        uri: &Uri,
        revision: Option<Revision>,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), UpstreamError> {
        headers.reserve(OUR_HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.address(&mut headers, revision, None);
        let request = self.request(presents, Method::POST, uri, headers, body)?;
        let exchange = async {
            let response = self.send(request).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            match self.read(response, true).await {
                Err(error) => Err(error),
                Ok(_) => Err(self.error(UpstreamErrorKind::Status(status.as_u16()))),
            }
        };
        self.within(self.server.timeout, exchange).await
    }

    fn address(
        &self,
        headers: &mut HeaderMap,
        revision: Option<Revision>,
        session: Option<&HeaderValue>,
    ) {
        if let Some((_, value)) = self
            .version
            .iter()
            .find(|(known, _)| Some(*known) == revision)
        {
            headers.insert(PROTOCOL_VERSION, value.clone());
        }
        if let Some(session) = session {
            headers.insert(SESSION_ID, session.clone());
        }
    }

    /// The finished request: the credential comes last, because it may be a signature of the rest.
    fn request(
        &self,
        presents: &dyn Presents,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<RequestBody>, UpstreamError> {
        let unsent = Unsent {
            method: &method,
            uri,
            headers: &mut headers,
            body: &body,
        };
        presents
            .present(unsent)
            .map_err(|error| UpstreamError::not_presented(&self.server.id, error))?;
        let mut request = Request::new(RequestBody::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        self.client
            .send(request, &self.policy)
            .await
            .map_err(|error| UpstreamError::egress(&self.server.id, error))
    }

    /// Bounds a whole JSON exchange. A stream leaves this bound as soon as its head is there.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        exchange: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(self.error(UpstreamErrorKind::Timeout)),
        }
    }

    /// Tells the kinds of answer apart.
    async fn read(
        &self,
        response: Response<ResponseBody>,
        in_session: bool,
    ) -> Result<Reply, UpstreamError> {
        let (head, body) = response.into_parts();
        let media_type = media_type(&head.headers);
        match head.status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(Reply::Accepted),
            StatusCode::OK if media_type == MediaType::EventStream => Ok(Reply::Stream(
                EventStream::new(self.server.id.clone(), body),
            )),
            StatusCode::OK if media_type == MediaType::Json => {
                let body = self.collect(body, MAX_ANSWER).await?;
                Ok(Reply::Message {
                    status: StatusCode::OK,
                    body,
                })
            }
            // An empty 200 to a notification is common enough to be understood.
            StatusCode::OK => match self.collect(body, MAX_REFUSAL).await? {
                empty if empty.is_empty() => Ok(Reply::Accepted),
                _ => Err(self.error(UpstreamErrorKind::BadAnswer)),
            },
            StatusCode::UNAUTHORIZED => Err(self
                .error(UpstreamErrorKind::Unauthorized)
                .challenging(&head.headers)),
            StatusCode::FORBIDDEN => Err(self
                .error(forbidden(&head.headers))
                .challenging(&head.headers)),
            StatusCode::TOO_MANY_REQUESTS => Err(self.error(UpstreamErrorKind::RateLimited)),
            StatusCode::NOT_FOUND if in_session => Err(self.error(UpstreamErrorKind::SessionLost)),
            // The revisions define 4xx statuses whose body is the JSON-RPC answer.
            status if status.is_client_error() && media_type == MediaType::Json => {
                let body = self.collect(body, MAX_REFUSAL).await?;
                let is_answer = Envelope::parse(&body)
                    .is_ok_and(|envelope| matches!(envelope.kind, Kind::Response { .. }));
                if is_answer {
                    Ok(Reply::Message { status, body })
                } else {
                    Err(self.error(UpstreamErrorKind::Status(status.as_u16())))
                }
            }
            status => Err(self.error(UpstreamErrorKind::Status(status.as_u16()))),
        }
    }

    async fn collect(&self, mut body: ResponseBody, most: usize) -> Result<Bytes, UpstreamError> {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| UpstreamError::egress(&self.server.id, error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if first.len() + all.len() + data.len() > most {
                return Err(self.error(UpstreamErrorKind::TooLarge));
            }
            // Nearly every answer arrives as one frame: no copy then.
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&std::mem::take(&mut first));
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

/// What a 403 is about. Services of AWS answer so where others answer 401, and name in a header what
/// they found before they did anything.
pub(crate) fn forbidden(headers: &HeaderMap) -> UpstreamErrorKind {
    let named = headers
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(':').next())
        .and_then(|value| value.rsplit('#').next());
    match named {
        Some(
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException",
        ) => UpstreamErrorKind::KeysRefused,
        Some(
            "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "SignatureDoesNotMatch",
        ) => UpstreamErrorKind::SignatureRefused,
        _ => UpstreamErrorKind::Forbidden,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MediaType {
    Json,
    EventStream,
    Other,
}

fn media_type(headers: &HeaderMap) -> MediaType {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .unwrap_or_default();
    if essence.eq_ignore_ascii_case("application/json") {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case("text/event-stream") {
        MediaType::EventStream
    } else {
        MediaType::Other
    }
}
