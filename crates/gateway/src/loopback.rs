//! A client for tests: one request per connection, plain HTTP to this machine.

use std::fmt::Write as _;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use portcullis_egress::{
    EgressError, EgressErrorKind, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Loopback;

#[async_trait]
impl HttpClient for Loopback {
    async fn send(
        &self,
        request: Request<RequestBody>,
        _: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        let authority = request.uri().authority().unwrap().to_string();
        let failed = |kind| EgressError {
            kind,
            host: authority.clone(),
            source: None,
        };
        let (parts, body) = request.into_parts();
        let body = ResponseBody::new(http_body_util::BodyExt::map_err(
            body,
            |never| match never {},
        ))
        .collect()
        .await?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {}\r\n",
            parts.method,
            parts.uri.path_and_query().unwrap(),
            body.len()
        );
        for (name, value) in &parts.headers {
            write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(&authority)
            .await
            .map_err(|_| failed(EgressErrorKind::Connect))?;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let split = answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .ok_or_else(|| failed(EgressErrorKind::Broken))?;
        let head = std::str::from_utf8(&answer[..split]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut response = Response::builder().status(status);
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            response = response.header(name, value);
        }
        let body = http_body_util::Full::new(Bytes::copy_from_slice(&answer[split + 4..]));
        let body = ResponseBody::new(http_body_util::BodyExt::map_err(
            body,
            |never| match never {},
        ));
        Ok(response.body(body).unwrap())
    }
}
