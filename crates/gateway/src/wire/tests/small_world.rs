//! A gateway in memory and requests to its router.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use portcullis_config::CommandLine;
use portcullis_core::{ApiKey, Role, ServerGrants};
use portcullis_server::Guarded;
use portcullis_server::listen::{Bound, ListenSettings, Stop};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::cli::client::GatewayClient;
use crate::loopback::Loopback;
use crate::wire::Embedded;

pub(super) struct SmallWorld {
    pub(super) embedded: Embedded,
    pub(super) admin: ApiKey,
    router: Guarded,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

impl SmallWorld {
    pub(super) async fn start(config: &str) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let embedded = Embedded::start(config, CommandLine::default(), &tasks, &stop)
            .await
            .unwrap();
        let all = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        Self {
            admin: embedded.key("admin", Role::Admin, all).await.unwrap(),
            router: embedded.router(),
            embedded,
        }
    }

    /// Asks another router from now on.
    pub(super) fn route(&mut self, router: Guarded) {
        self.router = router;
    }

    pub(super) async fn ask(&self, key: &ApiKey, method: Method, uri: &str, body: &str) -> Answer {
        self.send("localhost", key, method, uri, body).await
    }

    /// The administrator, under any `Host`.
    pub(super) async fn ask_at(&self, host: &str, method: Method, uri: &str) -> Answer {
        self.send(host, &self.admin, method, uri, "").await
    }

    async fn send(
        &self,
        host: &str,
        key: &ApiKey,
        method: Method,
        uri: &str,
        body: &str,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", key.expose()))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub(super) async fn get(&self, uri: &str) -> Answer {
        self.ask(&self.admin, Method::GET, uri, "").await
    }

    pub(super) async fn post(&self, uri: &str, body: &str) -> Answer {
        self.ask(&self.admin, Method::POST, uri, body).await
    }

    /// The command line's client, over a socket.
    pub(super) async fn client(&self) -> GatewayClient {
        let bound = Bound::bind("127.0.0.1", 0, ListenSettings::default())
            .await
            .unwrap();
        let base = format!("http://{}", bound.local_addr()).parse().unwrap();
        TaskTracker::new().spawn(bound.serve(self.router.clone(), Stop::default()));
        GatewayClient::new(Arc::new(Loopback), base, Some(self.admin.clone()), false).unwrap()
    }

    /// The one event of an answer's request.
    pub(super) async fn event_of(&self, answer: &Answer) -> Value {
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let found = self.get(&format!("/v1/audit?request_id={id}")).await;
        let events = found.body["events"].as_array().unwrap().clone();
        assert_eq!(events.len(), 1, "exactly one event: {events:?}");
        events.into_iter().next().unwrap()
    }
}
