use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use http::header::LOCATION;
use portcullis_core::ManualClock;
use portcullis_egress::{EgressErrorKind, ResponseBody};

use super::*;

const ID: &str = "https://app.test/client.json";

/// A site with one document, as good or as bad as a story needs it.
#[derive(Debug)]
struct Site {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Mutex<String>,
    asked: AtomicUsize,
}

/// The bytes of a body at once.
struct Whole(Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, EgressError>>> {
        let bytes = self.0.take();
        std::task::Poll::Ready(bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

#[async_trait]
impl HttpClient for Site {
    async fn send(
        &self,
        request: Request<RequestBody>,
        policy: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        // Whatever a name leads to: the guard for strangers' addresses, and five KiB.
        let untrusted = Destination::Untrusted {
            allow_loopback: false,
        };
        assert_eq!(policy.destination, untrusted);
        assert_eq!(policy.max_body, Some(5 * 1024));
        assert_eq!(request.uri(), ID, "redirects lead nowhere");
        assert_eq!(request.method(), http::Method::GET);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, *value);
        }
        let body = Bytes::from(self.body.lock().unwrap().clone());
        Ok(response.body(ResponseBody::new(Whole(Some(body)))).unwrap())
    }
}

fn document(redirect: &str) -> String {
    format!(r#"{{"client_id":"{ID}","client_name":"App","redirect_uris":["{redirect}"]}}"#)
}

struct Stage {
    site: Arc<Site>,
    clock: Arc<ManualClock>,
    documents: ClientDocuments,
}

impl Stage {
    fn new(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Self {
        let site = Arc::new(Site {
            status,
            headers: headers.to_vec(),
            body: Mutex::new(body.to_owned()),
            asked: AtomicUsize::default(),
        });
        let clock = Arc::new(ManualClock::at_millis(0));
        let documents = ClientDocuments::new(Arc::clone(&site) as _, Arc::clone(&clock) as _);
        Self {
            site,
            clock,
            documents,
        }
    }

    async fn read(&self) -> Option<ClientMetadata> {
        let url = ClientIdUrl::parse(ID).unwrap();
        let natives = NativeRedirects::default();
        self.documents.read(&url, &natives, false).await
    }

    fn asked(&self) -> usize {
        self.site.asked.load(Ordering::SeqCst)
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// DCR-10: what is not exactly the document is none, and is asked for anew.
#[tokio::test]
async fn only_the_document_itself_is_believed_and_no_failure_is_remembered() {
    let good = document("https://app.test/cb");
    let other = good.replace(ID, "https://app.test/other.json");
    let twice = good.replace(
        "\"client_name\":\"App\"",
        "\"client_name\":\"A\",\"client_name\":\"B\"",
    );
    for (status, headers, body) in [
        (404, vec![JSON], good.as_str()),
        (500, vec![JSON], &good),
        (204, vec![JSON], ""),
        (
            302,
            vec![JSON, (LOCATION.as_str(), "https://app.test/x")],
            &good,
        ),
        (200, vec![("content-type", "text/html")], &good),
        (200, vec![], &good),
        (200, vec![JSON, ("content-encoding", "gzip")], &good),
        (200, vec![JSON], "not json"),
        (200, vec![JSON], "[]"),
        (200, vec![JSON], &other),
        (200, vec![JSON], &twice),
    ] {
        let stage = Stage::new(status, &headers, body);
        assert_eq!(stage.read().await, None, "{status} {headers:?} {body}");
        assert_eq!(stage.read().await, None);
        assert_eq!(stage.asked(), 2, "an error is not kept");
    }
    let stage = Stage::new(
        200,
        &[("content-type", "application/json; charset=utf-8")],
        &good,
    );
    assert!(stage.read().await.is_some());
}

/// DCR-12 and DCR-13: a redirect URI is good as long as the document lists it, for a bounded time.
#[tokio::test]
async fn a_document_is_kept_as_long_as_it_says_within_bounds() {
    for (header, life) in [
        (("cache-control", "max-age=0"), Duration::from_mins(1)),
        (("cache-control", "no-store"), Duration::from_mins(1)),
        (("cache-control", "max-age=600"), Duration::from_mins(10)),
        (
            ("cache-control", "max-age=1000000000"),
            Duration::from_hours(24),
        ),
    ] {
        let body = document("https://app.test/cb");
        let stage = Stage::new(200, &[JSON, header], &body);
        let read = stage.read().await.unwrap();
        assert!(read.redirect("https://app.test/cb").is_some());
        assert!(read.redirect("https://app.test/other").is_none());
        *stage.site.body.lock().unwrap() = document("https://app.test/other");
        stage
            .clock
            .advance(life.saturating_sub(Duration::from_millis(1)));
        assert_eq!(stage.read().await.unwrap(), read, "{header:?}");
        assert_eq!(stage.asked(), 1);
        stage.clock.advance(Duration::from_millis(1));
        let changed = stage.read().await.unwrap();
        assert!(changed.redirect("https://app.test/cb").is_none());
        assert_eq!(stage.asked(), 2, "{header:?}");
    }
}

#[tokio::test]
async fn strangers_fill_no_memory_with_documents() {
    let stage = Stage::new(200, &[JSON], &document("https://app.test/cb"));
    let metadata = stage.read().await.unwrap();
    for number in 0..MOST * 2 {
        let url = format!("https://app.test/{number}");
        stage
            .documents
            .keep(&url, &metadata, Duration::from_mins(1));
    }
    assert_eq!(stage.documents.kept().len(), MOST);
}

/// A web of sites: those of `evil.test` never answer, `silent.test` is not there, all others are.
#[derive(Debug)]
struct Web {
    good: Arc<Site>,
    asked: AtomicUsize,
}

#[async_trait]
impl HttpClient for Web {
    async fn send(
        &self,
        request: Request<RequestBody>,
        policy: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if host == "app.test" {
            return self.good.send(request, policy).await;
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        if host.ends_with(".evil.test") {
            std::future::pending::<()>().await;
        }
        Err(EgressError {
            kind: EgressErrorKind::Connect,
            host,
            source: None,
        })
    }
}

impl Web {
    fn new() -> (Arc<Self>, Arc<ManualClock>, Arc<ClientDocuments>) {
        let Stage { site, clock, .. } = Stage::new(200, &[JSON], &document("https://app.test/cb"));
        let web = Arc::new(Self {
            good: site,
            asked: AtomicUsize::default(),
        });
        let documents = ClientDocuments::new(Arc::clone(&web) as _, Arc::clone(&clock) as _);
        (web, clock, Arc::new(documents))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn read(documents: Arc<ClientDocuments>, url: String) -> Option<ClientMetadata> {
    let url = ClientIdUrl::parse(&url).unwrap();
    let natives = NativeRedirects::default();
    documents.read(&url, &natives, false).await
}

/// Names below a domain cost nothing, and neither does not answering.
#[tokio::test]
async fn sites_that_never_answer_keep_no_other_from_being_read() {
    let (web, _, documents) = Web::new();
    let tasks = tokio_util::task::TaskTracker::new();
    let hanging: Vec<_> = (0..4 * OF_ONE_SITE)
        .map(|number| {
            let url = format!("https://n{number}.evil.test/client.json");
            tasks.spawn(read(Arc::clone(&documents), url))
        })
        .collect();
    while web.asked() < OF_ONE_SITE {
        tokio::task::yield_now().await;
    }
    assert!(read(documents, ID.to_owned()).await.is_some());
    assert_eq!(web.asked(), OF_ONE_SITE, "a part of the turns");
    for one in hanging {
        one.abort();
    }
}

#[tokio::test]
async fn an_address_that_did_not_answer_is_left_alone_for_a_moment() {
    let (web, clock, documents) = Web::new();
    let asks = |path: &str| {
        read(
            Arc::clone(&documents),
            format!("https://silent.test/{path}"),
        )
    };
    assert_eq!(asks("a.json").await, None);
    assert_eq!(asks("a.json").await, None);
    assert_eq!(web.asked(), 1);
    assert_eq!(asks("b.json").await, None);
    assert_eq!(web.asked(), 2, "which says nothing about others");
    clock.advance(LEFT_ALONE);
    assert_eq!(asks("a.json").await, None);
    assert_eq!(web.asked(), 3);
}

#[test]
fn a_host_of_its_own_is_no_site_of_its_own() {
    for (url, site) in [
        ("https://a.b.evil.test/x", "evil.test"),
        ("https://evil.test/x", "evil.test"),
        ("https://localhost/x", "localhost"),
    ] {
        let url = ClientIdUrl::parse(url).unwrap();
        assert_eq!(site_of(&url), site);
    }
}
