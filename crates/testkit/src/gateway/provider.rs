//! Somebody else's OpenID provider, as good or as bad as a story needs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Clock, sha256};
use serde_json::{Value, json};
use url::Url;

use super::Site;

/// Our client there.
pub(super) const CLIENT_ID: &str = "the-gateway";

/// A provider on loopback with an ES256 key.
#[derive(Debug)]
pub struct TestProvider {
    site: Site,
    state: Arc<Stage>,
}

#[derive(Debug)]
struct Stage {
    clock: Arc<dyn Clock>,
    pair: EcdsaKeyPair,
    /// Parameters of requests by the code that was given for them.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    /// What is said otherwise than a good provider would: in metadata, in the head of an ID token, in
    /// its claims. `null` takes a member away.
    metadata: Mutex<Value>,
    head: Mutex<Value>,
    claims: Mutex<Value>,
    /// The status of every answer, while it is no good one.
    fails: Mutex<Option<StatusCode>>,
    exchanges: Mutex<Vec<(HeaderMap, HashMap<String, String>)>>,
}

impl TestProvider {
    /// Starts one that lives by this clock.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let state = Arc::new(Stage {
            clock,
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            codes: Mutex::default(),
            metadata: Mutex::new(json!({})),
            head: Mutex::new(json!({})),
            claims: Mutex::new(json!({})),
            fails: Mutex::default(),
            exchanges: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        Self {
            site: Site::of(router).await,
            state,
        }
    }

    /// Its URL, which is its identifier.
    pub fn url(&self) -> String {
        format!("http://{}", self.site.address())
    }

    /// `identity.login` with it, with these further lines.
    pub fn login(&self, rest: &str) -> String {
        format!(
            "  login:\n    issuer: \"{}\"\n    name: Example\n    client_id: {CLIENT_ID}\n{rest}",
            self.url()
        )
    }

    /// From now on its metadata says this too.
    pub fn announces(&self, members: Value) {
        *self.state.metadata.lock().unwrap() = members;
    }

    /// From now on its ID tokens have these claims.
    pub fn claims(&self, changes: Value) {
        *self.state.claims.lock().unwrap() = changes;
    }

    /// From now on the heads of its ID tokens have these members.
    pub fn heads(&self, changes: Value) {
        *self.state.head.lock().unwrap() = changes;
    }

    /// From now on it answers everything with this status, or as it should again.
    pub fn fails(&self, status: Option<u16>) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        *self.state.fails.lock().unwrap() = status;
    }

    /// The code exchanges that it received, with their headers.
    pub fn exchanges(&self) -> Vec<(HeaderMap, HashMap<String, String>)> {
        self.state.exchanges.lock().unwrap().clone()
    }

    /// A person signs in there, who was sent with this URL: the path and query that their browser
    /// comes back with.
    pub fn signs_in(&self, sent_to: &str) -> String {
        let url = Url::parse(sent_to).unwrap();
        assert_eq!(url.origin().ascii_serialization(), self.url());
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let mut codes = self.state.codes.lock().unwrap();
        let code = format!("provider-code-{:04}-Zq8vN2xW5tR7", codes.len());
        let back = Url::parse(&asked["redirect_uri"]).unwrap();
        let state = asked["state"].clone();
        codes.insert(code.clone(), asked);
        format!("{}?code={code}&state={state}", back.path())
    }
}

/// These members changed; `null` takes one away.
fn with(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

impl Stage {
    fn failing(&self) -> Option<Response> {
        let status = (*self.fails.lock().unwrap())?;
        Some((status, "provider-prose-<script>").into_response())
    }
}

fn origin(headers: &HeaderMap) -> String {
    format!("http://{}", headers["host"].to_str().unwrap())
}

async fn metadata(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if let Some(failing) = stage.failing() {
        return failing;
    }
    let origin = origin(&headers);
    let document = json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "jwks_uri": format!("{origin}/keys"),
        "end_session_endpoint": format!("{origin}/logout"),
    });
    with(document, &stage.metadata.lock().unwrap())
        .to_string()
        .into_response()
}

async fn keys(State(stage): State<Arc<Stage>>) -> Response {
    if let Some(failing) = stage.failing() {
        return failing;
    }
    let (_, point) = stage.pair.public_key().as_ref().split_first().unwrap();
    let (x, y) = point.split_at(32);
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p1", "alg": "ES256", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    json!({ "keys": [key] }).to_string().into_response()
}

async fn token(State(stage): State<Arc<Stage>>, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let origin = origin(&headers);
    let asked = stage.codes.lock().unwrap().remove(&form["code"]);
    let mut exchanges = stage.exchanges.lock().unwrap();
    exchanges.push((headers, form.clone()));
    drop(exchanges);
    if let Some(failing) = stage.failing() {
        return failing;
    }
    let refused = || (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#).into_response();
    let Some(asked) = asked else {
        return refused();
    };
    let challenge = URL_SAFE_NO_PAD.encode(sha256(form["code_verifier"].as_bytes()));
    if form["redirect_uri"] != asked["redirect_uri"] || challenge != asked["code_challenge"] {
        return refused();
    }
    let now = stage.clock.now().as_secs();
    let claims = json!({
        "iss": origin, "sub": "alice", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
        "nonce": asked["nonce"], "email": "alice@example.com", "groups": ["staff"],
    });
    let claims = with(claims, &stage.claims.lock().unwrap());
    let head = json!({"alg": "ES256", "kid": "p1"});
    let head = with(head, &stage.head.lock().unwrap());
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&head), encode(&claims));
    let random = SystemRandom::new();
    let signature = stage.pair.sign(&random, message.as_bytes()).unwrap();
    let id_token = match head["alg"].as_str() {
        Some("none") => format!("{message}."),
        _ => format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)),
    };
    json!({"access_token": "opaque", "token_type": "Bearer", "id_token": id_token})
        .to_string()
        .into_response()
}
