//! The answer on its way back. Its first byte says that the request is taken; then come its status, its
//! headers and its body, each when it is there: `{"status":200}\n header lines \n\n body`.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::future::Either;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::HandedOver;
use super::letter::{headers, lines};
use crate::reply::json;

/// How often a replica that works on an answer says that it still does. Whoever waits for it takes a much
/// longer silence for its end.
const STILL_HERE: Duration = Duration::from_secs(10);
/// Largest head of an answer.
const MAX_HEAD: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
}

type Answering<F> = Pin<Box<F>>;

/// Says that the request is taken, and gives its answer when it is there.
pub(super) fn taken<F>(answering: F) -> Response<Body>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let mut answering = Box::pin(answering);
    // Its event is open before anybody hears that it is taken.
    let begun = (&mut answering).now_or_never();
    let first: Answering<_> = match begun {
        Some(answer) => Box::pin(Either::Left(std::future::ready(answer))),
        None => Box::pin(Either::Right(answering)),
    };
    let waiting = stream::unfold(Some(first), |waiting| async move {
        let mut waiting = waiting?;
        match tokio::time::timeout(STILL_HERE, &mut waiting).await {
            Ok(Ok(answer)) => Some((Ok(answer), None)),
            Err(_) => Some((Err(Bytes::from_static(b"\n")), Some(waiting))),
        }
    });
    let body = waiting.flat_map(|step| match step {
        Err(still_here) => stream::once(async { Ok(still_here) }).left_stream(),
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            let status = parts.status.as_u16();
            let mut head = serde_json::to_vec(&Head { status }).unwrap_or_default();
            head.push(b'\n');
            head.extend_from_slice(&lines(&parts.headers));
            head.push(b'\n');
            let head = stream::once(async { Ok(Bytes::from(head)) });
            head.chain(body.into_data_stream()).right_stream()
        }
    });
    let mut response = json(StatusCode::OK, Bytes::new());
    *response.body_mut() = Body::from_stream(body);
    response
}

/// Reads the answer of a request that was taken, as soon as its head is there. `None`: it broke off.
pub(super) async fn read(taken: Response<Body>) -> Option<Response<Body>> {
    let mut frames = taken.into_body().into_data_stream();
    let mut text = BytesMut::new();
    let (head, rest) = loop {
        let frame = frames.next().await?.ok()?;
        let blank = text.is_empty();
        text.extend_from_slice(&frame);
        if blank {
            // Signs of life.
            let idle = text.iter().take_while(|byte| **byte == b'\n').count();
            drop(text.split_to(idle));
        }
        if let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let head = text.split_to(end);
            drop(text.split_to(2));
            break (head, text.freeze());
        }
        if text.len() > MAX_HEAD {
            return None;
        }
    };
    let line = head
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(head.len());
    let status: Head = serde_json::from_slice(head.get(..line)?).ok()?;
    let rest = stream::iter((!rest.is_empty()).then_some(Ok(rest)));
    let mut response = Response::new(Body::from_stream(Box::pin(rest.chain(frames)) as Frames));
    *response.status_mut() = StatusCode::from_u16(status.status).ok()?;
    *response.headers_mut() = headers(head.get(line..)?)?;
    response.extensions_mut().insert(HandedOver);
    Some(response)
}

type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>;
