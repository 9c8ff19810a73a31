//! One HTTP request to a loopback port and its whole answer, as a browser needs it.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request,
    header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;
use url::Url;

/// What a browser sends.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) url: &'a Url,
    /// Of a form that is posted.
    pub(crate) form: Option<String>,
    /// The page that the form stands on.
    pub(crate) origin: Option<String>,
    pub(crate) cookies: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Told {
    /// Where a redirect leads.
    pub(crate) fn location(&self, from: &Url) -> anyhow::Result<Option<Url>> {
        let Some(location) = self.headers.get(LOCATION) else {
            return Ok(None);
        };
        if !(300..400).contains(&self.status) {
            return Ok(None);
        }
        let location = location.to_str().context("a location that is no text")?;
        Ok(Some(from.join(location)?))
    }
}

/// Nothing here leaves the machine: another host is an error.
pub(crate) async fn ask(asked: Asked<'_>) -> anyhow::Result<Told> {
    let url = asked.url;
    let host = url.host_str().context("an address without a host")?;
    ensure!(
        url.scheme() == "http" && (host == "localhost" || host == "127.0.0.1"),
        "{url} leads away from this machine"
    );
    let port = url.port().context("an address without a port")?;
    let stream = TcpStream::connect((host, port))
        .await
        .with_context(|| format!("nobody listens at {url}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::builder()
        .uri(path)
        .header(HOST, format!("{host}:{port}"))
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    if !asked.cookies.is_empty() {
        request = request.header(COOKIE, asked.cookies);
    }
    if let Some(origin) = asked.origin {
        request = request.header(ORIGIN, origin);
    }
    let request = match asked.form {
        Some(form) => request
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?,
        None => request.body(Full::default())?,
    };
    let response = sender.send_request(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Told {
        status,
        headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    })
}
