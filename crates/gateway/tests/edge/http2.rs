//! HTTP/2: many streams of one connection.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_testkit::gateway::TestGateway;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

struct H2 {
    send: http2::SendRequest<Full<Bytes>>,
    tasks: TaskTracker,
}

impl H2 {
    async fn open(gateway: &TestGateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).await.unwrap();
        let io = TokioIo::new(stream);
        let (send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(connection);
        Self { send, tasks }
    }

    async fn ask(&self, request: http::Request<Full<Bytes>>) -> (u16, String) {
        let mut send = self.send.clone();
        let response = send.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

fn h2_echo(authority: &str, key: Option<&str>, message: &str) -> http::Request<Full<Bytes>> {
    let body = json!({"server_id": "support", "name": "echo", "arguments": {"message": message}});
    let mut request = http::Request::post(format!("http://{authority}/mcp-rest/tools/call"))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}

#[tokio::test]
async fn each_stream_of_one_http2_connection_is_judged_alone() {
    // AUTH-17, NET-12
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let other = gateway.key("other", &[]).await;
    let h2 = H2::open(&gateway).await;
    let asks = (0..99).map(|number| {
        let key = match number % 3 {
            0 => Some(caller.credential()),
            1 => Some(other.credential()),
            _ => None,
        };
        let request = h2_echo("localhost", key, &format!("message-{number}"));
        let h2 = &h2;
        async move { (number, h2.ask(request).await) }
    });
    for (number, (status, body)) in futures_util::future::join_all(asks).await {
        match number % 3 {
            0 => {
                assert_eq!(status, 200, "{body}");
                assert!(body.contains(&format!("message-{number}")), "{body}");
            }
            1 => assert_eq!(status, 404, "{body}"),
            _ => assert_eq!(
                (status, body.as_str()),
                (401, r#"{"error":"unauthorized"}"#)
            ),
        }
    }
    h2.tasks.close();
    gateway.stands().await;
}

#[tokio::test]
async fn over_http2_the_authority_is_the_host_and_nothing_may_contradict_it() {
    // AUTH-11, NET-12
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let h2 = H2::open(&gateway).await;
    let key = Some(caller.credential());
    assert_eq!(h2.ask(h2_echo("localhost", key, "hi")).await.0, 200);
    assert_eq!(h2.ask(h2_echo("evil.test", key, "hi")).await.0, 403);
    let mut desync = h2_echo("localhost", key, "hi");
    desync
        .headers_mut()
        .insert("host", "evil.test".parse().unwrap());
    assert_eq!(h2.ask(desync).await.0, 400);
    let mut twice = h2_echo("localhost", key, "hi");
    let other = format!("Bearer {}", caller.credential());
    twice
        .headers_mut()
        .append("authorization", other.parse().unwrap());
    assert_eq!(h2.ask(twice).await.0, 400);
    h2.tasks.close();
    gateway.stands().await;
}
