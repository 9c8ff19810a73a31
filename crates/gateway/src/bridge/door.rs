//! The gateway's endpoint, and who asks there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use portcullis_core::ApiKey;
use portcullis_egress::{
    Destination, EgressError, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};
use url::Url;

use crate::cli::exit::CommandError;

/// Longest wait for an answer to begin: a tool may take its time, and the gateway bounds it.
const ANSWER_BEGINS: Duration = Duration::from_mins(30);
/// Longest silence inside an answer: the gateway says something every 15 seconds.
const SILENCE: Duration = Duration::from_mins(1);

/// An MCP endpoint of a gateway.
#[derive(Clone, Debug)]
pub struct Door {
    http: Arc<dyn HttpClient>,
    endpoint: Uri,
    bearer: Option<HeaderValue>,
    policy: EgressPolicy,
}

impl Door {
    /// The endpoint of all servers, or of one, at the gateway's base URL. The credential is sent as a
    /// bearer token: a key, or an access token.
    pub fn new(
        http: Arc<dyn HttpClient>,
        mut base: Url,
        server: Option<&str>,
        credential: Option<&ApiKey>,
        allow_insecure_http: bool,
    ) -> Result<Self, CommandError> {
        if base.cannot_be_a_base() || !base.username().is_empty() || base.password().is_some() {
            let what = "the gateway's URL must be http(s) and hold no credentials";
            return Err(CommandError::Usage(what.to_owned()));
        }
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().push("mcp").extend(server);
        }
        let bearer = credential
            .map(|credential| {
                let mut value = HeaderValue::try_from(format!("Bearer {}", credential.expose()))
                    .map_err(|_| {
                        CommandError::Usage("the key holds impossible characters".into())
                    })?;
                value.set_sensitive(true);
                Ok::<_, CommandError>(value)
            })
            .transpose()?;
        let destination = Destination::Operator {
            allow_insecure_http,
        };
        Ok(Self {
            http,
            endpoint: base.as_str().parse().context("the gateway's URL is none")?,
            bearer,
            policy: EgressPolicy {
                head_timeout: ANSWER_BEGINS,
                idle_timeout: SILENCE,
                // Streams have no end; each message is bounded by itself.
                max_body: None,
                ..EgressPolicy::document(destination)
            },
        })
    }

    /// Whether a credential is presented.
    pub(super) const fn presents(&self) -> bool {
        self.bearer.is_some()
    }

    /// For messages to people.
    pub(super) fn url(&self) -> String {
        self.endpoint.to_string()
    }

    /// POSTs a message.
    pub(super) async fn post(
        &self,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<ResponseBody>, EgressError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        self.send(Method::POST, headers, body).await
    }

    /// Opens a stream.
    pub(super) async fn get(
        &self,
        mut headers: HeaderMap,
    ) -> Result<Response<ResponseBody>, EgressError> {
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.send(Method::GET, headers, Bytes::new()).await
    }

    /// Ends a session.
    pub(super) async fn delete(
        &self,
        headers: HeaderMap,
    ) -> Result<Response<ResponseBody>, EgressError> {
        self.send(Method::DELETE, headers, Bytes::new()).await
    }

    async fn send(
        &self,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<ResponseBody>, EgressError> {
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        let mut request = Request::new(RequestBody::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = headers;
        self.http.send(request, &self.policy).await
    }
}
