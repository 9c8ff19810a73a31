//! A new configuration while serving: validated as a whole, then put in force as one snapshot; on
//! any error the old one stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_config::{CommandLine, Config, Loaded, Server, Telemetry, Tls};
use portcullis_server::listen::ServerTls;
use portcullis_server::{Frontage, NotReloaded, Reload};

use super::frontage::frontage;
use super::identity::{Callers, holders};
use super::limits::{file_limits, on_store_fault};
use super::people;
use super::rooms::Rooms;
use super::serve::{announce, tls_files, watched_files};
use super::servers::{self, Making};
use super::stored::{StoredValues, Why};
use crate::lifecycle::{FileWatch, ReloadCause, ReloadRequester, Reloaded, Reloads};
use crate::telemetry::LogControl;

#[async_trait]
impl Reload for ReloadRequester {
    async fn reload(&self) -> Result<u64, NotReloaded> {
        match self.ask().await {
            Some(Ok(generation)) => Ok(generation),
            Some(Err(findings)) => Err(NotReloaded::Refused(findings)),
            None => Err(NotReloaded::Unavailable),
        }
    }
}

/// What a reload works on.
pub(super) struct Reloading {
    pub(super) file: PathBuf,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) config: Config,
    pub(super) tls: Vec<Arc<ServerTls>>,
    /// `None`: files are not watched.
    pub(super) watch: Option<FileWatch>,
    pub(super) logs: LogControl,
    pub(super) stored: Arc<StoredValues>,
}

impl Reloading {
    /// Performs reloads as they are asked for.
    pub(super) async fn run(mut self, rooms: &Rooms, mut reloads: Reloads) {
        while let Some(due) = reloads.next().await {
            // On the heap: it is large, and waits for most of its life.
            let reloaded = Box::pin(self.reload(rooms, due.cause)).await;
            if let Some(answer) = due.answer {
                // Whoever asked may have gone away.
                let _ = answer.send(reloaded);
            }
        }
    }

    pub(super) async fn reload(&mut self, rooms: &Rooms, cause: ReloadCause) -> Reloaded {
        let why = match cause {
            ReloadCause::SecretChanged | ReloadCause::ServersChanged => Why::Refresh,
            _ => Why::Asked,
        };
        let swapped = self.read_and_swap(rooms, cause, why).await;
        // Before the files are read: what changes afterwards is noticed.
        if let (Ok(_), Some(watch)) = (&swapped, &self.watch) {
            watch.follow(watched_files(&self.file, &self.config));
        }
        // Also beside a file that is refused: a certificate runs out whatever the file says, and so
        // does the trust in an authority that was taken out of its own. Servers of the store have nothing to do
        // with them, and whoever changes one is told what became of that.
        let reloaded = match cause {
            ReloadCause::ServersChanged => swapped,
            _ => and_certificates(swapped, self.certificates()),
        };
        self.promise_what_is_verified(rooms);
        match &reloaded {
            Ok(generation) => {
                tracing::info!(?cause, generation, "configuration reloaded");
            }
            Err(findings) => {
                rooms.metrics.config_refused();
                // Whoever has read the line finds the probe saying the same.
                rooms.readiness.refused(findings.clone());
                tracing::error!(
                    ?cause,
                    "configuration refused, the old one stays:\n{findings}"
                );
            }
        }
        reloaded
    }

    /// Reads certificates again, and believes the authorities that the file in force names.
    fn certificates(&self) -> anyhow::Result<()> {
        let Some(wanted) = &self.config.server.tls else {
            // That there is no TLS any more takes effect at the next start.
            return certificates_again(&self.tls);
        };
        let wanted = tls_files(wanted).client_ca;
        for tls in &self.tls {
            tls.reload_with(wanted.clone())?;
        }
        Ok(())
    }

    /// What strangers read of bound tokens is what the listeners do, whatever became of the files of
    /// authorities, and without TLS since the start nothing.
    fn promise_what_is_verified(&self, rooms: &Rooms) {
        let mut listeners = self.tls.iter();
        let binds_tokens = listeners.any(|tls| tls.files().client_ca.is_some());
        let told = rooms.frontage.load();
        if told.resource.binds_tokens != binds_tokens {
            let mut frontage = Frontage::clone(&told);
            frontage.resource.binds_tokens = binds_tokens;
            rooms.frontage.store(Arc::new(frontage));
        }
    }

    async fn read_and_swap(&mut self, rooms: &Rooms, cause: ReloadCause, why: Why) -> Reloaded {
        let command_line = CommandLine {
            host: self.host.as_deref(),
            port: self.port,
        };
        let loaded = match cause {
            ReloadCause::ServersChanged => self.stored.again(command_line, why).await,
            _ => self.stored.load(&self.file, command_line, why).await,
        };
        let loaded = loaded.map_err(|error| error.to_string())?;
        let Loaded {
            config,
            notices,
            judged,
        } = loaded;
        let before = rooms.gateway.snapshot();
        let generation = before.generation() + 1;
        let signer = rooms
            .signing
            .prepare(&config)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let making = Making {
            means: &rooms.means,
            metrics: &rooms.metrics,
            signer: signer.as_ref(),
        };
        let snapshot = servers::snapshot(&config, Some(&before), generation, &making)
            .map_err(|error| format!("{error:#}"))?;
        let authorization = rooms
            .authorization
            .by(&config, &rooms.issuers)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let callers = Callers {
            index: &rooms.index,
            issuers: &rooms.issuers,
            revocations: &rooms.revocations,
            directory: rooms.defining.directory(),
            clock: &rooms.vaults.clock,
            authorization: authorization.as_ref(),
            id_tokens: &super::sign_in::id_tokens(&rooms.vaults),
        };
        let authentication = callers
            .authentication(&config, generation)
            .map_err(|error| format!("{error:#}"))?;
        self.logs.apply(&config.telemetry);
        if cause != ReloadCause::ServersChanged {
            announce(&config, &notices);
        }
        for one in &judged {
            for error in &one.errors {
                tracing::error!(
                    mcp.server.id = one.name,
                    key = error.path,
                    "a server of the admin API is not served: {}",
                    error.message
                );
            }
        }
        for what in fixed_differences(&self.config, &config) {
            tracing::warn!("{what} changed in the file; it takes effect at the next start");
        }
        let sign_in = rooms
            .sign_in_by(&config)
            .map_err(|error| format!("{error:#}"))?;
        // First: nobody gets in by a name before it is known who held it.
        rooms.connections.held_by(holders(&config));
        rooms
            .defining
            .directory()
            .follow_file(people::directory(&config));
        rooms.authentication.store(Arc::new(authentication));
        rooms.sign_in.store(Arc::new(sign_in));
        let serving = authorization.map(|server| (server, rooms.authorization.keys()));
        rooms
            .frontage
            .store(Arc::new(frontage(&config, signer.as_ref(), serving)));
        rooms.signing.put_in_force(signer.as_ref());
        rooms.standings.changed(&self.config, &config, generation);
        rooms.limiting.index.follow_file(file_limits(&config));
        rooms
            .gateway
            .limits()
            .on_store_fault(on_store_fault(&config));
        rooms.gateway.replace_snapshot(snapshot);
        self.stored.put_in_force();
        rooms.metrics.config_loaded(generation);
        rooms.readiness.serve(generation);
        self.config = config;
        Ok(generation)
    }
}

/// Reads the certificates of these listeners again.
pub(super) fn certificates_again(listeners: &[Arc<ServerTls>]) -> anyhow::Result<()> {
    for tls in listeners {
        tls.reload()?;
    }
    Ok(())
}

/// How a reload went as a whole. Whoever withdrew an authority has to learn that it is believed still.
pub(super) fn and_certificates(reloaded: Reloaded, read: anyhow::Result<()>) -> Reloaded {
    let Err(error) = read else {
        return reloaded;
    };
    tracing::error!("certificate not reloaded, the old one stays: {error:#}");
    let stays = format!(
        "`server.tls`: {error:#}; the certificates and authorities that were read before stay in force"
    );
    Err(match reloaded {
        Ok(generation) => {
            format!("{stays}; everything else took effect as generation {generation}")
        }
        Err(findings) => format!("{findings}\n{stays}"),
    })
}

/// What cannot change while the process runs. Sections are taken apart without `..`, so that a new
/// key does not compile until somebody has decided whether it can.
pub(super) fn fixed_differences(before: &Config, now: &Config) -> Vec<&'static str> {
    let Config {
        server,
        store,
        redis,
        audit,
        telemetry,
        max_stdio_processes,
        // Snapshot and authentication are made anew.
        identity: _,
        mcp_servers: _,
        jwt_signer: _,
        compat: _,
        policy: _,
        // The directory follows.
        people: _,
        // The limits are told anew.
        limits: _,
        // The stores are opened anew when they change.
        secrets: _,
        insecure_choices: _,
    } = before;
    let Server {
        listen,
        admin_listen,
        replica_listen,
        replica_url,
        public_url,
        // Servers are made anew.
        client_metadata_url: _,
        // The surfaces are told anew.
        forwarded: _,
        inside: _,
        debug_headers: _,
        registry: _,
        defined: _,
        strangers_per_minute: _,
        limits: _,
        trusted_redirect_origins: _,
        tls,
        allowed_hosts,
        allowed_origins,
        ca_file,
        max_body,
        max_connections,
        max_connections_per_address,
        header_timeout,
        body_timeout,
        grace,
        drain,
    } = server;
    let Telemetry {
        metrics,
        traces,
        // The running log follows.
        log_format: _,
        log_level: _,
    } = telemetry;
    let after = &now.server;
    [
        ("server.host and server.port", *listen == after.listen),
        ("server.admin_listen", *admin_listen == after.admin_listen),
        (
            "general_settings.max_stdio_processes",
            *max_stdio_processes == now.max_stdio_processes,
        ),
        (
            "server.replica_listen",
            *replica_listen == after.replica_listen,
        ),
        ("server.replica_url", *replica_url == after.replica_url),
        ("server.public_url", *public_url == after.public_url),
        ("server.tls", pair(tls.as_ref()) == pair(after.tls.as_ref())),
        (
            "server.allowed_hosts",
            *allowed_hosts == after.allowed_hosts,
        ),
        (
            "server.allowed_origins",
            *allowed_origins == after.allowed_origins,
        ),
        ("server.ca_file", *ca_file == after.ca_file),
        ("server.max_body", *max_body == after.max_body),
        (
            "server.max_connections",
            *max_connections == after.max_connections,
        ),
        (
            "server.max_connections_per_address",
            *max_connections_per_address == after.max_connections_per_address,
        ),
        (
            "server.header_timeout",
            *header_timeout == after.header_timeout,
        ),
        ("server.body_timeout", *body_timeout == after.body_timeout),
        ("server.grace_seconds", *grace == after.grace),
        ("server.drain_seconds", *drain == after.drain),
        ("store", *store == now.store),
        ("redis", *redis == now.redis),
        ("audit", *audit == now.audit),
        ("telemetry.metrics", *metrics == now.telemetry.metrics),
        ("telemetry.traces", *traces == now.telemetry.traces),
    ]
    .into_iter()
    .filter_map(|(what, same)| (!same).then_some(what))
    .collect()
}

/// Where the certificate is; the authorities of clients follow the file.
fn pair(tls: Option<&Tls>) -> Option<(&Path, &Path)> {
    let Tls {
        cert,
        key,
        client_ca: _,
    } = tls?;
    Some((cert, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::config;

    #[test]
    fn whoever_changes_what_needs_a_restart_is_told_its_name() {
        let before = config("");
        for (text, name) in [
            ("server: {port: 1}", "server.host and server.port"),
            (
                "server: {admin_listen: 'localhost:1'}",
                "server.admin_listen",
            ),
            (
                "server: {replica_listen: 'localhost:1'}",
                "server.replica_listen",
            ),
            ("server: {public_url: 'https://a.b'}", "server.public_url"),
            ("server: {tls: {cert: a, key: b}}", "server.tls"),
            ("server: {allowed_hosts: [a.b]}", "server.allowed_hosts"),
            (
                "server: {allowed_origins: ['https://a.b']}",
                "server.allowed_origins",
            ),
            ("server: {ca_file: a}", "server.ca_file"),
            ("server: {max_body: 1MiB}", "server.max_body"),
            ("server: {max_connections: 1}", "server.max_connections"),
            (
                "server: {max_connections_per_address: 1}",
                "server.max_connections_per_address",
            ),
            ("server: {header_timeout: 1s}", "server.header_timeout"),
            ("server: {body_timeout: 1s}", "server.body_timeout"),
            ("server: {grace_seconds: 1s}", "server.grace_seconds"),
            ("server: {drain_seconds: 1s}", "server.drain_seconds"),
            ("store: {path: other.db}", "store"),
            ("audit: {required: true}", "audit"),
            ("telemetry: {metrics: false}", "telemetry.metrics"),
        ] {
            assert_eq!(fixed_differences(&before, &config(text)), [name], "{text}");
        }
    }

    #[test]
    fn what_follows_the_file_at_once_is_not_warned_of() {
        let now = config(
            "telemetry: {log_level: debug, log_format: json}\nmcp_servers: {a: {url: 'https://a.b/mcp'}}",
        );
        assert!(fixed_differences(&config(""), &now).is_empty());
    }
}
