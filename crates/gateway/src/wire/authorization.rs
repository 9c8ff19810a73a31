//! `identity.authorization_server` as the rooms have it: terms from the file, keys and grants from the
//! store.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use portcullis_config::{Config, KnownClient};
use portcullis_core::{Clock, Principal, Side, Timestamp};
use portcullis_credentials::KeyBook;
use portcullis_egress::HttpClient;
use portcullis_engine::Gateway;
use portcullis_identity::authorization_server::{
    AssertionIssuer, AuthorizationDeps, AuthorizationServer, AuthorizationTerms, Endpoints,
    ListedClient, TokenKeys,
};
use portcullis_identity::{Directory, RevocationAdmin};
use portcullis_oauth::SigningAlgorithm;
use portcullis_oauth::authorization_server::{
    AuthMethod, ClientMetadata, GrantType, NativeRedirects, RedirectUri, display_name,
};
use portcullis_oauth::jose::{Jwks, SigningKey};
use portcullis_server::PublishedKeys;
use portcullis_store::{ClientStore, GrantStore, SigningKeyStore};
use portcullis_vault::KeyRing;
use serde_json::Value;

use super::issuers::Issuers;
use super::rooms::Vaults;
use super::signing_keys::{self, Chain};
use crate::cli::exit::CommandError;

/// How our tokens are signed.
pub(super) const ALGORITHM: SigningAlgorithm = SigningAlgorithm::Es256;

/// How long grants are kept that are over, so that a replay is told from a token of nobody's.
const OVER: Duration = Duration::from_hours(24);
/// How long clients are kept that nobody uses.
const UNUSED: Duration = Duration::from_hours(180 * 24);

/// What the authorization server needs of the house, through all reloads.
#[derive(Debug)]
pub(super) struct Authorization {
    deps: Arc<AuthorizationDeps>,
    keys: Arc<TokenBook>,
    served: Arc<Served>,
    store: Arc<dyn GrantStore>,
    clients: Arc<dyn ClientStore>,
}

/// The keys that sign our tokens, as far as this process knows.
#[derive(Debug)]
pub(super) struct TokenBook {
    store: Arc<dyn SigningKeyStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    book: KeyBook,
    parsed: ArcSwap<Jwks>,
}

/// The snapshot in force, once there is one, and the toolsets.
#[derive(Debug)]
struct Served {
    gateway: std::sync::OnceLock<Arc<Gateway>>,
    directory: Arc<Directory>,
}

#[async_trait]
impl Endpoints for Served {
    async fn leads_somewhere(&self, name: &str, principal: &Principal, side: Side) -> bool {
        let gateway = self.gateway.get();
        gateway.is_some_and(|gateway| {
            let toolsets = self.directory.toolsets();
            let snapshot = gateway.snapshot();
            snapshot.leads_somewhere(name, principal, side, &toolsets)
        })
    }
}

impl TokenKeys for TokenBook {
    fn signing_key(&self) -> Option<Arc<SigningKey>> {
        self.book.signing_key()
    }

    fn verifying(&self) -> Arc<Jwks> {
        self.parsed.load_full()
    }
}

impl PublishedKeys for TokenBook {
    fn jwks(&self) -> Option<Value> {
        self.book.jwks()
    }
}

impl TokenBook {
    fn new(vaults: &Vaults) -> Self {
        Self {
            store: Arc::clone(&vaults.stores.authorization_keys),
            ring: Arc::clone(&vaults.ring),
            clock: Arc::clone(&vaults.clock),
            book: KeyBook::new(Arc::clone(&vaults.clock)),
            parsed: ArcSwap::from_pointee(Jwks::default()),
        }
    }

    fn chain(&self) -> Chain<'_> {
        Chain::for_authorization(&*self.store, &self.ring)
    }

    /// Keys that sign, made if there are none.
    pub(super) async fn prepare(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let keys = signing_keys::read_or_make(self.chain(), ALGORITHM, now).await;
        let keys = keys.context("the keys of the authorization server")?;
        self.take_up(keys)
    }

    /// Takes up what another process changed.
    pub(super) async fn follow(&self) -> anyhow::Result<()> {
        let keys = signing_keys::read(self.chain()).await?;
        self.take_up(keys)
    }

    fn take_up(&self, keys: Vec<portcullis_credentials::PublishedKey>) -> anyhow::Result<()> {
        let jwks = keys.iter().map(|one| one.key.public_jwk());
        let set = serde_json::json!({"keys": jwks.collect::<Vec<_>>()});
        // A store without keys signs nothing and verifies nothing.
        let parsed = if keys.is_empty() {
            Jwks::default()
        } else {
            Jwks::parse(set.to_string().as_bytes())?
        };
        self.parsed.store(Arc::new(parsed));
        self.book.read(keys);
        Ok(())
    }
}

impl Authorization {
    pub(super) fn new(
        vaults: &Vaults,
        revoking: &RevocationAdmin,
        client: &Arc<dyn HttpClient>,
        directory: &Arc<Directory>,
    ) -> Self {
        let keys = Arc::new(TokenBook::new(vaults));
        let served = Arc::new(Served {
            gateway: std::sync::OnceLock::new(),
            directory: Arc::clone(directory),
        });
        let clock = &vaults.clock;
        let grants = AuthorizationDeps::grants(
            Arc::clone(&vaults.stores.grants),
            revoking.clone(),
            Arc::clone(&vaults.ring),
            Arc::clone(clock),
        );
        let clients = Arc::clone(&vaults.stores.clients);
        let deps = AuthorizationDeps {
            clients: Arc::clone(&clients),
            grants,
            one_time: Arc::clone(&vaults.stores.one_time),
            ring: Arc::clone(&vaults.ring),
            clock: Arc::clone(clock),
            entropy: Arc::clone(&vaults.entropy),
            documents: AuthorizationDeps::documents(Arc::clone(client), Arc::clone(clock)),
            keys: Arc::clone(&keys) as _,
            endpoints: Arc::clone(&served) as _,
        };
        Self {
            deps: Arc::new(deps),
            keys,
            served,
            store: Arc::clone(&vaults.stores.grants),
            clients,
        }
    }

    /// From now on it knows which endpoints there are.
    pub(super) fn serve(&self, gateway: &Arc<Gateway>) {
        // It is told once, when the rooms are built.
        let _ = self.served.gateway.set(Arc::clone(gateway));
    }

    /// Takes up keys that another process made. On any error those that are known stay, for a while.
    pub(super) async fn follow(&self) {
        if let Err(error) = self.keys.follow().await {
            tracing::error!(
                error = &*error as &dyn std::error::Error,
                "the keys of the authorization server cannot be read again: those that are known \
                 stay in use for ten minutes"
            );
        }
    }

    /// Forgets what is over: grants a day after, clients that nobody used for half a year.
    pub(super) async fn tidy(&self, now: Timestamp) {
        let grants = self.store.purge(now.before(OVER)).await;
        let clients = self.clients.purge(now.before(UNUSED)).await;
        for error in [grants.err(), clients.err()].into_iter().flatten() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "grants and clients of the authorization server are not tidied"
            );
        }
    }

    /// The keys of its tokens.
    pub(super) const fn keys(&self) -> &Arc<TokenBook> {
        &self.keys
    }

    /// The authorization server of this configuration, with its keys; `None`: there is none.
    pub(super) async fn by(
        &self,
        config: &Config,
        issuers: &Issuers,
    ) -> anyhow::Result<Option<AuthorizationServer>> {
        if !config.identity.authorization_server.enabled {
            return Ok(None);
        }
        self.keys.prepare().await?;
        let terms = terms(config, issuers)?;
        Ok(Some(AuthorizationServer::new(
            terms,
            Arc::clone(&self.deps),
        )))
    }
}

/// What the file says, judged as far as that goes without a store.
pub(super) fn terms(config: &Config, issuers: &Issuers) -> anyhow::Result<AuthorizationTerms> {
    let written = &config.identity.authorization_server;
    let natives = NativeRedirects::new(written.native_redirects.clone()).map_err(|one| {
        CommandError::Configuration(format!(
            "identity.authorization_server.native_redirects: `{one}` is not the callback of a native client"
        ))
    })?;
    let clients = written
        .clients
        .iter()
        .map(|client| listed(client, &natives))
        .collect::<anyhow::Result<_>>()?;
    let assertions = issuers.assertions(&config.identity.issuers)?;
    Ok(AuthorizationTerms {
        access_token_ttl: written.access_token_ttl,
        refresh_token_ttl: written.refresh_token_ttl,
        grant_ttl: written.grant_ttl,
        registration: written.dynamic_registration,
        documents: written.client_documents,
        documents_on_loopback: written.loopback_documents,
        clients,
        natives,
        scopes: config.identity.scopes_supported.clone(),
        public_origin: config
            .server
            .public_url
            .as_ref()
            .map(|url| url.origin().ascii_serialization()),
        assertions: assertions
            .into_iter()
            .map(|(issuer, keys)| AssertionIssuer { issuer, keys })
            .collect(),
    })
}

fn listed(client: &KnownClient, natives: &NativeRedirects) -> anyhow::Result<ListedClient> {
    let redirect = |text: &String| {
        RedirectUri::register(text, None, natives).map_err(|error| {
            CommandError::Configuration(format!(
                "identity.authorization_server.clients: `{}` of `{}`: {error}",
                text, client.id
            ))
        })
    };
    let redirect_uris = client
        .redirect_uris
        .iter()
        .map(redirect)
        .collect::<Result<_, _>>()?;
    let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    let auth_method = if client.secret.is_some() {
        grant_types.push(GrantType::JwtBearer);
        AuthMethod::ClientSecretBasic
    } else {
        AuthMethod::None
    };
    Ok(ListedClient {
        id: client.id.clone(),
        metadata: ClientMetadata {
            redirect_uris,
            name: display_name(&client.name),
            application_type: None,
            grant_types,
            auth_method,
            scope: client.scopes.clone(),
        },
        secret: client
            .secret
            .as_ref()
            .map(|secret| secret.value.fingerprint()),
    })
}
