//! Somebody else's authorization server, as good or as bad as a story needs it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Site;

/// The audience of its tokens.
const AUDIENCE: &str = "https://gateway.example/mcp";

/// An issuer on loopback with ES256 keys.
#[derive(Debug)]
pub struct TestIssuer {
    site: Site,
    state: Arc<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    issuer: Mutex<String>,
    /// By key id, the published ones.
    keys: Mutex<Vec<(String, Arc<EcdsaKeyPair>)>>,
    /// Instead of the key set.
    instead: Mutex<Option<(StatusCode, String)>>,
    key_requests: AtomicUsize,
    /// While this is held, keys are read and their answer is not sent.
    gate: tokio::sync::Mutex<()>,
    /// What is said of opaque tokens.
    opaque: Mutex<HashMap<String, Value>>,
    introspections: Mutex<Vec<(HeaderMap, HashMap<String, String>)>>,
}

impl TestIssuer {
    /// Starts one with the key `k1`.
    pub async fn start() -> Self {
        let state = Arc::<Stage>::default();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&state));
        let site = Site::of(router).await;
        let issuer = Self { site, state };
        issuer.calls_itself(&issuer.url());
        issuer.publish("k1");
        issuer
    }

    /// Its URL, which is its identifier.
    pub fn url(&self) -> String {
        format!("http://{}", self.site.address())
    }

    /// An entry of `identity.issuers`, with these further lines.
    pub fn entry(&self, rest: &str) -> String {
        let url = self.url();
        format!("  - issuer: \"{url}\"\n    audience: \"{AUDIENCE}\"\n{rest}")
    }

    /// From now on its metadata names this issuer.
    pub fn calls_itself(&self, issuer: &str) {
        issuer.clone_into(&mut self.state.issuer.lock().unwrap());
    }

    /// Makes and publishes a key.
    pub fn publish(&self, kid: &str) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let mut keys = self.state.keys.lock().unwrap();
        keys.push((kid.to_owned(), Arc::new(pair)));
    }

    /// Takes a key out of the published ones and hands it over.
    pub fn withdraw(&self, kid: &str) -> Arc<EcdsaKeyPair> {
        let mut keys = self.state.keys.lock().unwrap();
        let at = keys.iter().position(|(known, _)| known == kid).unwrap();
        keys.remove(at).1
    }

    /// From now on this is the answer where its keys were.
    pub fn answers(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.state.instead.lock().unwrap() = Some((status, body.to_owned()));
    }

    /// From now on it publishes its keys again.
    pub fn recovers(&self) {
        *self.state.instead.lock().unwrap() = None;
    }

    /// How often its keys were asked for.
    pub fn key_requests(&self) -> usize {
        self.state.key_requests.load(Ordering::SeqCst)
    }

    /// Until the guard is dropped, answers about its keys stay on the way.
    pub async fn delays_its_keys(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.state.gate.lock().await
    }

    /// The claims of a good access token of `alice` at this second.
    pub fn claims(&self, now: i64) -> Value {
        json!({
            "iss": self.url(), "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 300,
            "client_id": "agent", "groups": ["staff"], "scope": "read",
        })
    }

    /// Signs these claims by a published key.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        let keys = self.state.keys.lock().unwrap();
        let (_, pair) = keys.iter().find(|(known, _)| known == kid).unwrap();
        Self::signed(pair, kid, claims)
    }

    /// Signs these claims by any key under any id.
    pub fn signed(pair: &EcdsaKeyPair, kid: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        Self::signed_as(pair, &header, claims)
    }

    /// Signs these claims by a published key, whatever the head says of it.
    pub fn sign(&self, kid: &str, header: &Value, claims: &Value) -> String {
        let keys = self.state.keys.lock().unwrap();
        let (_, pair) = keys.iter().find(|(known, _)| known == kid).unwrap();
        Self::signed_as(pair, header, claims)
    }

    fn signed_as(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// From now on it says this of an opaque token.
    pub fn says_of(&self, token: &str, said: Value) {
        let mut opaque = self.state.opaque.lock().unwrap();
        opaque.insert(token.to_owned(), said);
    }

    /// The introspection requests that it received, with their headers.
    pub fn introspections(&self) -> Vec<(HeaderMap, HashMap<String, String>)> {
        self.state.introspections.lock().unwrap().clone()
    }
}

async fn metadata(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    let issuer = stage.issuer.lock().unwrap().clone();
    let host = headers[header::HOST].to_str().unwrap();
    let jwks_uri = format!("http://{host}/keys");
    json!({"issuer": issuer, "jwks_uri": jwks_uri})
        .to_string()
        .into_response()
}

async fn keys(State(stage): State<Arc<Stage>>) -> Response {
    if let Some(instead) = stage.instead.lock().unwrap().clone() {
        stage.key_requests.fetch_add(1, Ordering::SeqCst);
        return instead.into_response();
    }
    let keys: Vec<Value> = {
        let keys = stage.keys.lock().unwrap();
        keys.iter().map(|(kid, pair)| public(kid, pair)).collect()
    };
    stage.key_requests.fetch_add(1, Ordering::SeqCst);
    drop(stage.gate.lock().await);
    json!({ "keys": keys }).to_string().into_response()
}

fn public(kid: &str, pair: &EcdsaKeyPair) -> Value {
    let (_, point) = pair.public_key().as_ref().split_first().unwrap();
    let (x, y) = point.split_at(32);
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

async fn introspect(State(stage): State<Arc<Stage>>, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let token = form["token"].clone();
    stage.introspections.lock().unwrap().push((headers, form));
    if let Some(instead) = stage.instead.lock().unwrap().clone() {
        return instead.into_response();
    }
    let opaque = stage.opaque.lock().unwrap();
    let said = opaque.get(&token).cloned();
    said.unwrap_or_else(|| json!({"active": false}))
        .to_string()
        .into_response()
}
