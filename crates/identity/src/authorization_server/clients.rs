//! Who a `client_id` is: one that the operator wrote down, one that registered itself, or one that a
//! document speaks of.

use portcullis_core::{Timestamp, sha256};
use portcullis_oauth::authorization_server::{ClientIdUrl, ClientMetadata, RedirectUri};
use portcullis_store::ClientRecord;
use portcullis_vault::SealedBox;
use serde::{Deserialize, Serialize};

use super::{AuthorizationError, AuthorizationServer};

const TABLE: &str = "oauth_clients";
const COLUMN: &str = "sealed";

/// How a client is known: what people are told of it, and how far its name can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientStanding {
    /// The operator wrote it down.
    Listed,
    /// It stands for a site: its document is there.
    Document {
        /// The site's host.
        host: String,
    },
    /// It registered itself: whatever it calls itself, nobody vouches for it.
    Registered,
}

/// A known client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) metadata: ClientMetadata,
    pub(super) standing: ClientStanding,
    /// The SHA-256 of its secret; `None`: it is public.
    pub(super) secret: Option<[u8; 32]>,
}

/// What is kept of a registered client.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptClient {
    pub(super) metadata: ClientMetadata,
    pub(super) secret: Option<[u8; 32]>,
}

impl Client {
    /// The SHA-256 of everything that a person agreed to about it: changed, they are asked again.
    pub(super) fn fingerprint(&self) -> Result<[u8; 32], AuthorizationError> {
        Ok(sha256(&serde_json::to_vec(&(&self.id, &self.metadata))?))
    }

    /// Whether every place that it may be sent back to is on the person's own machine, where any
    /// program may listen.
    pub(super) fn is_on_loopback_only(&self) -> bool {
        let all = &self.metadata.redirect_uris;
        all.iter().all(RedirectUri::is_on_loopback)
    }
}

impl AuthorizationServer {
    /// The client of this id. `None`: there is none, or its document is not good.
    pub(super) async fn client(&self, id: &str) -> Result<Option<Client>, AuthorizationError> {
        if let Some(listed) = self.terms.clients.iter().find(|one| one.id == id) {
            return Ok(Some(Client {
                id: listed.id.clone(),
                metadata: listed.metadata.clone(),
                standing: ClientStanding::Listed,
                secret: listed.secret,
            }));
        }
        if ClientIdUrl::is_meant(id) {
            return Ok(self.documented(id).await);
        }
        let Some(record) = self.deps.clients.get(id).await? else {
            return Ok(None);
        };
        let sealed = SealedBox::from_bytes(record.sealed);
        let opened = self.deps.ring.open_row(TABLE, id, COLUMN, &sealed)?;
        let kept: KeptClient = serde_json::from_slice(&opened)?;
        Ok(Some(Client {
            id: record.id,
            metadata: kept.metadata,
            standing: ClientStanding::Registered,
            secret: kept.secret,
        }))
    }

    async fn documented(&self, id: &str) -> Option<Client> {
        if !self.terms.documents {
            return None;
        }
        let url = ClientIdUrl::parse(id).ok()?;
        let documents = &self.deps.documents;
        let metadata = documents
            .read(&url, &self.terms.natives, self.terms.documents_on_loopback)
            .await?;
        Some(Client {
            id: id.to_owned(),
            metadata,
            standing: ClientStanding::Document {
                host: url.host().to_owned(),
            },
            secret: None,
        })
    }

    /// A registered client as it is kept.
    pub(super) fn kept(
        &self,
        id: &str,
        client: &KeptClient,
        now: Timestamp,
    ) -> Result<ClientRecord, AuthorizationError> {
        let text = serde_json::to_vec(client)?;
        let sealed = self.deps.ring.seal_row(TABLE, id, COLUMN, &text)?;
        Ok(ClientRecord {
            id: id.to_owned(),
            sealed: sealed.as_bytes().to_vec(),
            registered_at: now,
            used_at: None,
        })
    }
}
