//! What every transport takes and gives, and the one that a server is reached by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri};
use portcullis_core::Clock;
use portcullis_egress::HttpClient;
use portcullis_mcp::Revision;
use portcullis_policy::Acting;
use tokio_util::task::TaskTracker;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::first_answer;
use crate::openapi::{self, OpenApiServer};
use crate::pending::Owner;
use crate::server::{Endpoint, UpstreamServer};
use crate::sessions::{Closing, SESSION_IDLE};
use crate::sse::SseSession;
use crate::stdio::{PROCESS_IDLE, ProcessLink, Processes, Stdio};
use crate::stream::EventStream;
use crate::streamable::StreamableHttp;

/// Something that can put a credential on a request. This room does not ask what it is; values marked
/// as sensitive are taken out of whatever the server answers.
pub trait Presents: Send + Sync {
    /// Puts it there, replacing what was there. Nothing of the request changes afterwards, but for
    /// what the connection itself needs (`Host` or `:authority`, `Content-Length`). On an error
    /// nothing is sent.
    fn present(&self, request: Unsent<'_>) -> Result<(), NotPresented>;

    /// Which account of whoever acts it is of, where they may have another one later: a session that
    /// was opened as one is not gone on with as the other.
    fn account(&self) -> Option<[u8; 32]> {
        None
    }

    /// Whether it is of one caller, so that what a server says to it is said to that caller.
    fn is_one_callers(&self) -> bool {
        true
    }

    /// Whether bytes of an answer repeat it, for answers that are not passed on as they came.
    fn appears_in(&self, answer: &[u8]) -> bool;

    /// The same to keep, for a stream that is opened once more when it broke. It is worth no more
    /// than the session, and goes with it.
    fn keep(&self) -> Option<Arc<dyn Presents>> {
        None
    }
}

/// A request that lacks nothing but its credential.
#[derive(Debug)]
pub struct Unsent<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its absolute URI.
    pub uri: &'r Uri,
    /// All its headers.
    pub headers: &'r mut HeaderMap,
    /// Its whole body.
    pub body: &'r [u8],
}

/// The credential could not be put on the request. The cause is for the operator and names no secret.
#[derive(Debug, thiserror::Error)]
#[error("the credential cannot be put on this request")]
pub struct NotPresented(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The JSON-RPC text.
    pub body: Bytes,
    /// The revision that it speaks; `None` only for `initialize`.
    pub revision: Option<Revision>,
    /// `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`, `traceparent`: nothing else goes along.
    pub headers: HeaderMap,
    /// On behalf of which of the clients that share the session, if of one of them.
    pub client: Option<Owner>,
}

/// What came back.
#[derive(Debug)]
pub enum Reply {
    /// 202: a notification or response was taken.
    Accepted,
    /// One JSON-RPC response.
    Message {
        /// The HTTP status: 200, or the status of an error that the revision defines.
        status: StatusCode,
        /// The response's text.
        body: Bytes,
    },
    /// A stream that ends with the response.
    Stream(EventStream),
}

impl Reply {
    /// The same, ending after this long if it is a stream.
    pub(crate) fn lasting(self, most: Duration) -> Self {
        match self {
            Self::Stream(stream) => Self::Stream(stream.lasting(most)),
            other => other,
        }
    }
}

/// What a handshake leaves to reach its session by.
#[derive(Debug)]
pub(crate) enum Link {
    /// Streamable HTTP: the session's name, if the server gave it one.
    Http(Option<HeaderValue>),
    /// HTTP+SSE: a stream of its own.
    Sse(Box<SseSession>),
    /// A process.
    Stdio(Box<ProcessLink>),
}

impl Link {
    /// Whether the server waits to be told that the session is over.
    pub(crate) const fn has_farewell(&self) -> bool {
        match self {
            Self::Http(session) => session.is_some(),
            Self::Sse(_) | Self::Stdio(_) => false,
        }
    }

    /// Whether nothing goes through any more, as far as that shows by itself.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Sse(session) => session.has_ended(),
            Self::Stdio(link) => link.has_ended(),
        }
    }

    /// Whether the transport is as old as the oldest revision.
    pub(crate) const fn takes_any_legacy(&self) -> bool {
        !matches!(self, Self::Http(_))
    }
}

/// What connections are made with.
#[derive(Clone)]
pub struct Means {
    /// The way out by HTTP.
    pub client: Arc<dyn HttpClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Every task that reads or writes a channel.
    pub tasks: TaskTracker,
    /// Room for processes.
    pub processes: Processes,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Means")
    }
}

/// The way to one server, whatever its transport: nothing above knows which one it is.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) server: Arc<UpstreamServer>,
    carrier: Carrier,
    tasks: TaskTracker,
}

/// What carries messages.
#[derive(Debug)]
enum Carrier {
    /// Streamable HTTP, and HTTP+SSE where the server turns out to speak that.
    Http(Arc<StreamableHttp>),
    /// HTTP+SSE and nothing else.
    Sse(Arc<StreamableHttp>),
    /// Processes.
    Stdio(Stdio),
    /// An OpenAPI document.
    OpenApi(Box<OpenApiServer>),
}

impl Wire {
    pub(crate) fn new(server: UpstreamServer, means: &Means) -> Self {
        let server = Arc::new(server);
        let http = |uri: &Uri| {
            let client = Arc::clone(&means.client);
            let http = StreamableHttp::new(Arc::clone(&server), uri.clone(), client);
            Arc::new(http)
        };
        let carrier = match &server.endpoint {
            Endpoint::Http(uri) => Carrier::Http(http(uri)),
            Endpoint::Sse(uri) => Carrier::Sse(http(uri)),
            Endpoint::Stdio(command) => Carrier::Stdio(Stdio::new(
                Arc::clone(&server),
                Arc::clone(command),
                means.clone(),
            )),
            Endpoint::OpenApi(endpoint) => Carrier::OpenApi(Box::new(OpenApiServer::new(
                Arc::clone(&server),
                endpoint,
                means,
            ))),
        };
        Self {
            server,
            carrier,
            tasks: means.tasks.clone(),
        }
    }

    pub(crate) fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        self.server.error(kind)
    }

    /// Whether a request of this method is answered within this process, so that nothing is
    /// presented for it.
    pub(crate) fn answers_itself(&self, method: &str) -> bool {
        matches!(self.carrier, Carrier::OpenApi(_)) && openapi::answers_itself(method)
    }

    /// What is kept of the server's description is read anew before it is used again.
    pub(crate) fn recheck(&self) {
        if let Carrier::OpenApi(api) = &self.carrier {
            api.recheck();
        }
    }

    /// What is wrong with the document that describes the server, if there is one.
    pub(crate) async fn document_findings(&self) -> Option<Result<Vec<String>, UpstreamError>> {
        match &self.carrier {
            Carrier::OpenApi(api) => Some(api.findings().await),
            _ => None,
        }
    }

    /// Sends one message outside of any session.
    pub(crate) async fn exchange(
        &self,
        acting: &Acting,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        match &self.carrier {
            Carrier::Http(http) => http.post(presents, None, outgoing).await,
            Carrier::Sse(_) => Err(self.error(UpstreamErrorKind::Era)),
            Carrier::Stdio(stdio) => stdio.exchange(acting, presents, outgoing).await,
            Carrier::OpenApi(api) => api.exchange(presents, outgoing).await,
        }
    }

    /// Sends a request that tells the eras apart, and reads its answer. `None`: there is none, which
    /// tells them apart too.
    pub(crate) async fn probe(
        &self,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let http = match &self.carrier {
            Carrier::Http(http) | Carrier::Sse(http) => http,
            Carrier::Stdio(stdio) => return stdio.probe(presents, outgoing.body).await,
            Carrier::OpenApi(api) => {
                return match api.exchange(presents, outgoing).await? {
                    Reply::Message { body, .. } => Ok(Some(body)),
                    Reply::Stream(_) | Reply::Accepted => Ok(None),
                };
            }
        };
        match http.post(presents, None, outgoing).await? {
            Reply::Message { body, .. } => Ok(Some(body)),
            Reply::Stream(stream) => first_answer(self, stream)
                .await
                .map(|text| Some(Bytes::from(text))),
            Reply::Accepted => Ok(None),
        }
    }

    /// Sends `initialize`: the one exchange that yields a session.
    pub(crate) async fn open(
        &self,
        acting: &Acting,
        presents: &dyn Presents,
        initialize: Bytes,
    ) -> Result<(Link, Reply), UpstreamError> {
        match &self.carrier {
            Carrier::Http(http) => match http.initialize(presents, initialize.clone()).await {
                Ok((session, reply)) => Ok((Link::Http(session), reply)),
                // What a server of HTTP+SSE says to a POST where it wants a GET.
                Err(error) if matches!(error.kind, UpstreamErrorKind::Status(400 | 404 | 405)) => {
                    let opened = self.open_sse(http, presents, initialize).await;
                    opened.map_err(|error| match error.kind {
                        UpstreamErrorKind::Status(..500) | UpstreamErrorKind::BadAnswer => {
                            self.error(UpstreamErrorKind::Era)
                        }
                        _ => error,
                    })
                }
                Err(error) => Err(error),
            },
            Carrier::Sse(http) => self.open_sse(http, presents, initialize).await,
            Carrier::Stdio(stdio) => {
                let (link, reply) = stdio.open(acting, presents, initialize).await?;
                Ok((Link::Stdio(Box::new(link)), reply))
            }
            Carrier::OpenApi(_) => Err(self.error(UpstreamErrorKind::Era)),
        }
    }

    async fn open_sse(
        &self,
        http: &Arc<StreamableHttp>,
        presents: &dyn Presents,
        initialize: Bytes,
    ) -> Result<(Link, Reply), UpstreamError> {
        let session = SseSession::open(http, presents, &self.tasks).await?;
        let outgoing = Outgoing {
            body: initialize,
            revision: None,
            headers: HeaderMap::new(),
            client: None,
        };
        let reply = session.post(presents, outgoing).await?;
        Ok((Link::Sse(Box::new(session)), reply))
    }

    /// Sends one message into a session.
    pub(crate) async fn post(
        &self,
        presents: &dyn Presents,
        link: &Link,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        match (link, &self.carrier) {
            (Link::Http(session), Carrier::Http(http)) => {
                http.post(presents, session.as_ref(), outgoing).await
            }
            (Link::Sse(session), _) => session.post(presents, outgoing).await,
            (Link::Stdio(link), _) => link.post(outgoing.client, outgoing.body).await,
            (Link::Http(_), Carrier::Sse(_) | Carrier::Stdio(_) | Carrier::OpenApi(_)) => {
                Err(self.error(UpstreamErrorKind::SessionLost))
            }
        }
    }

    /// Opens the stream for messages that belong to no request, or resumes one after an event.
    /// `None`: the server offers no such stream.
    pub(crate) async fn stream(
        &self,
        presents: &dyn Presents,
        link: &Link,
        revision: Revision,
        last_event_id: Option<HeaderValue>,
    ) -> Result<Option<EventStream>, UpstreamError> {
        match (link, &self.carrier) {
            (Link::Http(session), Carrier::Http(http)) => {
                http.get(presents, revision, session.as_ref(), last_event_id)
                    .await
            }
            (Link::Sse(session), _) => session.stream().map(Some),
            (Link::Stdio(link), _) => link.stream().map(Some),
            (Link::Http(_), Carrier::Sse(_) | Carrier::Stdio(_) | Carrier::OpenApi(_)) => {
                Err(self.error(UpstreamErrorKind::SessionLost))
            }
        }
    }

    /// Ends a session.
    pub(crate) async fn close(
        &self,
        presents: &dyn Presents,
        link: &Link,
        revision: Revision,
    ) -> Result<(), UpstreamError> {
        match (link, &self.carrier) {
            (Link::Http(Some(session)), Carrier::Http(http)) => {
                http.delete(presents, revision, session).await
            }
            (Link::Stdio(link), _) => {
                link.close();
                Ok(())
            }
            // The end of its stream is its end.
            (Link::Http(_) | Link::Sse(_), _) => Ok(()),
        }
    }

    /// Ends what outlives single requests and belongs to no session.
    pub(crate) fn tidy(&self, closing: Closing, now: Duration) {
        if let Carrier::Stdio(stdio) = &self.carrier {
            stdio.tidy(closing, now);
        }
    }

    /// How much of that there is.
    pub(crate) fn lasting(&self) -> usize {
        match &self.carrier {
            Carrier::Stdio(stdio) => stdio.count(),
            Carrier::Http(_) | Carrier::Sse(_) | Carrier::OpenApi(_) => 0,
        }
    }

    /// How long a session may be idle: a process costs more than a name.
    pub(crate) const fn session_idle(&self) -> Duration {
        match &self.carrier {
            Carrier::Stdio(_) => PROCESS_IDLE,
            Carrier::Http(_) | Carrier::Sse(_) | Carrier::OpenApi(_) => SESSION_IDLE,
        }
    }
}
