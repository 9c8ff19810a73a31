//! `proxy`: a gateway in front of one server that knows keys of its own. It is made of the same rooms;
//! only its configuration comes from the command line.

mod lowering;

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_config::Loaded;
use portcullis_core::{SecretValue, SystemClock};
use portcullis_server::listen::ServerTls;
use portcullis_server::sole_server_router;

use super::frontage::frontage;
use super::housekeeping;
use super::reload::{and_certificates, certificates_again};
use super::rooms::{Rooms, Storage, refusal};
use super::serve::{Listeners, announce, serve_to_the_end, state};
use super::servers::{self, Making};
use crate::cli::exit::{CommandError, Exit};
use crate::lifecycle::{FileWatch, Lifecycle, Reloaded, Reloads};

/// What `proxy` was asked for, as it was written.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// The server's MCP endpoint.
    pub upstream: String,
    /// Whose tokens are accepted.
    pub issuer: String,
    /// What their `aud` must name.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are; discovered when absent.
    pub jwks_uri: Option<String>,
    /// Accepted signature algorithms; the usual ones when empty.
    pub algorithms: Vec<String>,
    /// Accepted values of `typ`; the usual ones when empty.
    pub token_types: Vec<String>,
    /// `MCP_PROXY_KEY_MAP`.
    pub key_map: Option<SecretValue>,
    /// The header that carries the key; `Authorization: Bearer` when absent.
    pub key_header: Option<String>,
    /// `TOOL=SCOPES`
    pub tool_scopes: Vec<String>,
    /// Where to listen.
    pub host: Option<String>,
    /// And on which port.
    pub port: Option<u16>,
    /// The origin that clients see.
    pub public_url: Option<String>,
    /// Certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Further certification authorities for outgoing TLS.
    pub ca_file: Option<PathBuf>,
    /// Plain http beyond loopback is accepted for the upstream and the issuer.
    pub allow_insecure_http: bool,
    /// The database of the audit trail.
    pub store: PathBuf,
    /// Also a file of JSON lines.
    pub audit_file: Option<PathBuf>,
    /// The event is durable before the answer.
    pub audit_required: bool,
}

impl ProxyOptions {
    /// What they mean now: a file that the key map is in may have changed.
    fn config(&self) -> Result<Loaded, CommandError> {
        lowering::lower(self, &lowering::keys(self)?)
    }

    fn watched_files(&self) -> Vec<PathBuf> {
        let map = self
            .key_map
            .as_ref()
            .and_then(|value| value.expose().strip_prefix("file:"));
        map.map(PathBuf::from)
            .into_iter()
            .chain(self.tls_cert.clone())
            .chain(self.tls_key.clone())
            .collect()
    }
}

/// Serves until the lifecycle's stop; returns when everything has ended.
pub async fn proxy(
    options: ProxyOptions,
    lifecycle: &Lifecycle,
    reloads: Reloads,
) -> Result<Exit, CommandError> {
    let Loaded {
        config, notices, ..
    } = options.config()?;
    announce(&config, &notices);
    let listeners = Listeners::bind(&config).await?;
    let url = listeners.url(&config)?;
    let (tasks, soft) = (&lifecycle.tasks, &lifecycle.stop.soft);
    let clock = Arc::new(SystemClock::start());
    let rooms = Rooms::build(&config, &Storage::of(&config), clock, tasks)
        .await
        .map_err(refusal)?;
    let rooms = Arc::new(rooms);
    housekeeping::start(&rooms, tasks, soft);

    let watch = FileWatch::start(options.watched_files(), lifecycle.reload.clone())
        .map_err(|error| tracing::warn!(%error, "files are not watched; SIGHUP still reloads"));
    let reloading = Reloading {
        options,
        tls: listeners.certificates(),
    };
    let (stopped, reloaded) = (soft.clone(), Arc::clone(&rooms));
    tasks.spawn(async move {
        stopped
            .run_until_cancelled(reloading.run(&reloaded, reloads))
            .await;
        drop(watch);
    });

    let state = state(&rooms, &config, listeners.data_hosts(&config), None, None);
    let router = sole_server_router(state, lowering::SERVER.into());
    rooms.readiness.serve(1);
    tracing::info!(
        %url,
        listen = %listeners.data_address(),
        upstream = %config.mcp_servers.iter().map(|server| server.url().map_or_else(String::new, |url| url.origin().ascii_serialization())).collect::<String>(),
        "portcullis serves"
    );
    Ok(serve_to_the_end(listeners, &rooms, router, None, lifecycle).await)
}

/// Keys and certificates, read again while serving.
struct Reloading {
    options: ProxyOptions,
    tls: Vec<Arc<ServerTls>>,
}

impl Reloading {
    async fn run(self, rooms: &Rooms, mut reloads: Reloads) {
        while let Some(due) = reloads.next().await {
            let keys = self.keys(rooms);
            let reloaded = and_certificates(keys, certificates_again(&self.tls));
            match &reloaded {
                Ok(generation) => tracing::info!(cause = ?due.cause, generation, "keys reloaded"),
                Err(findings) => {
                    rooms.metrics.config_refused();
                    rooms.readiness.refused(findings.clone());
                    tracing::error!("keys refused, the old ones stay:\n{findings}");
                }
            }
            if let Some(answer) = due.answer {
                // Whoever asked may have gone away.
                let _ = answer.send(reloaded);
            }
        }
    }

    fn keys(&self, rooms: &Rooms) -> Reloaded {
        let Loaded { config, .. } = self.options.config().map_err(|error| error.told())?;
        let before = rooms.gateway.snapshot();
        let generation = before.generation() + 1;
        let making = Making {
            means: &rooms.means,
            metrics: &rooms.metrics,
            signer: None,
        };
        let snapshot = servers::snapshot(&config, Some(&before), generation, &making)
            .map_err(|error| format!("{error:#}"))?;
        rooms
            .frontage
            .store(Arc::new(frontage(&config, None, None)));
        rooms.gateway.replace_snapshot(snapshot);
        rooms.metrics.config_loaded(generation);
        rooms.readiness.serve(generation);
        Ok(generation)
    }
}
