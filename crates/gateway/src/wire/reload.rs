//! A new configuration while serving: validated as a whole, then put in force as one snapshot; on
//! any error the old one stays.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_config::{CommandLine, Config, Loaded};
use portcullis_server::listen::ServerTls;

use super::rooms::Rooms;
use super::serve::announce;
use super::servers::{self, Making};
use super::{files, identity};
use crate::lifecycle::{ReloadCause, Reloads};

/// What a reload works on.
pub(super) struct Reloading {
    pub(super) file: PathBuf,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) config: Config,
    pub(super) tls: Vec<Arc<ServerTls>>,
}

impl Reloading {
    /// Performs reloads as they are asked for.
    pub(super) async fn run(mut self, rooms: &Rooms, mut reloads: Reloads) {
        while let Some(cause) = reloads.next().await {
            self.reload(rooms, cause);
        }
    }

    fn reload(&mut self, rooms: &Rooms, cause: ReloadCause) {
        for tls in &self.tls {
            if let Err(error) = tls.reload() {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "certificate not reloaded: the old one stays"
                );
            }
        }
        match self.read_and_swap(rooms) {
            Ok(generation) => {
                tracing::info!(?cause, generation, "configuration reloaded");
            }
            Err(findings) => {
                rooms.metrics.config_refused();
                let told = format!("configuration refused, the old one stays:\n{findings}");
                // Whoever has read the line finds the probe saying the same.
                rooms.readiness.refused(findings);
                tracing::error!(?cause, "{told}");
            }
        }
    }

    fn read_and_swap(&mut self, rooms: &Rooms) -> Result<u64, String> {
        let command_line = CommandLine {
            host: self.host.as_deref(),
            port: self.port,
        };
        let loaded = files::load(&self.file, command_line).map_err(|error| error.to_string())?;
        let Loaded { config, notices } = loaded;
        let before = rooms.gateway.snapshot();
        let generation = before.generation() + 1;
        let making = Making {
            client: &rooms.client,
            clock: &rooms.vaults.clock,
            metrics: &rooms.metrics,
        };
        let snapshot = servers::snapshot(&config, Some(&before), generation, &making)
            .map_err(|error| format!("{error:#}"))?;
        let authentication = identity::authentication(&config, &rooms.index, &rooms.vaults.clock)
            .map_err(|error| format!("{error:#}"))?;
        announce(&config, &notices);
        for what in fixed_differences(&self.config, &config) {
            tracing::warn!("{what} changed in the file; it takes effect at the next start");
        }
        rooms.authentication.store(Arc::new(authentication));
        rooms.standings.changed(&self.config, &config);
        rooms.gateway.replace_snapshot(snapshot);
        rooms.metrics.config_loaded(generation);
        rooms.readiness.serve(generation);
        self.config = config;
        Ok(generation)
    }
}

/// What cannot change while the process runs.
fn fixed_differences(before: &Config, now: &Config) -> Vec<&'static str> {
    let mut changed = Vec::new();
    if before.server.listen != now.server.listen
        || before.server.admin_listen != now.server.admin_listen
    {
        changed.push("server.listen");
    }
    if before.server.tls != now.server.tls {
        changed.push("server.tls");
    }
    if before.store != now.store {
        changed.push("store");
    }
    if before.audit != now.audit {
        changed.push("audit");
    }
    if before.telemetry.log_level != now.telemetry.log_level {
        changed.push("telemetry");
    }
    changed
}
