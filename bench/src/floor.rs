//! The least that a gateway can do: a key looked up in a map, the credential swapped, the request
//! forwarded over pooled connections, the answer passed back. One thread.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    client::legacy::connect::HttpConnector,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::http::{KEY, TOKEN};

#[expect(
    clippy::disallowed_types,
    reason = "the floor is what the egress room is measured against"
)]
type Client = hyper_util::client::legacy::Client<HttpConnector, Incoming>;
type Body = Either<Incoming, Full<Bytes>>;

struct Floor {
    credentials: HashMap<Vec<u8>, HeaderValue>,
    client: Client,
    upstream: u16,
}

pub(crate) async fn serve(port: u16, upstream: u16) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    #[expect(clippy::disallowed_types, reason = "see above")]
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let credential = HeaderValue::from_str(&format!("Bearer {TOKEN}"))?;
    let credentials = HashMap::from([(format!("Bearer {KEY}").into_bytes(), credential)]);
    let floor = Arc::new(Floor {
        credentials,
        client,
        upstream,
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let tasks = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let floor = Arc::clone(&floor);
        let service = service_fn(move |request| {
            let floor = Arc::clone(&floor);
            async move { Ok::<_, Infallible>(floor.forward(request).await) }
        });
        tasks.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

impl Floor {
    async fn forward(&self, mut request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::GET && request.uri().path() == "/health" {
            return status(StatusCode::OK);
        }
        let key = request
            .headers()
            .get(AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let Some(credential) = key.and_then(|key| self.credentials.get(key)) else {
            return status(StatusCode::UNAUTHORIZED);
        };
        request
            .headers_mut()
            .insert(AUTHORIZATION, credential.clone());
        let path = request.uri().path();
        let Ok(uri) = Uri::try_from(format!("http://127.0.0.1:{}{path}", self.upstream)) else {
            return status(StatusCode::BAD_REQUEST);
        };
        *request.uri_mut() = uri;
        match self.client.request(request).await {
            Ok(response) => response.map(Either::Left),
            Err(_) => status(StatusCode::BAD_GATEWAY),
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::new())));
    *response.status_mut() = status;
    response
}
