//! The gateway, from its file to its last request.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use portcullis_config::{CommandLine, Config, Level, Listen, Loaded, Notice};
use portcullis_core::{Stocked, SystemClock};
use portcullis_identity::{FreshnessSettings, follow};
use portcullis_server::handover::Receiver;
use portcullis_server::listen::{Bound, ClientCa, Drained, ListenSettings, Stop, TlsFiles};
use portcullis_server::{
    Guarded, HostRule, OriginRule, Reload, ServerBook, ServerDeps, ServerState, admin_router,
    router,
};

use super::defined::{Book, BookSource};
use super::reload::Reloading;
use super::replicas::Messenger;
use super::rooms::{Rooms, Storage, refusal};
use super::stored::{StoredValues, Why};
use super::{ServeOptions, files, first_start, hosts, housekeeping};
use crate::cli::exit::{CommandError, Exit};
use crate::lifecycle::{FileWatch, Lifecycle, ReloadCause, Reloads};

/// How long the audit trail and upstream sessions may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until the lifecycle's stop; returns when everything has ended.
pub async fn serve(
    options: ServeOptions<'_>,
    lifecycle: &Lifecycle,
    reloads: Reloads,
) -> Result<Exit, CommandError> {
    let file = files::path_of(options.config);
    let first = options.config.is_none() && !file.exists();
    if first {
        crate::cli::init::write(&file, false)?;
    }
    let command_line = CommandLine {
        host: options.host,
        port: options.port,
    };
    let clock = Arc::new(SystemClock::start());
    let stored = Arc::new(StoredValues::new(Arc::clone(&clock) as _));
    let Loaded {
        config, notices, ..
    } = stored.load(&file, command_line, Why::Asked).await?;
    let logs = options.logs.cloned().unwrap_or_default();
    logs.apply(&config.telemetry);
    announce(&config, &notices);

    // Sockets first: a taken port fails before anything is written.
    let listeners = Listeners::bind(&config).await?;
    let url = listeners.url(&config)?;
    let storage = Storage::of(&config);
    let (tasks, soft) = (&lifecycle.tasks, &lifecycle.stop.soft);
    let rooms = Rooms::build(&config, &storage, clock, tasks)
        .await
        .map_err(refusal)?;
    let rooms = Arc::new(rooms);
    stored.put_in_force();
    if first {
        first_start::greet(&rooms, &url).await?;
    }
    warn_of_no_key(&config, &rooms);
    housekeeping::start(&rooms, tasks, soft);

    let watched = watched_files(&file, &config);
    let watch = FileWatch::start(watched, lifecycle.reload.clone())
        .map_err(|error| tracing::warn!(%error, "files are not watched; SIGHUP still reloads"))
        .ok();
    let source = BookSource {
        file: Some(&file),
        command_line,
    };
    let book = Book::open(&rooms, &stored, &lifecycle.reload, source)
        .await
        .context("the servers of the store")?;
    let mut reloading = Reloading {
        file: file.clone(),
        host: options.host.map(str::to_owned),
        port: options.port,
        tls: listeners.certificates(),
        watch,
        config: config.clone(),
        logs,
        stored: Arc::clone(&stored),
    };
    if stored.has_definitions() {
        // Nobody is served before they are in force.
        let put = Box::pin(reloading.reload(&rooms, ReloadCause::ServersChanged)).await;
        put.map_err(|findings| anyhow::anyhow!(findings).context("the servers of the store"))?;
    }
    follow(
        vec![Arc::clone(&book) as _],
        &*rooms.vaults.stores.announcements,
        FreshnessSettings::default(),
        tasks,
        soft,
    );
    let stopped = lifecycle.stop.soft.clone();
    let reloaded = Arc::clone(&rooms);
    lifecycle.tasks.spawn(async move {
        stopped
            .run_until_cancelled(reloading.run(&reloaded, reloads))
            .await;
    });

    let (stopped, changes) = (lifecycle.stop.soft.clone(), lifecycle.reload.clone());
    lifecycle.tasks.spawn(async move {
        let watching = async {
            loop {
                tokio::time::sleep(stored.interval()).await;
                if stored.changed().await {
                    changes.request(ReloadCause::SecretChanged);
                }
            }
        };
        stopped.run_until_cancelled(watching).await;
    });

    let reload: Arc<dyn Reload> = Arc::new(lifecycle.reload.clone());
    let servers: Arc<dyn ServerBook> = book;
    let state = |hosts| {
        let (reload, servers) = (Arc::clone(&reload), Arc::clone(&servers));
        state(&rooms, &config, hosts, Some(reload), Some(servers))
    };
    let hosts = listeners.data_hosts(&config);
    if let Some(warning) = hosts::who_names_us(&config, &hosts) {
        tracing::warn!("{warning}");
    }
    let data = state(hosts);
    let admin = listeners.admin_hosts(&config).map(state);
    if let Some(url) = listeners.replica_url(&config) {
        rooms.gateway.replicas().appear_at(url);
        rooms.gateway.replicas().beat().await;
    }
    rooms.readiness.serve(rooms.gateway.snapshot().generation());
    tracing::info!(
        %url,
        listen = %listeners.data.local_addr(),
        servers = config.mcp_servers.len(),
        "portcullis serves"
    );
    let admin = admin.map(admin_router);
    Ok(serve_to_the_end(listeners, &rooms, router(data), admin, lifecycle).await)
}

/// Serves these until the lifecycle's stop, and ends in order.
pub(super) async fn serve_to_the_end(
    listeners: Listeners,
    rooms: &Rooms,
    data: Guarded,
    admin: Option<Guarded>,
    lifecycle: &Lifecycle,
) -> Exit {
    let readiness = Arc::clone(&rooms.readiness);
    let gateway = Arc::clone(&rooms.gateway);
    let soft = lifecycle.stop.soft.clone();
    lifecycle.tasks.spawn(async move {
        soft.cancelled().await;
        readiness.drain();
        gateway.dismiss_listeners();
    });
    let drained = listeners.serve(data, admin, lifecycle.stop.clone()).await;
    end(rooms).await;
    if let Drained::Aborted(cut) = drained {
        tracing::warn!(cut, "stopped before everything had finished");
    }
    Exit::Done
}

/// Upstream sessions are closed, what calls held is given back, the last events are written; then the stores
/// may go. Called when nothing is served any more.
pub(super) async fn end(rooms: &Rooms) {
    rooms.gateway.replicas().leave().await;
    rooms.gateway.close_sessions(FAREWELL).await;
    rooms.gateway.limits().given_back(FAREWELL).await;
    rooms.gateway.limits().write_usage().await;
    if rooms.audit.close().await.is_err() {
        tracing::error!("the last audit events could not be stored");
    }
    rooms.closing.cancel();
}

/// Says what was concluded, warned of and relaxed, each once.
pub(super) fn announce(config: &Config, notices: &[Notice]) {
    for notice in notices {
        match notice.level {
            Level::Warning if notice.is_among(&config.insecure_choices) => {
                tracing::warn!(choice = %notice, "relaxed by the configuration");
            }
            Level::Warning => tracing::warn!("{notice}"),
            Level::Info => tracing::info!("{notice}"),
        }
    }
}

/// Says so when nobody can call: neither file nor store has a key, and nothing else lets anybody in.
fn warn_of_no_key(config: &Config, rooms: &Rooms) {
    let identity = &config.identity;
    let no_key =
        identity.master_key.is_none() && identity.keys.is_empty() && rooms.index.is_empty();
    if no_key && identity.issuers.is_empty() && identity.client_certificates.is_empty() {
        tracing::warn!(
            "nobody has a key, so every request is refused: make one with `portcullis keys create`"
        );
    }
}

/// Whatever a change of which is a reason to read everything again.
pub(super) fn watched_files(file: &std::path::Path, config: &Config) -> Vec<std::path::PathBuf> {
    let tls = config.server.tls.iter().flat_map(|tls| {
        let clients = tls.client_ca.iter().flat_map(|ca| ca.files.clone());
        [tls.cert.clone(), tls.key.clone()]
            .into_iter()
            .chain(clients)
    });
    std::iter::once(file.to_path_buf()).chain(tls).collect()
}

/// The state of all surfaces; `reload` is absent where no file can be read again, `servers` where there are those of
/// the file alone.
pub(super) fn state(
    rooms: &Rooms,
    config: &Config,
    hosts: HostRule,
    reload: Option<Arc<dyn Reload>>,
    servers: Option<Arc<dyn ServerBook>>,
) -> ServerState {
    let server = &config.server;
    let mut origins: std::collections::BTreeSet<String> =
        server.allowed_origins.iter().cloned().collect();
    origins.extend(
        server
            .public_url
            .iter()
            .map(|url| url.origin().ascii_serialization()),
    );
    ServerState::new(ServerDeps {
        gateway: Arc::clone(&rooms.gateway),
        authentication: Arc::clone(&rooms.authentication),
        sign_in: Arc::clone(&rooms.sign_in),
        connections: rooms.connections.clone(),
        keys: rooms.keys.clone(),
        defining: rooms.defining.clone(),
        limits: rooms.limiting.admin.clone(),
        revocations: rooms.revoking.clone(),
        trail: rooms.trail.clone(),
        metrics: Arc::clone(&rooms.metrics),
        readiness: Arc::clone(&rooms.readiness),
        reload,
        servers,
        courier: Arc::new(Messenger::new(&rooms.client)),
        clock: Arc::clone(&rooms.vaults.clock),
        request_ids: Arc::new(Stocked::of(Arc::clone(&rooms.vaults.entropy))),
        public_origin: server
            .public_url
            .as_ref()
            .map(|url| url.origin().ascii_serialization()),
        frontage: Arc::clone(&rooms.frontage),
        hosts,
        origins: OriginRule { listed: origins },
        tls: server.tls.is_some(),
        max_body: usize::try_from(server.max_body).unwrap_or(usize::MAX),
        body_timeout: server.body_timeout,
        failures: Arc::clone(&rooms.failures),
        quotas: Arc::clone(&rooms.quotas),
        metrics_here: config.telemetry.metrics,
        admin_here: server.admin_listen.is_none(),
    })
}

/// The listeners' part of `server.tls`.
pub(super) fn tls_files(tls: &portcullis_config::Tls) -> TlsFiles {
    TlsFiles {
        certificate: tls.cert.clone(),
        key: tls.key.clone(),
        client_ca: tls.client_ca.as_ref().map(|client_ca| ClientCa {
            files: client_ca.files.clone(),
            required: client_ca.required,
        }),
    }
}

/// The sockets.
pub(super) struct Listeners {
    data: Bound,
    admin: Option<Bound>,
    replicas: Option<Bound>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, CommandError> {
        let server = &config.server;
        let settings = ListenSettings {
            tls: server.tls.as_ref().map(tls_files),
            max_connections: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
            max_connections_per_address: server
                .max_connections_per_address
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            header_timeout: server.header_timeout,
            grace: server.grace,
            drain: server.drain,
            ..ListenSettings::default()
        };
        let bind = |listen: Listen, settings: ListenSettings| async move {
            Bound::bind(&listen.host, listen.port, settings)
                .await
                .with_context(|| format!("cannot listen at {}:{}", listen.host, listen.port))
        };
        let data = bind(server.listen.clone(), settings.clone()).await?;
        let admin = match &server.admin_listen {
            Some(listen) => Some(bind(listen.clone(), settings.clone()).await?),
            None => None,
        };
        let replicas = match &server.replica_listen {
            Some(listen) => {
                let by_tls = server.replica_url.as_ref();
                let by_tls = by_tls.is_some_and(|url| url.scheme() == "https");
                // A replica comes with sealed letters and not with a certificate.
                let tls = settings
                    .tls
                    .clone()
                    .filter(|_| by_tls)
                    .map(|files| TlsFiles {
                        client_ca: None,
                        ..files
                    });
                let settings = ListenSettings {
                    tls,
                    // Few peers with many requests each.
                    max_connections_per_address: Some(settings.max_connections),
                    ..settings
                };
                Some(bind(listen.clone(), settings).await?)
            }
            None => None,
        };
        Ok(Self {
            data,
            admin,
            replicas,
        })
    }

    /// Where the other replicas reach us, if there may be any.
    pub(super) fn replica_url(&self, config: &Config) -> Option<String> {
        let bound = self.replicas.as_ref()?.local_addr();
        let written = config.server.replica_url.as_ref();
        Some(written.map_or_else(
            || format!("http://{bound}"),
            |url| url.origin().ascii_serialization(),
        ))
    }

    /// Where the data listener is.
    pub(super) fn data_address(&self) -> std::net::SocketAddr {
        self.data.local_addr()
    }

    /// The names that the data listener answers to.
    pub(super) fn data_hosts(&self, config: &Config) -> HostRule {
        hosts::data(config, self.data.local_addr().ip().is_loopback())
    }

    /// The names that the administrators' listener answers to, if there is one.
    fn admin_hosts(&self, config: &Config) -> Option<HostRule> {
        let admin = self.admin.as_ref()?;
        Some(hosts::admin(config, admin.local_addr().ip()))
    }

    /// Where people reach it.
    pub(super) fn url(&self, config: &Config) -> Result<url::Url, CommandError> {
        if let Some(url) = &config.server.public_url {
            return Ok(url.clone());
        }
        let scheme = if config.server.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let address = self.data.local_addr();
        let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
            "localhost".to_owned()
        } else {
            address.ip().to_string()
        };
        let text = format!("{scheme}://{host}:{}/", address.port());
        Ok(url::Url::parse(&text).context("the listener's address")?)
    }

    pub(super) fn certificates(&self) -> Vec<Arc<portcullis_server::listen::ServerTls>> {
        self.data
            .tls()
            .into_iter()
            .chain(self.admin.as_ref().and_then(Bound::tls))
            .chain(self.replicas.as_ref().and_then(Bound::tls))
            .collect()
    }

    /// Serves until the stop. `admin` is what the administrators' listener serves, if there is one.
    pub(super) async fn serve(self, data: Guarded, admin: Option<Guarded>, stop: Stop) -> Drained {
        let receiver = Receiver::new(data.clone(), self.data.tls());
        let admin = async {
            if let Some((bound, admin)) = self.admin.zip(admin) {
                bound.serve(admin, stop.clone()).await;
            }
        };
        let replicas = async {
            if let Some(bound) = self.replicas {
                bound.serve(receiver, stop.clone()).await;
            }
        };
        tokio::join!(self.data.serve(data, stop.clone()), admin, replicas).0
    }
}
