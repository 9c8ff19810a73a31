//! Stands before a server. It adds an API key for clients that cannot send a header, or writes down
//! whole requests, and changes nothing else: Host, Origin, body and, where it does not write, path pass
//! as sent, streams pass frame by frame, a client that leaves takes its upstream connection along.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PATIENCE: Duration = Duration::from_mins(1);

/// A listening proxy; it stops when dropped.
#[derive(Debug)]
pub struct KeyProxy {
    port: u16,
    stop: CancellationToken,
    way: Arc<Way>,
}

/// What is done on the way.
#[derive(Debug)]
struct Way {
    upstream: u16,
    authorization: Option<HeaderValue>,
    /// Where all that is written down goes to.
    path: Option<&'static str>,
    seen: watch::Sender<Vec<Recorded>>,
}

/// A request as it arrived.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: String,
}

impl Recorded {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl KeyProxy {
    /// Listens on a free loopback port in front of `upstream`; without a key it only passes on.
    pub async fn start(upstream: u16, key: Option<&str>) -> anyhow::Result<Self> {
        let authorization = key
            .map(|key| HeaderValue::from_str(&format!("Bearer {key}")))
            .transpose()
            .context("the key does not fit into a header")?;
        Self::listen(upstream, authorization, None).await
    }

    /// Writes down every request, whatever its path, before it passes it on to `path`.
    pub async fn recording(upstream: u16, path: &'static str) -> anyhow::Result<Self> {
        Self::listen(upstream, None, Some(path)).await
    }

    async fn listen(
        upstream: u16,
        authorization: Option<HeaderValue>,
        path: Option<&'static str>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let way = Arc::new(Way {
            upstream,
            authorization,
            path,
            seen: watch::Sender::default(),
        });
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let (stopped, tasks, shared) = (stop.clone(), tracker.clone(), Arc::clone(&way));
        tracker.spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (way, tasks_inside) = (Arc::clone(&shared), tasks.clone());
                let serve = hyper::server::conn::http1::Builder::new().serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request| {
                        forward(request, Arc::clone(&way), tasks_inside.clone())
                    }),
                );
                tasks.spawn(stopped.clone().run_until_cancelled_owned(serve));
            }
        });
        Ok(Self { port, stop, way })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request that came by, in order.
    pub fn seen(&self) -> Vec<Recorded> {
        self.way.seen.borrow().clone()
    }

    /// Waits until what came by is enough, and says it.
    pub async fn until(
        &self,
        enough: impl Fn(&[Recorded]) -> bool,
    ) -> anyhow::Result<Vec<Recorded>> {
        let mut seen = self.way.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| enough(seen))).await;
        Ok(waited
            .with_context(|| format!("{:#?}", self.seen()))??
            .clone())
    }

    /// Every bearer token that came by, in order.
    pub fn bearers(&self) -> Vec<String> {
        let seen = self.way.seen.borrow();
        seen.iter()
            .filter_map(|request| request.header("authorization")?.strip_prefix("Bearer "))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for KeyProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Body = Either<Incoming, Full<Bytes>>;

impl Way {
    async fn pass(&self, request: Request<Incoming>) -> anyhow::Result<Request<Body>> {
        let Some(path) = self.path else {
            let mut request = request.map(Either::Left);
            if let Some(authorization) = &self.authorization {
                let headers = request.headers_mut();
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            return Ok(request);
        };
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = value.to_str().context("a header that is not text")?;
            Ok((name.to_string(), value.to_owned()))
        });
        let recorded = Recorded {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: headers.collect::<anyhow::Result<_>>()?,
            body: String::from_utf8(body.to_vec())?,
        };
        self.seen.send_modify(|seen| seen.push(recorded));
        parts.uri = Uri::from_static(path);
        Ok(Request::from_parts(parts, Either::Right(Full::new(body))))
    }
}

async fn forward(
    request: Request<Incoming>,
    way: Arc<Way>,
    tasks: TaskTracker,
) -> Result<Response<Body>, hyper::Error> {
    match send(request, &way, &tasks).await {
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
    way: &Way,
    tasks: &TaskTracker,
) -> anyhow::Result<Response<Incoming>> {
    let request = way.pass(request).await?;
    let stream = TcpStream::connect(("127.0.0.1", way.upstream)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tasks.spawn(connection);
    Ok(sender.send_request(request).await?)
}
