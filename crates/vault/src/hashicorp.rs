//! HashiCorp Vault: documents of a KV version 2 engine, by token, AppRole or Kubernetes.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use portcullis_aws::{Answer, send};
use portcullis_core::{Clock, SecretValue};
use portcullis_egress::{Destination, HttpClient, RequestBody};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::stored::{Fields, SecretStore, StoreError, texts};

/// One Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSettings {
    /// Its address, as `VAULT_ADDR`.
    pub address: Url,
    /// The namespace, if it has one.
    pub namespace: Option<String>,
    /// Where the KV version 2 engine is mounted.
    pub mount: String,
    /// How we log in.
    pub login: Login,
    /// Plain http beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
}

/// How we log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A token that somebody else keeps alive.
    Token(SecretValue),
    /// `auth/{mount}/login` with a role id and its secret id.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role_id: String,
        /// Its secret.
        secret_id: SecretValue,
    },
    /// `auth/{mount}/login` with the token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The service account's token; read anew at each login, because Kubernetes renews it.
        token_file: PathBuf,
    },
}

/// Logging in again did not help with a document: how long it is not tried again for it. New rights
/// of our role need a new login, so it is not for ever.
const IN_VAIN: Duration = Duration::from_mins(10);

/// A token of ours, and until when on the monotonic clock it is used without logging in again.
struct Session {
    token: SecretValue,
    until: Option<Duration>,
}

/// The store.
pub struct VaultKv {
    settings: VaultSettings,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// Held while logging in: one login at a time.
    session: Mutex<Option<Session>>,
    /// When, monotonic, a fresh token was refused a document.
    refused: Mutex<HashMap<String, Duration>>,
}

impl VaultKv {
    /// Nothing is asked yet.
    pub fn new(settings: VaultSettings, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            http,
            clock,
            session: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    async fn token(&self, refused: Option<&SecretValue>) -> Result<SecretValue, StoreError> {
        let login = match &self.settings.login {
            Login::Token(token) => return Ok(token.clone()),
            login => login,
        };
        let mut session = self.session.lock().await;
        let now = self.clock.monotonic();
        if let Some(known) = &*session
            && Some(&known.token) != refused
            && known.until.is_none_or(|until| now < until)
        {
            return Ok(known.token.clone());
        }
        *session = None;
        let fresh = self.log_in(login, now).await?;
        Ok(session.insert(fresh).token.clone())
    }

    /// Whether a new token may be what this document wants.
    async fn may_help(&self, document: &str) -> bool {
        if matches!(self.settings.login, Login::Token(_)) {
            return false;
        }
        let refused = self.refused.lock().await;
        let now = self.clock.monotonic();
        let at = refused.get(document);
        at.is_none_or(|at| now.saturating_sub(*at) >= IN_VAIN)
    }

    async fn log_in(&self, login: &Login, now: Duration) -> Result<Session, StoreError> {
        let (mount, body) = match login {
            Login::Token(token) => {
                let token = token.clone();
                return Ok(Session { token, until: None });
            }
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => (
                mount,
                json!({"role_id": role_id, "secret_id": secret_id.expose()}),
            ),
            Login::Kubernetes {
                mount,
                role,
                token_file,
            } => {
                let jwt = std::fs::read_to_string(token_file).map_err(StoreError::TokenFile)?;
                (mount, json!({"role": role, "jwt": jwt.trim()}))
            }
        };
        let path = format!("auth/{mount}/login");
        let answer = self
            .ask(Method::POST, &path, None, body.to_string())
            .await?;
        let document = accepted(&answer)?;
        let auth = document.get("auth").ok_or(StoreError::BadResponse)?;
        let token = auth.get("client_token").and_then(Value::as_str);
        let lease = auth.get("lease_duration").and_then(Value::as_u64);
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(StoreError::BadResponse)?;
        // A lease of 0 never ends. Logged in anew after two thirds, well before the end.
        let until = lease
            .filter(|lease| *lease > 0)
            .map(|lease| now.saturating_add(Duration::from_secs(lease) / 3 * 2));
        Ok(Session {
            token: SecretValue::new(token),
            until,
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretValue>,
        body: String,
    ) -> Result<Answer, StoreError> {
        let base = self.settings.address.as_str().trim_end_matches('/');
        let uri = format!("{base}/v1/{path}");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("x-vault-request", "true")
            .header(CONTENT_TYPE, "application/json")
            .body(RequestBody::from(body))
            .map_err(|_| StoreError::Address)?;
        let headers = request.headers_mut();
        if let Some(namespace) = &self.settings.namespace {
            let value = HeaderValue::from_str(namespace).map_err(|_| StoreError::Address)?;
            headers.insert("x-vault-namespace", value);
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(token.expose());
            let mut value = value.map_err(|_| StoreError::Address)?;
            value.set_sensitive(true);
            headers.insert("x-vault-token", value);
        }
        let destination = Destination::Operator {
            allow_insecure_http: self.settings.allow_insecure_http,
        };
        Ok(send(&*self.http, request, destination).await?)
    }
}

#[async_trait]
impl SecretStore for VaultKv {
    async fn read(&self, document: &str) -> Result<Fields, StoreError> {
        let path = format!("{}/data/{document}", self.settings.mount);
        let token = self.token(None).await?;
        let mut answer = self
            .ask(Method::GET, &path, Some(&token), String::new())
            .await?;
        // A token that was revoked before its end: log in once more, if that is ours to do.
        if answer.status == StatusCode::FORBIDDEN && self.may_help(document).await {
            let token = self.token(Some(&token)).await?;
            answer = self
                .ask(Method::GET, &path, Some(&token), String::new())
                .await?;
            let mut refused = self.refused.lock().await;
            if answer.status == StatusCode::FORBIDDEN {
                refused.insert(document.to_owned(), self.clock.monotonic());
            } else {
                refused.remove(document);
            }
        }
        let document = accepted(&answer)?;
        let data = document.get("data").and_then(|data| data.get("data"));
        match data {
            Some(Value::Object(fields)) => Ok(texts(fields)),
            // A version that was deleted has metadata only.
            Some(Value::Null) => Err(StoreError::Missing),
            _ => Err(StoreError::BadResponse),
        }
    }
}

fn accepted(answer: &Answer) -> Result<Value, StoreError> {
    let status = answer.status;
    match status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| StoreError::BadResponse),
        StatusCode::NOT_FOUND => Err(StoreError::Missing),
        // 412: a replica that has not caught up; 472 and 473: a standby of another kind.
        status if status.is_server_error() || matches!(status.as_u16(), 412 | 429 | 472 | 473) => {
            Err(StoreError::Unavailable(status.as_u16()))
        }
        _ => Err(StoreError::Refused(status.as_u16())),
    }
}

impl fmt::Debug for VaultKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VaultKv")
            .field(&self.settings.address.as_str())
            .finish()
    }
}
