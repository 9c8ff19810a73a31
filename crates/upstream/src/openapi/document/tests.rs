use std::future::Future;
use std::pin::Pin;

use http::Response;
use portcullis_core::SystemClock;
use portcullis_egress::{Destination, EgressError, ResponseBody};
use portcullis_mcp::PushPolicy;
use tokio_util::task::TaskTracker;

use super::*;
use crate::server::{Endpoint, ProtocolChoice};
use crate::stdio::Processes;

/// A network that takes down as what it was asked, and leads nowhere.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<Destination>>);

impl HttpClient for Asked {
    fn send<'client, 'policy, 'sent>(
        &'client self,
        _request: Request<RequestBody>,
        policy: &'policy EgressPolicy,
    ) -> Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, EgressError>> + Send + 'sent>>
    where
        'client: 'sent,
        'policy: 'sent,
        Self: 'sent,
    {
        self.0.lock().unwrap().push(policy.destination);
        Box::pin(std::future::pending())
    }
}

/// SSRF-01: what the API defined is trusted no further for being a document.
#[tokio::test]
async fn a_document_is_fetched_as_far_as_its_server_is_trusted() {
    for destination in [
        Destination::Untrusted {
            allow_loopback: false,
        },
        Destination::Operator {
            allow_insecure_http: true,
        },
    ] {
        let network = Arc::new(Asked::default());
        let endpoint = OpenApiEndpoint {
            document: DocumentSource::Address(Uri::from_static("https://a.example/api.json")),
            base: None,
            withheld: Vec::new(),
            credentialed: false,
        };
        let server = UpstreamServer {
            id: ServerId::from("a"),
            endpoint: Endpoint::OpenApi(Box::new(endpoint.clone())),
            destination,
            // It is asked once, and not waited for.
            timeout: Duration::ZERO,
            stream_idle: Duration::from_secs(1),
            stream_total: Duration::from_secs(1),
            protocol: ProtocolChoice::Auto,
            push: PushPolicy::default(),
        };
        let means = Means {
            client: Arc::clone(&network) as Arc<dyn HttpClient>,
            clock: Arc::new(SystemClock::start()),
            tasks: TaskTracker::new(),
            processes: Processes::new(1),
        };
        let documents = Documents::new(&server, &endpoint, &means);
        assert!(documents.api().await.is_err());
        assert_eq!(*network.0.lock().unwrap(), [destination]);
    }
}
