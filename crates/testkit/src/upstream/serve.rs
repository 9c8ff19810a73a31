//! The socket side: record, choose, answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::recorded::Recorded;
use super::reply::{Reply, Step};
use super::{Shared, defaults};

type Body = StreamBody<BoxStream<'static, std::io::Result<Frame<Bytes>>>>;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| respond(Arc::clone(&shared), request));
        connections.spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new());
            // A connection that breaks is part of the story.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> std::io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?;
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let recorded = Recorded::new(
        parts.method.to_string(),
        parts.uri.to_string(),
        headers,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    );
    let script = {
        let mut state = shared.state();
        state.requests.push(recorded.clone());
        state.first.clone()
    };
    shared.arrived.send_modify(|arrived| *arrived += 1);
    let mut reply = script.map_or(Reply::Default, |script| script(&recorded));
    if matches!(reply, Reply::Default) {
        let script = {
            let mut state = shared.state();
            let once = state.once.get_mut(&recorded.kind);
            once.and_then(std::collections::VecDeque::pop_front)
                .or_else(|| state.scripts.get(&recorded.kind).cloned())
        };
        reply = script.map_or(Reply::Default, |script| script(&recorded));
    }
    loop {
        reply = match reply {
            Reply::Default => defaults::answer(&shared, &recorded),
            Reply::After(gate, next) => {
                gate.passed().await;
                *next
            }
            Reply::Hang => std::future::pending().await,
            Reply::Close => return Err(std::io::Error::other("closed")),
            Reply::Whole {
                status,
                headers,
                body,
            } => return Ok(whole(status, &headers, body)),
            Reply::Steps {
                content_type,
                steps,
            } => return Ok(stepwise(content_type, steps)),
        };
    }
}

fn whole(status: u16, headers: &[(String, String)], body: String) -> Response<Body> {
    let length = body.len();
    let frame = Ok(Frame::data(Bytes::from(body)));
    let mut response = Response::new(StreamBody::new(
        stream::iter((length > 0).then_some(frame)).boxed(),
    ));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from(length));
    response
}

fn stepwise(content_type: &'static str, steps: Vec<Step>) -> Response<Body> {
    let body = stream::iter(steps).flat_map(|step| match step {
        Step::Bytes(text) => stream::iter([Ok(Frame::data(Bytes::from(text)))]).boxed(),
        Step::Wait(gate) => stream::once(async move { gate.passed().await })
            .filter_map(|()| async { None })
            .boxed(),
        Step::Hang => stream::pending().boxed(),
        Step::Reset => stream::iter([Err(std::io::Error::other("reset"))]).boxed(),
        Step::Live(receiver) => stream::unfold(receiver, |mut receiver| async move {
            let text = receiver.recv().await?;
            Some((Ok(Frame::data(Bytes::from(text))), receiver))
        })
        .boxed(),
    });
    let mut response = Response::new(StreamBody::new(body.boxed()));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(content_type));
    response
}
