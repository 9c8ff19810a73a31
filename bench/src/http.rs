//! The bare HTTP/1.1 server that mock and floor share.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    client::conn::http1::SendRequest,
    header,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::TaskTracker;

pub(crate) type Answer = Response<Either<Full<Bytes>, Held>>;

/// A body that says one thing and then stays open.
#[derive(Debug)]
pub(crate) struct Held(Option<Bytes>);

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(said) => Poll::Ready(Some(Ok(Frame::data(said)))),
            // Nothing will wake it: it ends with its connection.
            None => Poll::Pending,
        }
    }
}

/// The caller's key at the gateway and at the floor.
pub(crate) const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";
/// The token that the mock's token endpoint gives out and its MCP endpoint wants.
pub(crate) const TOKEN: &str = "machine-to-machine-token";

/// Serves `answer` on a loopback port until the process ends.
pub(crate) async fn serve<F, R>(port: u16, answer: F) -> anyhow::Result<()>
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let tasks = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        tasks.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// A connection to a loopback port, and the task that drives it while it is held.
pub(crate) async fn connect(port: u16) -> anyhow::Result<(SendRequest<Full<Bytes>>, JoinSet<()>)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut driving = JoinSet::new();
    driving.spawn(async move {
        // A broken connection shows at the sender.
        let _ = connection.await;
    });
    Ok((sender, driving))
}

pub(crate) fn json(body: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::from(body)));
    let value = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

/// An event stream that says one message and stays open.
pub(crate) fn held(message: &str) -> Answer {
    let said = Bytes::from(format!("data: {message}\n\n"));
    let mut response = Response::new(Either::Right(Held(Some(said))));
    let value = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
