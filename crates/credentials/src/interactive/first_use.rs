//! Which authorization server the file's client is of, where the file does not say it: the first one
//! that its server named.
//!
//! The threat is a server that is taken over later, or its metadata: it names an authorization server
//! of its own, and the operator's secret would be shown to it.

use portcullis_core::{Sha256, hex};
use portcullis_store::UpstreamClientRecord;
use serde::{Deserialize, Serialize};

use super::authorization_server::AuthorizationServer;
use super::client::{COLUMN, TABLE, place};
use super::connections::Inner;
use super::terms::AuthorizationCode;
use crate::error::Failure;
use crate::{ClientProof, CredentialErrorKind};

/// The one that is known.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    issuer: String,
    token_endpoint: String,
}

impl Known {
    fn of(server: &AuthorizationServer) -> Self {
        Self {
            issuer: server.key.clone(),
            token_endpoint: server.token.to_string(),
        }
    }
}

/// Under which name the first one is kept; `None`: the file says it, or there is nothing to be stolen.
/// It is no URL, and therefore no issuer's.
fn name(terms: &AuthorizationCode) -> Option<String> {
    let client = terms.client.as_ref()?;
    let both = terms.authorization_url.is_some() && terms.token_url.is_some();
    if terms.issuer.is_some() || both || matches!(client.proof, ClientProof::Public) {
        return None;
    }
    let token_url = terms.token_url.as_ref().map_or("", |url| url.as_str());
    let mark = Sha256::new()
        .part(terms.server_url.as_str().as_bytes())
        .part(client.client_id.as_bytes())
        .part(token_url.as_bytes())
        .finish();
    Some(format!("first used with {}", hex(&mark)))
}

impl Inner {
    /// Refuses an authorization server that is not the one that the file's client was first used with.
    pub(super) async fn require_known(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
    ) -> Result<(), Failure> {
        let Some(name) = name(terms) else {
            return Ok(());
        };
        let there = self.stores.clients.get(&name, "").await;
        match there.map_err(Failure::of_store)? {
            Some(there) => self.compare(terms, server, &there),
            None => Ok(()),
        }
    }

    /// The same, before a client of the file is used: where none is known, this one is from now on,
    /// for every replica.
    pub(super) async fn settle_known(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
    ) -> Result<(), Failure> {
        let Some(name) = name(terms) else {
            return Ok(());
        };
        let text = serde_json::to_vec(&Known::of(server)).map_err(Failure::of_defect)?;
        let sealed = self
            .ring
            .seal_row(TABLE, &place(&name, ""), COLUMN, &text)
            .map_err(Failure::of_seal)?;
        let record = UpstreamClientRecord {
            issuer: name,
            redirect_uri: String::new(),
            sealed: sealed.as_bytes().to_vec(),
            version: self.version()?,
        };
        let there = self.stores.clients.put_if_absent(&record).await;
        self.compare(terms, server, &there.map_err(Failure::of_store)?)
    }

    /// Closed: what does not open says nothing, and the operator can.
    fn compare(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
        there: &UpstreamClientRecord,
    ) -> Result<(), Failure> {
        let row = place(&there.issuer, &there.redirect_uri);
        let text = self.unsealed(TABLE, &row, COLUMN, there.sealed.clone())?;
        let known: Option<Known> = text.and_then(|text| serde_json::from_slice(&text).ok());
        if known.as_ref() == Some(&Known::of(server)) {
            return Ok(());
        }
        tracing::error!(
            server = %terms.server_url,
            known = known.as_ref().map(|known| known.issuer.as_str()),
            named = server.key,
            "the server names another authorization server than the one that its client_id was first used with, and the client's secret is not shown to it: if it has moved, write `issuer`"
        );
        Err(Failure::new(CredentialErrorKind::OtherAuthorizationServer))
    }
}
