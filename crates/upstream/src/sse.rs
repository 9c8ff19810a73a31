//! HTTP+SSE, the transport of 2024-11-05 on which servers of every later revision with sessions are
//! found too: one stream that everything comes on, and a POST for each message that goes out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Uri;
use http::header::HeaderValue;
use portcullis_mcp::{SseEvent, SseItem};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::channel::{Channel, Sharing};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::stream::EventStream;
use crate::streamable::StreamableHttp;
use crate::transport::{Outgoing, Presents, Reply};

/// How long to wait before a stream that broke is asked for again, unless the server says.
const RETRY: Duration = Duration::from_secs(1);
/// Longest such wait that a server is granted.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// How often in a row a stream is asked for again before what waits on it is given up.
const MOST_RETRIES: u32 = 5;
/// How long a POST may be held by a server that has said something on the stream meanwhile, before it is
/// not waited for.
const HELD: Duration = Duration::from_secs(1);

/// What the last message was sent with, for a stream that has to be opened once more.
#[derive(Default)]
struct Last(Mutex<Option<Arc<dyn Presents>>>);

impl Last {
    fn keep(&self, presents: &dyn Presents) {
        if let Some(kept) = presents.keep() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
    }

    fn get(&self) -> Option<Arc<dyn Presents>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One session: its stream, and where its messages are posted.
pub(crate) struct SseSession {
    http: Arc<StreamableHttp>,
    channel: Arc<Channel>,
    /// Names the session: as good as a secret.
    post: Uri,
    last: Arc<Last>,
    _reading: DropGuard,
}

impl SseSession {
    /// Opens the stream and learns where to post.
    pub(crate) async fn open(
        http: &Arc<StreamableHttp>,
        presents: &dyn Presents,
        tasks: &TaskTracker,
    ) -> Result<Self, UpstreamError> {
        let opening = async {
            let mut stream = http.open_channel(presents, None).await?;
            let endpoint = loop {
                match stream.next().await? {
                    Some(SseItem::Comment) => {}
                    Some(SseItem::Event(event)) => break event,
                    None => return Err(http.error(UpstreamErrorKind::Broken)),
                }
            };
            let post = endpoint_of(&http.uri, &endpoint).map_err(|kind| http.error(kind))?;
            Ok((stream, post, last_event_id(&endpoint)))
        };
        let (stream, post, event_id) = http.within(http.server.timeout, opening).await?;
        let channel = Channel::new(Arc::clone(&http.server), Sharing::Own, None);
        let last = Arc::new(Last::default());
        last.keep(presents);
        let stop = CancellationToken::new();
        let reader = Reader {
            http: Arc::clone(http),
            channel: Arc::clone(&channel),
            post: post.clone(),
            last: Arc::clone(&last),
            event_id,
            retry: RETRY,
        };
        let (stopped, ended) = (stop.clone(), Arc::clone(&channel));
        tasks.spawn(async move {
            let kind = stopped.run_until_cancelled(reader.run(stream)).await;
            ended.end(kind.unwrap_or(UpstreamErrorKind::SessionLost));
        });
        Ok(Self {
            http: Arc::clone(http),
            channel,
            post,
            last,
            _reading: stop.drop_guard(),
        })
    }

    /// Sends one message. A request's answer comes on the stream.
    pub(crate) async fn post(
        &self,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        let http = &self.http;
        if self.channel.has_ended() {
            // Nothing is sent, so it may be said again in a session that lives.
            return Err(http.error(UpstreamErrorKind::SessionLost));
        }
        let admitted = self.channel.admit(None, outgoing.client, &outgoing.body);
        let admitted = admitted.map_err(|kind| http.error(kind))?;
        let Some(text) = admitted.text else {
            return Ok(Reply::Accepted);
        };
        self.last.keep(presents);
        let Outgoing {
            revision, headers, ..
        } = outgoing;
        let posting = http.post_to_channel(presents, &self.post, revision, headers, text);
        let posting = std::pin::pin!(posting);
        let Some(line) = admitted.line else {
            posting.await?;
            return Ok(Reply::Accepted);
        };
        let settled = std::pin::pin!(self.channel.settle(line, http.server.timeout));
        // Some servers hold the POST until they have answered on the stream.
        let settled = match select(posting, settled).await {
            Either::Left((posted, settled)) => {
                posted?;
                settled.await
            }
            Either::Right((settled, posting)) => {
                // What came first may be about something else: a request that was not taken yet must
                // not be given up for it.
                if matches!(settled, Ok(Reply::Stream(_)))
                    && let Ok(posted) = tokio::time::timeout(HELD, posting).await
                {
                    posted?;
                }
                settled
            }
        };
        settled.map_err(|kind| http.error(kind))
    }

    /// The stream of messages that belong to no request.
    pub(crate) fn stream(&self) -> Result<EventStream, UpstreamError> {
        let stream = self.channel.listen();
        stream.ok_or_else(|| self.http.error(UpstreamErrorKind::SessionLost))
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.channel.has_ended()
    }
}

impl fmt::Debug for SseSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSession").finish_non_exhaustive()
    }
}

/// Reads a session's stream as long as there is one.
struct Reader {
    http: Arc<StreamableHttp>,
    channel: Arc<Channel>,
    post: Uri,
    last: Arc<Last>,
    /// After what to resume.
    event_id: Option<HeaderValue>,
    retry: Duration,
}

impl Reader {
    /// Why it ended.
    async fn run(mut self, mut stream: EventStream) -> UpstreamErrorKind {
        loop {
            let kind = self.read(&mut stream).await;
            if kind != UpstreamErrorKind::Broken {
                return kind;
            }
            match self.resume().await {
                Some(resumed) => stream = resumed,
                None => return kind,
            }
        }
    }

    async fn read(&mut self, stream: &mut EventStream) -> UpstreamErrorKind {
        loop {
            let event = match stream.next().await {
                Ok(Some(SseItem::Event(event))) => event,
                Ok(Some(SseItem::Comment)) => continue,
                Ok(None) => return UpstreamErrorKind::Broken,
                Err(error) => return error.kind,
            };
            if event.id.is_some() {
                self.event_id = last_event_id(&event);
            }
            if let Some(millis) = event.retry_ms {
                self.retry = Duration::from_millis(millis).min(MAX_RETRY);
            }
            match event.event.as_deref() {
                None | Some("message" | "") => {
                    let text = event.data.as_deref().map(std::str::from_utf8);
                    if let Some(Ok(text)) = text
                        && !text.is_empty()
                    {
                        self.channel.arrived(text);
                    }
                }
                // Another address is another session: this one's answers will not come.
                Some("endpoint")
                    if endpoint_of(&self.http.uri, &event) != Ok(self.post.clone()) =>
                {
                    return UpstreamErrorKind::SessionLost;
                }
                Some(_) => {}
            }
        }
    }

    /// The stream once more, where the server told how to name the place.
    async fn resume(&self) -> Option<EventStream> {
        let event_id = self.event_id.clone()?;
        for _ in 0..MOST_RETRIES {
            tokio::time::sleep(self.retry).await;
            let presents = self.last.get()?;
            let opening = self.http.open_channel(&*presents, Some(event_id.clone()));
            match self.http.within(self.http.server.timeout, opening).await {
                Ok(stream) => return Some(stream),
                Err(error) => {
                    tracing::info!(mcp.server.id = %self.http.server.id, error = %error, "event stream not resumed");
                }
            }
        }
        None
    }
}

fn last_event_id(event: &SseEvent) -> Option<HeaderValue> {
    let id = event.id.as_deref().filter(|id| !id.is_empty())?;
    HeaderValue::from_str(id).ok()
}

/// Where to post: an address of the same origin, whatever the server writes. Credentials go there.
fn endpoint_of(stream: &Uri, event: &SseEvent) -> Result<Uri, UpstreamErrorKind> {
    if event.event.as_deref() != Some("endpoint") {
        return Err(UpstreamErrorKind::BadAnswer);
    }
    let base = Url::parse(&stream.to_string()).map_err(|_| UpstreamErrorKind::BadAnswer)?;
    let written = event.data.as_deref().map(std::str::from_utf8);
    let mut endpoint = match written {
        Some(Ok(written)) if !written.trim().is_empty() => base.join(written.trim()),
        _ => return Err(UpstreamErrorKind::BadAnswer),
    }
    .map_err(|_| UpstreamErrorKind::BadAnswer)?;
    let plain = endpoint.username().is_empty() && endpoint.password().is_none();
    if endpoint.origin() != base.origin() || !plain {
        return Err(UpstreamErrorKind::ForeignEndpoint);
    }
    endpoint.set_fragment(None);
    endpoint
        .as_str()
        .parse()
        .map_err(|_| UpstreamErrorKind::BadAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(written: &str) -> Result<String, UpstreamErrorKind> {
        let event = SseEvent {
            event: Some("endpoint".to_owned()),
            ..SseEvent::message(written.to_owned())
        };
        let stream = Uri::from_static("https://a.example:8443/x/sse?k=1");
        endpoint_of(&stream, &event).map(|uri| uri.to_string())
    }

    #[test]
    fn messages_are_posted_to_the_same_origin_only() {
        for (written, meant) in [
            ("/messages?s=1", "https://a.example:8443/messages?s=1"),
            ("messages?s=1", "https://a.example:8443/x/messages?s=1"),
            ("?s=1", "https://a.example:8443/x/sse?s=1"),
            ("https://a.example:8443/m#part", "https://a.example:8443/m"),
        ] {
            assert_eq!(told(written).as_deref(), Ok(meant), "{written}");
        }
        for foreign in [
            "https://b.example:8443/m",
            "https://a.example/m",
            "http://a.example:8443/m",
            "//b.example/m",
            "https://a.example:8443@b.example/m",
            "https://user@a.example:8443/m",
            "\\\\b.example/m",
            "file:///etc/passwd",
            "data:,x",
        ] {
            assert_eq!(
                told(foreign),
                Err(UpstreamErrorKind::ForeignEndpoint),
                "{foreign}"
            );
        }
        assert_eq!(told(""), Err(UpstreamErrorKind::BadAnswer));
        let message = SseEvent::message("/messages");
        let stream = Uri::from_static("https://a.example/sse");
        assert_eq!(
            endpoint_of(&stream, &message),
            Err(UpstreamErrorKind::BadAnswer)
        );
    }
}
