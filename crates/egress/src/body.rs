//! Bodies that leave and enter.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{EgressError, EgressErrorKind};

/// What we send: always known in full, so that nothing is half sent.
pub type RequestBody = http_body_util::Full<Bytes>;

/// What comes back: bounded in size and in silence by the request's policy.
pub struct ResponseBody(Source);

enum Source {
    /// From the network, without a box on the hot path.
    Network(Bounded),
    Other(Pin<Box<dyn Body<Data = Bytes, Error = EgressError> + Send>>),
}

impl ResponseBody {
    /// Wraps a body that already keeps the bounds (or, in tests, any body).
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = EgressError> + Send + 'static,
    {
        Self(Source::Other(Box::pin(body)))
    }

    pub(crate) const fn bounded(body: Bounded) -> Self {
        Self(Source::Network(body))
    }

    /// Silence is counted from now on: nobody waited until now.
    pub fn waits_anew(&mut self) {
        if let Source::Network(body) = &mut self.0 {
            body.progressed = true;
        }
    }

    /// Reads to the end.
    pub async fn collect(self) -> Result<Bytes, EgressError> {
        Ok(http_body_util::BodyExt::collect(self).await?.to_bytes())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        match &mut self.0 {
            Source::Network(body) => body.poll_frame(cx),
            Source::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Network(body) => body.incoming.is_end_stream(),
            Source::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Network(body) => body.incoming.size_hint(),
            Source::Other(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}

/// A body from the network that keeps one policy's bounds.
pub(crate) struct Bounded {
    incoming: Incoming,
    authority: Authority,
    /// Bytes still allowed.
    allowance: Option<u64>,
    idle_timeout: Duration,
    /// Armed at the first wait: a body that arrives with its head needs no timer.
    idle: Option<Pin<Box<Sleep>>>,
    /// Something arrived since the timer was set.
    progressed: bool,
    failed: bool,
}

impl Bounded {
    pub(crate) const fn new(
        incoming: Incoming,
        authority: Authority,
        allowance: Option<u64>,
        idle_timeout: Duration,
    ) -> Self {
        Self {
            incoming,
            authority,
            allowance,
            idle_timeout,
            idle: None,
            progressed: false,
            failed: false,
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        // An announced size is refused before the first byte is kept.
        if self
            .allowance
            .is_some_and(|left| self.incoming.size_hint().lower() > left)
        {
            return self.fail(EgressError::new(EgressErrorKind::TooLarge, &self.authority));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.progressed = true;
                if let (Some(left), Some(data)) = (self.allowance, frame.data_ref()) {
                    let Some(left) = left.checked_sub(data.len() as u64) else {
                        return self
                            .fail(EgressError::new(EgressErrorKind::TooLarge, &self.authority));
                    };
                    self.allowance = Some(left);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.fail(EgressError::caused(
                EgressErrorKind::Broken,
                &self.authority,
                error,
            )),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_idle(cx),
        }
    }

    fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let idle_timeout = self.idle_timeout;
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_timeout)));
        if std::mem::take(&mut self.progressed)
            && let Some(deadline) = Instant::now().checked_add(idle_timeout)
        {
            idle.as_mut().reset(deadline);
        }
        match idle.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.fail(EgressError::new(EgressErrorKind::Timeout, &self.authority))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn fail(&mut self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }
}
