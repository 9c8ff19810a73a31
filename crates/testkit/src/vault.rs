//! A HashiCorp Vault with a KV version 2 engine at `secret/`, and AWS Secrets Manager.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::aws::{Account, verify};
use crate::upstream::{FakeUpstream, Recorded, Reply};

/// The token that is good without a login.
pub const ROOT_TOKEN: &str = "hvs.canary-root-token";

#[derive(Default)]
struct State {
    /// Each version's fields; `None`: deleted.
    documents: BTreeMap<String, Vec<Option<Value>>>,
    tokens: Vec<String>,
    logins: usize,
    lease: u64,
    sealed: bool,
    /// What no token may read.
    forbidden: Vec<String>,
}

/// The store. It ends when it is dropped.
#[expect(missing_debug_implementations, reason = "it holds the story's secrets")]
pub struct FakeVault {
    server: FakeUpstream,
    state: Arc<Mutex<State>>,
}

impl FakeVault {
    /// An empty one, unsealed; tokens of logins live for an hour.
    pub async fn start() -> Self {
        let server = FakeUpstream::modern().await;
        let state = Arc::new(Mutex::new(State {
            lease: 3600,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        server.first(move |request| {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&mut state, request)
        });
        Self { server, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its address, as `VAULT_ADDR`.
    pub fn address(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// A new version of a document.
    pub fn put(&self, path: &str, fields: Value) {
        let mut state = self.state();
        let versions = state.documents.entry(path.to_owned()).or_default();
        versions.push(Some(fields));
    }

    /// Deletes the latest version; its metadata stays.
    pub fn delete(&self, path: &str) {
        if let Some(versions) = self.state().documents.get_mut(path) {
            versions.push(None);
        }
    }

    /// Seals or unseals it: a sealed one answers 503.
    pub fn seal(&self, sealed: bool) {
        self.state().sealed = sealed;
    }

    /// From now on our role may not read this document, whatever its token.
    pub fn forbid(&self, path: &str) {
        self.state().forbidden.push(path.to_owned());
    }

    /// Our role may read everything again.
    pub fn permit(&self) {
        self.state().forbidden.clear();
    }

    /// Every token of a login is worth nothing from now on.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// How many logins there were.
    pub fn logins(&self) -> usize {
        self.state().logins
    }

    /// How many times a document was read, or tried to be.
    pub fn reads(&self) -> usize {
        self.server.count("GET")
    }
}

fn answer(state: &mut State, request: &Recorded) -> Reply {
    if state.sealed {
        return errors(503, "Vault is sealed");
    }
    if request.header("x-vault-request") != Some("true") {
        return errors(400, "missing header");
    }
    if let Some(method) = request.path.strip_prefix("/v1/auth/") {
        let good = match method {
            "approle/login" => {
                request.text(&["role_id"]).as_deref() == Some("the-role")
                    && request.text(&["secret_id"]).as_deref() == Some("canary-secret-id")
            }
            "kubernetes/login" => {
                request.text(&["role"]).as_deref() == Some("gateway")
                    && request.text(&["jwt"]).as_deref() == Some("canary-jwt")
            }
            _ => return errors(404, "no handler"),
        };
        if !good {
            return errors(400, "invalid role or secret ID");
        }
        state.logins += 1;
        let token = format!("hvs.canary-{}", state.logins);
        state.tokens.push(token.clone());
        let auth = json!({"client_token": token, "lease_duration": state.lease, "renewable": true});
        return Reply::json(200, json!({"auth": auth, "data": null}).to_string());
    }
    let token = request.header("x-vault-token").unwrap_or_default();
    if token != ROOT_TOKEN && !state.tokens.iter().any(|known| known == token) {
        return errors(403, "permission denied");
    }
    let path = request.path.strip_prefix("/v1/secret/data/");
    if path.is_some_and(|path| state.forbidden.iter().any(|known| known == path)) {
        return errors(403, "permission denied");
    }
    let versions = path.and_then(|path| state.documents.get(path));
    let Some((latest, version)) = versions.and_then(|all| Some((all.last()?, all.len()))) else {
        return Reply::json(404, r#"{"errors":[]}"#);
    };
    let deleted = if latest.is_none() {
        "2026-01-01T00:00:00Z"
    } else {
        ""
    };
    let metadata = json!({"version": version, "deletion_time": deleted, "destroyed": false});
    let status = if latest.is_some() { 200 } else { 404 };
    let data = json!({"data": latest, "metadata": metadata});
    Reply::json(status, json!({"request_id": "r", "data": data}).to_string())
}

fn errors(status: u16, text: &str) -> Reply {
    let text = format!("{text}: canary-prose-of-vault");
    Reply::json(status, json!({"errors": [text]}).to_string())
}

/// Makes a server one of AWS Secrets Manager in `eu-west-1` that gives one secret to one account.
pub fn secrets_manager(server: &FakeUpstream, account: Account, name: &str, text: Value) {
    let name = name.to_owned();
    server.first(move |request| {
        let refuse = |kind: &str| {
            let body = json!({"__type": kind, "Message": "canary-prose-of-aws"});
            Reply::json(400, body.to_string())
        };
        if verify(request, &account, "eu-west-1/secretsmanager").is_err() {
            return refuse("InvalidSignatureException");
        }
        if request.header("x-amz-target") != Some("secretsmanager.GetSecretValue") {
            return refuse("UnknownOperationException");
        }
        if request.text(&["SecretId"]).as_deref() != Some(name.as_str()) {
            return refuse("com.amazonaws.secretsmanager#ResourceNotFoundException");
        }
        let answer = json!({"Name": name, "VersionId": "v1", "SecretString": text.to_string()});
        Reply::json(200, answer.to_string())
    });
}
