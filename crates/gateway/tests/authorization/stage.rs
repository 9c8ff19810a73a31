//! A gateway, a client, and a person who holds a key.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use portcullis_core::{ManualClock, Principal};
use portcullis_identity::authorization_server::{AuthorizationServer, FlowHandle, Refusal};
use portcullis_identity::{Arrival, KeyHolder, Person, Proved};
use portcullis_testkit::PATIENCE;
use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

pub(crate) const ORIGIN: &str = "http://localhost";
pub(crate) const CALLBACK: &str = "http://localhost:7777/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ALICE: &str = "sk-pc-alice-7Qm2vT9dKx4RzP1sWn8uYb3";
pub(crate) const START: i64 = 1_800_000_000_000;

pub(crate) struct Stage {
    pub(crate) gateway: TestGateway,
    pub(crate) clock: Arc<ManualClock>,
    /// Sees `support` and `private`, and has both scopes.
    pub(crate) alice: Actor,
    /// Holds a key of the store.
    of_the_store: Actor,
    _mock: MockServer,
}

/// What a client was given.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With these further lines of `identity`.
    pub(crate) async fn with(identity: &str) -> Self {
        Self::on(None, identity).await
    }

    /// The same on this database, which somebody else may write to.
    pub(crate) async fn on(database: Option<&Path>, identity: &str) -> Self {
        let mock = MockServer::start().await;
        let yaml = format!(
            "identity:\n  scopes_supported: [read, write]\n  keys:\n    - {{id: alice, key: {ALICE}, \
             servers: [support, private], scopes: [read, write]}}\n{identity}mcp_servers:\n{}{}",
            mock.entry("support"),
            mock.entry("private")
        );
        let clock = Arc::new(ManualClock::at_millis(START));
        let gateway = match database {
            Some(database) => TestGateway::sharing(database, &yaml, clock.clone()).await,
            None => TestGateway::by_clock(&yaml, clock.clone()).await,
        };
        gateway.keep_secret("the mock's client secret", mock.client_secret());
        gateway.keep_secret("the key of alice", ALICE);
        let alice = gateway.bearer(ALICE);
        let of_the_store = gateway.key("somebody", &[]).await;
        Self {
            gateway,
            clock,
            alice,
            of_the_store,
            _mock: mock,
        }
    }

    /// So much later. What this process knows of keys is then too old, until it has asked again.
    pub(crate) async fn later(&self, span: Duration) {
        self.clock.advance(span);
        self.gateway.embedded().follow_token_keys().await;
        let asked_again = async {
            let ask = || self.of_the_store.ask(Ask::initialize("/mcp"));
            while ask().await.status == 503 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asked_again).await.unwrap();
    }

    pub(crate) fn server(&self) -> AuthorizationServer {
        self.gateway.embedded().authorization_server().unwrap()
    }

    /// A public client.
    pub(crate) async fn client(&self) -> String {
        let metadata = json!({
            "redirect_uris": [CALLBACK, "https://app.test/cb"], "client_name": "Tool",
            "token_endpoint_auth_method": "none",
        });
        let reply = self.register(&metadata).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn register(&self, metadata: &Value) -> Reply {
        let ask = Ask::post("/register", metadata);
        self.gateway.anonymous().ask(ask).await
    }

    /// Who holds a key, signed in with it.
    pub(crate) async fn person(&self, who: &Actor) -> (Person, Arc<Principal>) {
        person_at(&self.gateway, who.credential()).await
    }

    pub(crate) async fn begin(&self, query: &str) -> Result<FlowHandle, Refusal> {
        self.server().begin(query, ORIGIN).await
    }

    /// A person lets a client in; where their browser is sent.
    pub(crate) async fn approved(&self, who: &Actor, query: &str) -> Url {
        let flow = self.begin(query).await.unwrap();
        let (person, principal) = self.person(who).await;
        self.server()
            .approve(&flow, ORIGIN, &person, &principal)
            .await
            .unwrap()
    }

    /// A code for this client.
    pub(crate) async fn code(&self, client: &str) -> String {
        let to = self.approved(&self.alice, &query(client, &[])).await;
        let code = parameters(&to)["code"].clone();
        self.gateway.keep_secret("an authorization code", &code);
        code
    }

    /// Tokens for this client, for what these further parameters say.
    pub(crate) async fn tokens(&self, client: &str, more: &[(&str, &str)]) -> Tokens {
        self.tokens_of(&self.alice, client, more).await
    }

    pub(crate) async fn tokens_of(
        &self,
        who: &Actor,
        client: &str,
        more: &[(&str, &str)],
    ) -> Tokens {
        let to = self.approved(who, &query(client, more)).await;
        let reply = self.exchange(client, &parameters(&to)["code"]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        read(&reply)
    }

    pub(crate) async fn exchange(&self, client: &str, code: &str) -> Reply {
        self.token(&code_form(client, code)).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Reply {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ])
        .await
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Reply {
        self.post("/token", form).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.gateway.anonymous().ask(form_ask(path, form)).await
    }

    /// The status with which a token is met at an endpoint.
    pub(crate) async fn met_at(&self, path: &str, token: &str) -> u16 {
        let ask = Ask::initialize(path);
        self.gateway.bearer(token).ask(ask).await.status
    }
}

/// Who holds a key, signed in with it.
pub(crate) async fn person_at(gateway: &TestGateway, key: &str) -> (Person, Arc<Principal>) {
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {key}").parse().unwrap();
    headers.insert("authorization", value);
    let door = gateway.embedded().authentication();
    let holder = door.authenticate(&headers, &Arrival::default()).await;
    let holder = holder.unwrap().principal;
    let fingerprint = portcullis_core::ApiKey::new(key).fingerprint();
    let person = Person {
        session: "session".to_owned(),
        signed_in_at: portcullis_core::Timestamp::from_millis(START),
        proved: Proved::Key(KeyHolder {
            principal: holder.id.clone(),
            key_id: holder.key_id.clone(),
            fingerprint,
        }),
    };
    let principal = door.person(&person).await.unwrap();
    (person, principal)
}

pub(crate) fn code_form<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

pub(crate) fn form_ask(path: &str, form: &[(&str, &str)]) -> Ask {
    Ask::new("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encoded(form))
}

pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The query of a good authorization request, with these parameters in addition.
pub(crate) fn query(client: &str, more: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("state", "af0ifjsldkj"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    all.extend(more);
    encoded(&all)
}

pub(crate) fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

pub(crate) fn read(reply: &Reply) -> Tokens {
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
    }
}

/// The error of an endpoint, of which nothing may be kept.
pub(crate) fn error_of(reply: &Reply) -> String {
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    reply.json()["error"].as_str().unwrap().to_owned()
}
