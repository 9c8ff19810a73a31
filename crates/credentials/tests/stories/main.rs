//! Credentials as stories, against an authorization server on a real loopback socket.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the fixtures of an integration test are test code too"
)]

mod actors;
mod caching;
mod chosen_by;
mod client_proof;
mod discovery;
mod failures;
mod fake;
mod fixed;
mod id_jag;
mod mapped_keys;
mod on_behalf;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use portcullis_core::{ClientSecret, ManualClock, ScopeSet, SeededEntropy, ServerId};
use portcullis_credentials::{
    Broker, ClientCredentials, ClientProof, CredentialBroker, CredentialError, Finished, Refusal,
    ServerAuth, SharedTokens, TokenClient, TokenEndpoint, UpstreamAuth, UpstreamCredential,
};
use portcullis_egress::{RootSource, Settings};
use portcullis_oauth::TokenRules;
use portcullis_policy::authorize_service;
use tokio_util::task::TaskTracker;
use url::Url;

pub(crate) struct House {
    pub(crate) broker: Arc<Broker>,
    pub(crate) clock: Arc<ManualClock>,
    tasks: TaskTracker,
}

pub(crate) fn house() -> House {
    let clock = Arc::new(ManualClock::at_millis(1_795_000_000_000));
    house_of(clock, Arc::new(SeededEntropy::new(1)), None)
}

/// One of several that may share tokens.
pub(crate) fn house_of(
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    shared: Option<SharedTokens>,
) -> House {
    let http = Settings {
        roots: RootSource {
            native: false,
            ..RootSource::default()
        },
        ..Settings::default()
    };
    let tasks = TaskTracker::new();
    House {
        broker: Arc::new(
            Broker::new(
                Arc::new(http.build().unwrap()),
                clock.clone(),
                entropy,
                tasks.clone(),
            )
            .sharing(shared),
        ),
        clock,
        tasks,
    }
}

impl House {
    pub(crate) async fn obtain(
        &self,
        auth: &ServerAuth,
    ) -> Result<UpstreamCredential, CredentialError> {
        let permit = authorize_service(&auth.server);
        self.broker
            .obtain(
                permit.evidence(),
                auth,
                portcullis_credentials::Errand::Session,
            )
            .await
    }

    /// The server refused a credential with 401.
    pub(crate) async fn rejected(
        &self,
        auth: &ServerAuth,
        credential: &UpstreamCredential,
    ) -> bool {
        let refusal = Refusal::Credential {
            challenge: &[],
            again: false,
        };
        let rejected = self.broker.rejected(auth, credential, refusal).await;
        rejected.unwrap()
    }

    /// Returns when no token request is under way.
    pub(crate) async fn settled(&self) {
        let settled = async {
            while !self.tasks.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        in_time(settled).await;
    }

    /// What the upstream sees in `Authorization`.
    pub(crate) async fn presented(&self, auth: &ServerAuth) -> String {
        presented(&self.obtain(auth).await.unwrap())
    }
}

pub(crate) fn presented(credential: &UpstreamCredential) -> String {
    headers(credential)["authorization"]
        .to_str()
        .unwrap()
        .to_owned()
}

/// Everything that it puts on a request.
pub(crate) fn headers(credential: &UpstreamCredential) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put_on(credential, &mut headers);
    headers
}

pub(crate) fn put_on(credential: &UpstreamCredential, headers: &mut HeaderMap) {
    let finished = Finished {
        method: &http::Method::POST,
        uri: &http::Uri::from_static("https://mcp.example.com/mcp"),
        headers,
        body: b"{}",
    };
    credential.apply(finished).unwrap();
}

pub(crate) fn client(token_endpoint: TokenEndpoint) -> ClientCredentials {
    ClientCredentials {
        token_endpoint,
        client: TokenClient {
            client_id: "gateway".to_owned(),
            proof: ClientProof::SecretPost(ClientSecret::new("canary-secret")),
        },
        scopes: ScopeSet::default(),
        audience: None,
        resource: None,
        rules: TokenRules::default(),
        chosen_by: portcullis_egress::Destination::Operator {
            allow_insecure_http: false,
        },
    }
}

pub(crate) fn server(name: &str, client: ClientCredentials) -> ServerAuth {
    let auth = UpstreamAuth::ClientCredentials(Box::new(client));
    ServerAuth::new(ServerId::from(name), auth)
}

/// What must happen in a story does so in less than this.
pub(crate) async fn in_time<T>(waited: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_mins(1), waited).await;
    outcome.expect("what must happen did not happen")
}

/// A server with a token URL in the file.
pub(crate) fn m2m(token_url: Url) -> ServerAuth {
    server("m2m", client(TokenEndpoint::Configured(token_url)))
}
