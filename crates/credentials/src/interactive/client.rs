//! Which client of ours asks: the operator's, our document, or one that is registered on the spot
//! (RFC 7591), in this order. None of them is ever shown to another authorization server than its own.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use portcullis_core::ClientSecret;
use portcullis_egress::RequestBody;
use portcullis_oauth::{ClientMetadata, RegisteredClient};
use portcullis_store::UpstreamClientRecord;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authorization_server::AuthorizationServer;
use super::connections::Inner;
use super::terms::{AuthorizationCode, CLIENT_NAME};
use crate::broker::Door;
use crate::discovery::Trust;
use crate::document::{exchange, uri};
use crate::error::Failure;
use crate::token_endpoint::read;
use crate::{ClientProof, CredentialErrorKind, TokenClient};

/// `token_endpoint_auth_method`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method7591 {
    /// A public client.
    #[serde(rename = "none")]
    None,
    /// `client_secret_basic`
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_secret_post`
    #[serde(rename = "client_secret_post")]
    Post,
}

impl Method7591 {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post]
            .into_iter()
            .find(|method| method.as_str() == name)
    }

    /// The best of what a server takes. Absent, RFC 8414 §2 says Basic.
    fn best(supported: Option<&Vec<String>>) -> Option<Self> {
        let Some(supported) = supported else {
            return Some(Self::Basic);
        };
        [Self::Basic, Self::Post, Self::None]
            .into_iter()
            .find(|method| supported.iter().any(|name| name == method.as_str()))
    }
}

/// Whose word a client is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// The file's: its secret stays there. How it proves itself, where the file does not say it.
    File(Option<Method7591>),
    /// Our document's.
    Document,
    /// That of this registration.
    Registered(u64),
}

/// A client as a flow and a connection keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) source: Source,
    /// Of a registered client.
    pub(crate) secret: Option<ClientSecret>,
    pub(crate) method: Method7591,
}

/// What is sealed of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wire {
    id: String,
    source: Source,
    secret: Option<String>,
    method: Method7591,
}

impl From<&Client> for Wire {
    fn from(client: &Client) -> Self {
        Self {
            id: client.id.clone(),
            source: client.source,
            secret: client
                .secret
                .as_ref()
                .map(|secret| secret.expose().to_owned()),
            method: client.method,
        }
    }
}

impl From<Wire> for Client {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            source: wire.source,
            secret: wire.secret.map(ClientSecret::new),
            method: wire.method,
        }
    }
}

impl Client {
    /// The client, able to prove itself; `None`: it is the file's, and the file has another now.
    pub(crate) fn able(&self, terms: &AuthorizationCode) -> Option<TokenClient> {
        self.able_by(terms.client.as_ref())
    }

    /// The same, with what the file says of a client.
    pub(super) fn able_by(&self, written: Option<&TokenClient>) -> Option<TokenClient> {
        let secret = |secret: &ClientSecret, method| match method {
            Method7591::Basic => ClientProof::SecretBasic(secret.clone()),
            Method7591::Post => ClientProof::SecretPost(secret.clone()),
            Method7591::None => ClientProof::Public,
        };
        let proof = match self.source {
            Source::Document => ClientProof::Public,
            Source::Registered(_) => match &self.secret {
                Some(own) => secret(own, self.method),
                None => ClientProof::Public,
            },
            Source::File(method) => {
                let written = written?;
                if written.client_id != self.id {
                    return None;
                }
                match (&written.proof, method) {
                    (
                        ClientProof::SecretPost(own) | ClientProof::SecretBasic(own),
                        Some(method),
                    ) => secret(own, method),
                    (proof, _) => proof.clone(),
                }
            }
        };
        Some(TokenClient {
            client_id: self.id.clone(),
            proof,
        })
    }

    fn of_file(terms: &AuthorizationCode, server: &AuthorizationServer) -> Option<Self> {
        let written = terms.client.as_ref()?;
        let has_secret = matches!(
            written.proof,
            ClientProof::SecretPost(_) | ClientProof::SecretBasic(_)
        );
        // Without metadata LiteLLM's way, which the operator's other servers have too.
        let settled = (has_secret && !terms.proof_is_written)
            .then(|| match &server.methods {
                None if server.issuer.is_none() => Some(Method7591::Post),
                methods => {
                    Method7591::best(methods.as_ref()).filter(|method| *method != Method7591::None)
                }
            })
            .flatten();
        Some(Self {
            id: written.client_id.clone(),
            source: Source::File(settled),
            secret: None,
            method: settled.unwrap_or(Method7591::None),
        })
    }
}

/// The place of what is kept of a client.
pub(super) fn place(issuer: &str, redirect_uri: &str) -> String {
    format!("{} {issuer} {redirect_uri}", issuer.len())
}

pub(super) const TABLE: &str = "upstream_clients";
pub(super) const COLUMN: &str = "client";

impl Inner {
    /// The client for one authorization server.
    pub(super) async fn client(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
        redirect_uri: &str,
    ) -> Result<Client, Failure> {
        if let Some(client) = Client::of_file(terms, server) {
            self.settle_known(terms, server).await?;
            return Ok(client);
        }
        let document = terms.document.as_ref();
        if let Some(document) = document.filter(|own| server.documents && own.covers(redirect_uri))
        {
            return Ok(Client {
                id: document.url.to_string(),
                source: Source::Document,
                secret: None,
                method: Method7591::None,
            });
        }
        self.registered_once(terms, server, redirect_uri).await
    }

    /// The client that is registered; where there is none yet, registered now, by this caller or whoever
    /// has the lease.
    pub(super) async fn registered(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
        redirect_uri: &str,
    ) -> Result<Client, Failure> {
        let known = self.stores.clients.get(&server.key, redirect_uri).await;
        if let Some(record) = known.map_err(Failure::of_store)? {
            if let Some(client) = self.opened(&record)? {
                return Ok(client);
            }
            let removed =
                self.stores
                    .clients
                    .remove(&record.issuer, &record.redirect_uri, record.version);
            removed.await.map_err(Failure::of_store)?;
        }
        let not_registered = || Failure::new(CredentialErrorKind::NotRegistered);
        let endpoint = server.registration.as_ref().ok_or_else(not_registered)?;
        let method = Method7591::best(server.methods.as_ref()).ok_or_else(not_registered)?;
        let wish = ClientMetadata::new(CLIENT_NAME, vec![redirect_uri.to_owned()], method.as_str());
        let wish = if server.renews {
            wish
        } else {
            wish.without_renewal()
        };
        let registered = self.door.register(&terms.trust(), endpoint, &wish).await?;
        let settled = registered
            .method
            .as_deref()
            .map_or(Some(method), Method7591::named);
        let (settled, version) = (settled.ok_or_else(not_registered)?, self.version()?);
        let client = Client {
            id: registered.client_id,
            source: Source::Registered(version),
            method: match &registered.client_secret {
                Some(_) => settled,
                None => Method7591::None,
            },
            secret: registered.client_secret,
        };
        let kept = Kept {
            client: Wire::from(&client),
            secret_ends: registered.secret_expires_at,
        };
        let text = Zeroizing::new(serde_json::to_vec(&kept).map_err(Failure::of_defect)?);
        let place = place(&server.key, redirect_uri);
        let sealed = self.ring.seal_row(TABLE, &place, COLUMN, &text);
        let record = UpstreamClientRecord {
            issuer: server.key.clone(),
            redirect_uri: redirect_uri.to_owned(),
            sealed: sealed.map_err(Failure::of_seal)?.as_bytes().to_vec(),
            version,
        };
        let there = self.stores.clients.put_if_absent(&record).await;
        let there = there.map_err(Failure::of_store)?;
        if there.version == version {
            return Ok(client);
        }
        // Another replica registered in the same moment: theirs is the one that is kept.
        self.opened(&there)?.ok_or_else(not_registered)
    }

    /// `None`: it does not open, or its secret is over.
    pub(super) fn opened(&self, record: &UpstreamClientRecord) -> Result<Option<Client>, Failure> {
        let place = place(&record.issuer, &record.redirect_uri);
        let text = self.unsealed(TABLE, &place, COLUMN, record.sealed.clone())?;
        let kept: Option<Kept> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let now = self.door.clock.now().as_secs();
        let stands = |kept: &Kept| kept.secret_ends.is_none_or(|ends| now < ends);
        Ok(kept.filter(stands).map(|kept| kept.client.into()))
    }

    /// The authorization server does not know this client any more.
    pub(super) async fn forget_client(
        &self,
        client: &Client,
        issuer: &str,
        redirect_uri: &str,
    ) -> Result<(), Failure> {
        let Source::Registered(version) = client.source else {
            return Ok(());
        };
        let removed = self.stores.clients.remove(issuer, redirect_uri, version);
        removed.await.map_err(Failure::of_store)
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    client: Wire,
    secret_ends: Option<i64>,
}

impl Door {
    /// Registers a client. What a server says against it stays unread, but for its code.
    async fn register(
        &self,
        trust: &Trust<'_>,
        endpoint: &url::Url,
        wish: &ClientMetadata,
    ) -> Result<RegisteredClient, Failure> {
        let body = serde_json::to_vec(wish).map_err(Failure::of_defect)?;
        let mut request = Request::new(RequestBody::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(endpoint)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let answer = exchange(&*self.http, request, trust.destination(endpoint)).await;
        let registered = answer.and_then(|answer| read(&answer, RegisteredClient::parse));
        registered.map_err(|failure| match failure.kind {
            CredentialErrorKind::Refused { status, code } => {
                tracing::warn!(status, code, "no client could be registered");
                Failure::new(CredentialErrorKind::NotRegistered)
            }
            CredentialErrorKind::BadResponse => Failure::new(CredentialErrorKind::NotRegistered),
            _ => failure,
        })
    }
}
