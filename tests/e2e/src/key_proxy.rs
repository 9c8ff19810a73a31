//! Adds an API key for clients that cannot send a header, and changes nothing else: Host, Origin,
//! path and body pass as sent, streams pass frame by frame, a client that leaves takes its
//! upstream connection along.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A listening proxy; it stops when dropped.
#[derive(Debug)]
pub struct KeyProxy {
    port: u16,
    stop: CancellationToken,
    bearers: Bearers,
}

/// What came in `Authorization: Bearer`.
type Bearers = Arc<Mutex<Vec<String>>>;

impl KeyProxy {
    /// Listens on a free loopback port in front of `upstream`; without a key it only passes on.
    pub async fn start(upstream: u16, key: Option<&str>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let authorization = key
            .map(|key| HeaderValue::from_str(&format!("Bearer {key}")))
            .transpose()
            .context("the key does not fit into a header")?;
        let stop = CancellationToken::new();
        let bearers = Bearers::default();
        let seen = Arc::clone(&bearers);
        let tracker = TaskTracker::new();
        let (stopped, tasks) = (stop.clone(), tracker.clone());
        tracker.spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (authorization, tasks_inside) = (authorization.clone(), tasks.clone());
                let seen = Arc::clone(&seen);
                let serve = hyper::server::conn::http1::Builder::new().serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request| {
                        note(&request, &seen);
                        forward(
                            request,
                            upstream,
                            authorization.clone(),
                            tasks_inside.clone(),
                        )
                    }),
                );
                tasks.spawn(stopped.clone().run_until_cancelled_owned(serve));
            }
        });
        Ok(Self {
            port,
            stop,
            bearers,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every bearer token that came by, in order.
    pub fn bearers(&self) -> Vec<String> {
        let bearers = self.bearers.lock();
        bearers.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for KeyProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn note(request: &Request<Incoming>, seen: &Bearers) {
    let value = request.headers().get(AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    if let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(token.to_owned());
    }
}

type Body = Either<Incoming, Full<Bytes>>;

async fn forward(
    mut request: Request<Incoming>,
    upstream: u16,
    authorization: Option<HeaderValue>,
    tasks: TaskTracker,
) -> Result<Response<Body>, hyper::Error> {
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    match send(request, upstream, &tasks).await {
        Ok(response) => Ok(response.map(Either::Left)),
        Err(error) => {
            let mut response = Response::new(Either::Right(Full::from(error.to_string())));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

async fn send(
    request: Request<Incoming>,
    upstream: u16,
    tasks: &TaskTracker,
) -> anyhow::Result<Response<Incoming>> {
    let stream = TcpStream::connect(("127.0.0.1", upstream)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tasks.spawn(connection);
    Ok(sender.send_request(request).await?)
}
