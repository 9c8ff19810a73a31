//! A whole gateway inside this process, with nothing on disk: for the demo and for tests that tell
//! their stories on the real router.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{CommandLine, Config};
use portcullis_core::{ApiKey, Clock, Role, ScopeSet, ServerGrants, SystemClock};
use portcullis_credentials::Connections;
use portcullis_engine::Gateway;
use portcullis_identity::authorization_server::AuthorizationServer;
use portcullis_identity::{
    Authentication, CreatedKey, FreshnessSettings, KeyAdmin, MasterKey, NewKey, RevocationAdmin,
    follow,
};
use portcullis_server::{Guarded, ServerBook};
use portcullis_store::{StoreError, Stores};
use portcullis_store_sql::Durability;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::defined::{Book, BookSource};
use super::reload::Reloading;
pub use super::rooms::Presenting;
use super::rooms::{Rooms, Storage, refusal};
use super::serve::{end, state};
use super::stored::{StoredValues, Why};
use super::{hosts, housekeeping};
use crate::cli::exit::CommandError;
use crate::lifecycle::{ReloadCause, reloads};
use crate::telemetry::LogControl;

/// A gateway without a listener.
#[derive(Debug)]
pub struct Embedded {
    rooms: Arc<Rooms>,
    config: Config,
    servers: Arc<Book>,
}

impl Embedded {
    /// Builds a gateway from a configuration text. Tasks go on `tracker` and end with `stop`.
    pub async fn start(
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        let clock = Arc::new(SystemClock::start());
        Self::start_at(clock, text, command_line, tracker, stop).await
    }

    /// The same by another clock.
    pub async fn start_at(
        clock: Arc<dyn Clock>,
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        Self::build(&Storage::Memory, clock, text, command_line, tracker, stop).await
    }

    /// The same on a database and the key ring beside it, which several gateways may share.
    pub async fn start_on(
        database: &Path,
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        let storage = Storage::Disk {
            path: database.to_owned(),
            durability: Durability::default(),
        };
        let clock = Arc::new(SystemClock::start());
        Self::build(&storage, clock, text, command_line, tracker, stop).await
    }

    /// The same as [`start`](Self::start), for stories about servers that have no credential.
    pub async fn start_presenting(
        clock: Arc<dyn Clock>,
        text: &str,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        between: Presenting,
    ) -> Result<Self, CommandError> {
        let (storage, line) = (&Storage::Memory, CommandLine::default());
        Self::build_around(storage, clock, text, line, tracker, stop, between).await
    }

    /// The same by another clock.
    pub async fn start_on_at(
        database: &Path,
        clock: Arc<dyn Clock>,
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        let storage = Storage::Disk {
            path: database.to_owned(),
            durability: Durability::default(),
        };
        Self::build(&storage, clock, text, command_line, tracker, stop).await
    }

    async fn build(
        storage: &Storage,
        clock: Arc<dyn Clock>,
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        let as_it_is: Presenting = Box::new(|broker| broker);
        Self::build_around(storage, clock, text, command_line, tracker, stop, as_it_is).await
    }

    async fn build_around(
        storage: &Storage,
        clock: Arc<dyn Clock>,
        text: &str,
        command_line: CommandLine<'_>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        between: Presenting,
    ) -> Result<Self, CommandError> {
        let stored = Arc::new(StoredValues::new(Arc::clone(&clock)));
        let config = stored
            .parse("embedded.yaml", text, command_line, Why::Asked)
            .await?
            .map_err(|errors| CommandError::Configuration(errors.to_string()))?
            .config;
        let rooms = Arc::new(
            Box::pin(Rooms::presenting(&config, storage, clock, tracker, between))
                .await
                .map_err(refusal)?,
        );
        stored.put_in_force();
        housekeeping::start(&rooms, tracker, stop);
        let (requester, reloads) = reloads();
        let source = BookSource {
            file: None,
            command_line,
        };
        let servers = Book::open(&rooms, &stored, &requester, source)
            .await
            .context("the servers of the store")?;
        let mut reloading = Reloading {
            file: "embedded.yaml".into(),
            host: command_line.host.map(str::to_owned),
            port: command_line.port,
            tls: Vec::new(),
            watch: None,
            config: config.clone(),
            logs: LogControl::default(),
            stored: Arc::clone(&stored),
        };
        if stored.has_definitions() {
            let put = Box::pin(reloading.reload(&rooms, ReloadCause::ServersChanged)).await;
            put.map_err(|findings| anyhow::anyhow!(findings))?;
        }
        follow(
            vec![Arc::clone(&servers) as _],
            &*rooms.vaults.stores.announcements,
            FreshnessSettings::default(),
            tracker,
            stop,
        );
        let (reloaded, stopped) = (Arc::clone(&rooms), stop.clone());
        tracker.spawn(async move {
            stopped
                .run_until_cancelled(reloading.run(&reloaded, reloads))
                .await;
        });
        rooms.readiness.serve(rooms.gateway.snapshot().generation());
        Ok(Self {
            rooms,
            config,
            servers,
        })
    }

    /// The router of the data listener, as for a loopback bind, unless the file names an address that is
    /// none.
    pub fn router(&self) -> Guarded {
        let address = self.config.server.listen.host.parse();
        let open = address.is_ok_and(|address: std::net::IpAddr| !address.is_loopback());
        portcullis_server::router(state(
            &self.rooms,
            &self.config,
            hosts::data(&self.config, !open),
            None,
            Some(self.server_book()),
        ))
    }

    /// Who keeps servers that administrators define.
    pub(super) fn server_book(&self) -> Arc<dyn ServerBook> {
        Arc::clone(&self.servers) as _
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    #[cfg(test)]
    pub(super) fn shared_rooms(&self) -> Arc<Rooms> {
        Arc::clone(&self.rooms)
    }

    /// The one door to tools.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.rooms.gateway
    }

    /// What is stored.
    pub fn stores(&self) -> &Stores {
        &self.rooms.vaults.stores
    }

    /// Ends the connections that nobody has claimed for long enough, as the house does every hour; how
    /// many.
    pub async fn tidy_connections(&self) -> Result<usize, StoreError> {
        super::unclaimed::tidy(&self.rooms).await
    }

    /// What people connected at upstream servers.
    pub fn connections(&self) -> &Connections {
        &self.rooms.connections
    }

    /// Makes a key, as an administrator would.
    pub async fn key(
        &self,
        alias: &str,
        role: Role,
        grants: ServerGrants,
    ) -> Result<ApiKey, CommandError> {
        self.mint(alias, role, grants)
            .await
            .map(|created| created.key)
    }

    /// The same, with its record.
    pub async fn mint(
        &self,
        alias: &str,
        role: Role,
        grants: ServerGrants,
    ) -> Result<CreatedKey, CommandError> {
        let wish = NewKey {
            alias: Some(alias.to_owned()),
            user_id: None,
            team: None,
            org: None,
            role,
            grants,
            scopes: ScopeSet::default(),
            expires_in: None,
            metadata: serde_json::Map::new(),
        };
        let created = self.rooms.keys.create(wish, &MasterKey::principal()).await;
        Ok(created.context("the key could not be made")?)
    }

    /// The service behind `/key/*`.
    pub fn keys(&self) -> &KeyAdmin {
        &self.rooms.keys
    }

    /// Who gives tokens to clients, where anybody does.
    pub fn authorization_server(&self) -> Option<AuthorizationServer> {
        self.rooms.frontage.load().authorization_server.clone()
    }

    /// Takes up keys of the authorization server as another process left them, which happens by itself
    /// every few seconds.
    pub async fn follow_token_keys(&self) {
        self.rooms.authorization.follow().await;
    }

    /// Who is who.
    pub fn authentication(&self) -> Arc<Authentication> {
        self.rooms.authentication.load_full()
    }

    /// The service behind `/v1/revocations`.
    pub fn revocations(&self) -> &RevocationAdmin {
        &self.rooms.revoking
    }

    /// Writes the last events and closes upstream sessions.
    pub async fn end(&self) {
        end(&self.rooms).await;
    }
}
