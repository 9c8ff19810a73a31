//! A call of a tool: one request to the API. It is never sent twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody, ResponseBody};
use portcullis_mcp::{Envelope, RpcError, code};
use portcullis_openapi::{Api, ApiAnswer, ApiRequest, ChosenBy, refusal_of, result_of};

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server::UpstreamServer;
use crate::streamable::forbidden;
use crate::transport::{Presents, Unsent};

/// Who asks; some APIs answer nobody who does not say.
pub(super) const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Largest answer, and as much of a refusal as is read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const MAX_REFUSAL: usize = 64 * 1024;

/// Makes the requests of one server.
#[derive(Debug)]
pub(super) struct ApiCalls {
    server: Arc<UpstreamServer>,
    client: Arc<dyn HttpClient>,
    operators: EgressPolicy,
    /// Where a document leads that nobody wrote into the file: https to public addresses.
    documents: EgressPolicy,
}

/// What came back from the API.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl ApiCalls {
    pub(super) fn new(server: Arc<UpstreamServer>, client: Arc<dyn HttpClient>) -> Self {
        let operators = EgressPolicy {
            // One that is never silent for so long is bounded as a whole.
            idle_timeout: Duration::MAX,
            ..server.egress_policy()
        };
        Self {
            documents: EgressPolicy {
                destination: Destination::Untrusted {
                    allow_loopback: false,
                },
                ..operators.clone()
            },
            operators,
            server,
            client,
        }
    }

    /// The members of a `CallToolResult`, or the protocol's own refusal.
    pub(super) async fn call(
        &self,
        presents: &dyn Presents,
        api: &Api,
        envelope: &Envelope<'_>,
        headers: &HeaderMap,
    ) -> Result<Result<String, RpcError>, UpstreamError> {
        let invalid = |why: &str| Ok(Err(RpcError::new(code::INVALID_PARAMS, why)));
        let Some(params) = envelope.params() else {
            return invalid("`params` is missing");
        };
        let name = params.string("name").unwrap_or_default();
        let Some(tool) = api.tool(&name) else {
            return invalid("Unknown tool");
        };
        let request = match tool.request(params.get("arguments")) {
            Ok(request) => request,
            // For the model, which can do better.
            Err(bad) => return Ok(Ok(refusal_of(&bad))),
        };
        let exchange = self.send(presents, request, super::trace(headers));
        let answered = tokio::time::timeout(self.server.timeout, exchange)
            .await
            .map_err(|_| self.server.error(UpstreamErrorKind::Timeout))??;
        let text = |name: HeaderName| answered.headers.get(name)?.to_str().ok();
        let answer = ApiAnswer {
            status: answered.status.as_u16(),
            media_type: text(CONTENT_TYPE),
            retry_after: text(RETRY_AFTER),
            body: &answered.body,
        };
        Ok(Ok(result_of(tool, &answer)))
    }

    async fn send(
        &self,
        presents: &dyn Presents,
        api: ApiRequest,
        trace: Option<&HeaderValue>,
    ) -> Result<Answered, UpstreamError> {
        let policy = match api.chosen_by {
            ChosenBy::Operator => &self.operators,
            ChosenBy::File | ChosenBy::Document => &self.documents,
        };
        let mut headers = api.headers;
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        }
        if let Some(trace) = trace {
            headers.insert("traceparent", trace.clone());
        }
        let unsent = Unsent {
            method: &api.method,
            uri: &api.uri,
            headers: &mut headers,
            body: &api.body,
        };
        presents
            .present(unsent)
            .map_err(|error| UpstreamError::not_presented(&self.server.id, error))?;
        let mut request = Request::new(RequestBody::new(api.body));
        *request.method_mut() = api.method;
        *request.uri_mut() = api.uri;
        *request.headers_mut() = headers;
        let failed = |error| UpstreamError::egress(&self.server.id, error);
        let response = self.client.send(request, policy).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        if let Some(kind) = refused(head.status, &head.headers) {
            return Err(self.server.error(kind).challenging(&head.headers));
        }
        let body = if head.status.is_success() {
            self.whole(body).await?
        } else {
            self.beginning(body).await?
        };
        // Before it is encoded, when it would not be recognised any more.
        if presents.appears_in(&body) {
            return Err(self.server.error(UpstreamErrorKind::Revealing));
        }
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn whole(&self, body: ResponseBody) -> Result<Bytes, UpstreamError> {
        let (bytes, complete) = self.up_to(body, MAX_ANSWER).await?;
        if complete {
            Ok(bytes)
        } else {
            Err(self.server.error(UpstreamErrorKind::TooLarge))
        }
    }

    async fn beginning(&self, body: ResponseBody) -> Result<Bytes, UpstreamError> {
        Ok(self.up_to(body, MAX_REFUSAL).await?.0)
    }

    /// As much as is allowed, and whether that is all.
    async fn up_to(
        &self,
        mut body: ResponseBody,
        most: usize,
    ) -> Result<(Bytes, bool), UpstreamError> {
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| UpstreamError::egress(&self.server.id, error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = most.saturating_sub(all.len());
            if data.len() > room {
                all.extend_from_slice(data.get(..room).unwrap_or_default());
                return Ok((all.freeze(), false));
            }
            all.extend_from_slice(&data);
        }
        Ok((all.freeze(), true))
    }
}

/// What another credential, or another scope, could change. A 403 that says nothing about either is
/// the API's answer to the call.
fn refused(status: StatusCode, headers: &HeaderMap) -> Option<UpstreamErrorKind> {
    match status {
        StatusCode::UNAUTHORIZED => Some(UpstreamErrorKind::Unauthorized),
        StatusCode::FORBIDDEN => {
            let kind = forbidden(headers);
            let challenged = headers.contains_key(http::header::WWW_AUTHENTICATE);
            (challenged || kind != UpstreamErrorKind::Forbidden).then_some(kind)
        }
        _ => None,
    }
}
