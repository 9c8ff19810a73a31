//! Signed HTTP requests, by the rules of Standard Webhooks (standardwebhooks.com, "Webhook metadata" and
//! "Signature scheme").

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{Clock, SecretValue, hex, sha256};
use portcullis_engine::audit::{Carried, Courier, Undelivered, UndeliveredKind};

use super::Receiver;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// How secrets are written where they are base64.
const PREFIX: &str = "whsec_";

/// Brings lines as an array, or line by line.
pub(crate) struct Webhook {
    receiver: Receiver,
    key: hmac::Key,
    ndjson: bool,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// A secret with the prefix `whsec_` is base64, any other is taken as it is.
    pub(crate) fn new(
        receiver: Receiver,
        secret: &SecretValue,
        ndjson: bool,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let bytes = match secret.expose().strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .ok()
                .context("after `whsec_`, a webhook's `secret` is base64")?,
            None => secret.expose().as_bytes().to_vec(),
        };
        Ok(Self {
            receiver,
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            ndjson,
            clock,
        })
    }

    fn body(&self, lines: &[String]) -> String {
        if self.ndjson {
            let mut body = lines.join("\n");
            body.push('\n');
            body
        } else {
            format!("[{}]", lines.join(","))
        }
    }

    /// The id is made of the body: a repeated request has the same one.
    fn headers(&self, body: &str) -> Option<HeaderMap> {
        let digest = sha256(body.as_bytes());
        let id = format!("audit_{}", hex(digest.get(..16)?));
        let moment = self.clock.now().as_millis() / 1000;
        let signed = format!("{id}.{moment}.{body}");
        let signature = STANDARD.encode(hmac::sign(&self.key, signed.as_bytes()));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", moment.to_string()),
            ("webhook-signature", format!("v1,{signature}")),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(&value).ok()?,
            );
        }
        Some(headers)
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

#[async_trait]
impl Courier for Webhook {
    async fn carry(&self, lines: &[String]) -> Result<Carried, Undelivered> {
        let body = self.body(lines);
        let headers = self.headers(&body);
        let headers = headers.ok_or(UndeliveredKind::Unreachable("no signature"))?;
        let kind = if self.ndjson { NDJSON } else { JSON };
        let taken = self.receiver.post(kind, headers, Bytes::from(body));
        taken.await.map(|_| Carried::default())
    }
}
