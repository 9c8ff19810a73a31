//! Bodies that leave and enter.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::EgressError;

/// What we send: always known in full, so that nothing is half sent.
pub type RequestBody = http_body_util::Full<Bytes>;

/// What comes back: bounded in size and in silence by the request's policy.
pub struct ResponseBody(Pin<Box<dyn Body<Data = Bytes, Error = EgressError> + Send>>);

impl ResponseBody {
    /// Wraps a body that already keeps the bounds (or, in tests, any body).
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = EgressError> + Send + 'static,
    {
        Self(Box::pin(body))
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
        self.0.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
