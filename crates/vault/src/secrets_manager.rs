//! AWS Secrets Manager: one signed request for a document.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use portcullis_aws::{AccessKeys, Answer, Identity, Scope, Wallet, known_error_code, send, sign};
use portcullis_core::Clock;
use portcullis_egress::{Destination, HttpClient, RequestBody};
use serde_json::{Value, json};
use url::Url;

use crate::stored::{Fields, SecretStore, StoreError, texts};

/// The store.
pub struct SecretsManager {
    endpoint: Url,
    destination: Destination,
    scope: Scope,
    wallet: Wallet,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl SecretsManager {
    /// Nothing is asked yet.
    pub fn new(
        endpoint: Url,
        region: String,
        identity: Identity,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            endpoint,
            destination: identity.sts.chosen_by,
            scope: Scope {
                region,
                service: "secretsmanager".to_owned(),
            },
            wallet: Wallet::new(identity, Arc::clone(&http), Arc::clone(&clock)),
            http,
            clock,
        }
    }

    async fn ask(&self, document: &str, keys: &AccessKeys) -> Result<Answer, StoreError> {
        let body = Bytes::from(json!({"SecretId": document}).to_string());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.as_str())
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .body(RequestBody::new(body.clone()))
            .map_err(|_| StoreError::Address)?;
        let uri = request.uri().clone();
        let now = self.clock.now();
        let headers = request.headers_mut();
        sign(&Method::POST, &uri, headers, &body, keys, &self.scope, now)
            .map_err(portcullis_aws::AwsError::from)?;
        Ok(send(&*self.http, request, self.destination).await?)
    }
}

#[async_trait]
impl SecretStore for SecretsManager {
    async fn read(&self, document: &str) -> Result<Fields, StoreError> {
        let keys = self.wallet.keys().await?;
        let mut answer = self.ask(document, &keys).await?;
        let code = code_of(&answer);
        // Keys that ended before they said they would: others are asked for, once.
        if matches!(
            code,
            Some("ExpiredTokenException" | "UnrecognizedClientException")
        ) && keys.session_token().is_some()
        {
            self.wallet.refused(&keys).await;
            answer = self.ask(document, &self.wallet.keys().await?).await?;
        }
        let status = answer.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(StoreError::Unavailable(status.as_u16()));
        }
        if status != StatusCode::OK {
            return Err(match code_of(&answer) {
                Some("ResourceNotFoundException") => StoreError::Missing,
                code => portcullis_aws::AwsError::Refused {
                    status: status.as_u16(),
                    code,
                }
                .into(),
            });
        }
        let answer: Value =
            serde_json::from_slice(&answer.body).map_err(|_| StoreError::BadResponse)?;
        // A binary secret has no fields.
        let text = answer.get("SecretString").and_then(Value::as_str);
        let text = text.ok_or(StoreError::NoField)?;
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(texts(&fields)),
            _ => Err(StoreError::NoField),
        }
    }
}

/// `{"__type": "…"}`.
fn code_of(answer: &Answer) -> Option<&'static str> {
    if answer.status == StatusCode::OK {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    known_error_code(body.get("__type")?.as_str()?)
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretsManager")
            .field(&self.endpoint.as_str())
            .finish()
    }
}
