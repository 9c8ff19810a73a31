use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use portcullis_core::{ManualClock, PrincipalId, ServerId};
use portcullis_egress::{
    Destination, EgressError, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};
use portcullis_mcp::PushPolicy;

use super::*;
use crate::server::{Endpoint, ProtocolChoice, UpstreamServer};
use crate::stdio::Processes;
use crate::transport::{Means, NotPresented, Unsent};

const TENANT: HeaderName = HeaderName::from_static("x-tenant");
const MODERN: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"supportedVersions":["2026-07-28"]}}"#;
const SECOND: Duration = Duration::from_secs(1);

/// A server of 2026-07-28 that says a status to whoever sends it as their tenant.
#[derive(Debug, Default)]
struct Server(AtomicUsize);

#[async_trait]
impl HttpClient for Server {
    async fn send(
        &self,
        request: Request<RequestBody>,
        _: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let tenant = request.headers().get(TENANT);
        let status = tenant.map_or("200", |tenant| tenant.to_str().unwrap());
        let body = Full::new(Bytes::from_static(MODERN.as_bytes())).map_err(|never| match never {});
        let response = Response::builder().status(status);
        Ok(response
            .header(
                "content-type",
                if status == "200" {
                    "application/json"
                } else {
                    "text/html"
                },
            )
            .body(ResponseBody::new(body))
            .unwrap())
    }
}

/// What a caller, or everybody, presents.
struct Tenant(Option<&'static str>);

impl Presents for Tenant {
    fn present(&self, request: Unsent<'_>) -> Result<(), NotPresented> {
        if let Some(tenant) = self.0 {
            let value = HeaderValue::from_static(tenant);
            request.headers.insert(TENANT, value);
        }
        Ok(())
    }

    fn is_one_callers(&self) -> bool {
        self.0.is_some()
    }

    fn appears_in(&self, _: &[u8]) -> bool {
        false
    }
}

struct Stage {
    era: Era,
    wire: Wire,
    server: Arc<Server>,
}

impl Stage {
    fn new() -> Self {
        let server = Arc::new(Server::default());
        let described = UpstreamServer {
            id: ServerId::from("a"),
            endpoint: Endpoint::Http(http::Uri::from_static("https://a.example/mcp")),
            destination: Destination::Operator {
                allow_insecure_http: false,
            },
            timeout: 30 * SECOND,
            stream_idle: 30 * SECOND,
            stream_total: 30 * SECOND,
            protocol: ProtocolChoice::Auto,
            push: PushPolicy::default(),
        };
        let means = Means {
            client: Arc::clone(&server) as Arc<dyn HttpClient>,
            clock: Arc::new(ManualClock::at_millis(0)),
            tasks: tokio_util::task::TaskTracker::new(),
            processes: Processes::new(1),
        };
        Self {
            era: Era::default(),
            wire: Wire::new(described, &means),
            server,
        }
    }

    async fn asks(&self, acting: &Acting, tenant: Option<&'static str>) -> Option<bool> {
        self.asks_at(acting, tenant, SECOND).await
    }

    async fn asks_at(
        &self,
        acting: &Acting,
        tenant: Option<&'static str>,
        now: Duration,
    ) -> Option<bool> {
        let tenant = Tenant(tenant);
        let asked = self.era.speaks_modern(&self.wire, acting, &tenant, now);
        asked.await.ok()
    }

    fn asked(&self) -> usize {
        self.server.0.load(Ordering::Relaxed)
    }
}

fn bringing(who: &str, what: u8) -> Acting {
    Acting::Bearer(PrincipalId::from(who), [what; 32])
}

fn plain(who: &str) -> Acting {
    Acting::Principal(PrincipalId::from(who))
}

#[tokio::test]
async fn what_one_caller_brings_decides_for_nobody_else() {
    let stage = Stage::new();
    assert_eq!(
        stage.asks(&bringing("mallory", 1), Some("400")).await,
        Some(false)
    );
    assert_eq!(stage.asks(&plain("alice"), None).await, Some(true));
    // Neither for the same caller with something else.
    assert_eq!(
        stage.asks(&bringing("mallory", 2), Some("200")).await,
        Some(true)
    );
    assert_eq!(
        stage.asks(&bringing("mallory", 1), Some("400")).await,
        Some(false)
    );
    assert_eq!(stage.era.reported(&stage.wire), Some(true));
}

#[tokio::test]
async fn a_token_of_ones_own_decides_for_nobody_else() {
    let stage = Stage::new();
    assert_eq!(
        stage.asks(&plain("mallory"), Some("404")).await,
        Some(false)
    );
    assert_eq!(stage.asks(&plain("alice"), None).await, Some(true));
}

#[tokio::test]
async fn what_everybodys_credential_showed_is_not_asked_again() {
    let stage = Stage::new();
    assert_eq!(stage.asks(&Acting::Service, None).await, Some(true));
    assert_eq!(
        stage.asks(&bringing("mallory", 1), Some("400")).await,
        Some(true)
    );
    assert_eq!(stage.asks(&plain("alice"), None).await, Some(true));
    assert_eq!(stage.asked(), 1);
    // Who doubts it asks for themselves.
    let later = 10 * SECOND;
    stage.era.doubt(&bringing("mallory", 1), later);
    let mallory = bringing("mallory", 1);
    assert_eq!(
        stage.asks_at(&mallory, Some("400"), later).await,
        Some(false)
    );
    assert_eq!(
        stage.asks_at(&plain("alice"), None, later).await,
        Some(true)
    );
}

#[tokio::test]
async fn a_refusal_or_trouble_is_no_evidence() {
    for status in ["401", "403", "429", "500", "503"] {
        let stage = Stage::new();
        assert_eq!(
            stage.asks(&bringing("alice", 1), Some(status)).await,
            None,
            "{status}"
        );
        assert_eq!(
            stage.era.known(&stage.wire, &bringing("alice", 1)),
            None,
            "{status}"
        );
        assert_eq!(stage.era.reported(&stage.wire), None, "{status}");
    }
}

#[tokio::test]
async fn only_so_many_callers_own_verdicts_are_kept() {
    let stage = Stage::new();
    for caller in 0..=MOST_OWN {
        stage
            .asks(&bringing(&format!("caller {caller}"), 1), Some("200"))
            .await;
    }
    assert_eq!(stage.era.own().values().count(), MOST_OWN);
}

/// Else whoever makes up tokens has the server asked anew before every request of everybody.
#[tokio::test]
async fn a_caller_with_many_tokens_takes_nobody_elses_place() {
    let stage = Stage::new();
    let alice = bringing("alice", 1);
    stage.asks(&alice, Some("200")).await;
    for token in 0..=u8::MAX {
        stage.asks(&bringing("mallory", token), Some("200")).await;
    }
    assert_eq!(stage.era.own().values().count(), 1 + MOST_OF_ONE);
    let asked = stage.server.0.load(Ordering::Relaxed);
    stage.asks(&alice, Some("200")).await;
    assert_eq!(stage.server.0.load(Ordering::Relaxed), asked);
}
