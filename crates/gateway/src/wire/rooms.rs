//! Everything a gateway is made of, built once at start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_config::Config;
use portcullis_core::{Clock, Entropy, ReplicaId, Sealer, Stocked, SystemClock, SystemEntropy};
use portcullis_credentials::{
    Broker, ConnectionDeps, Connections, CredentialBroker, SigningBroker,
};
use portcullis_egress::HttpClient;
use portcullis_engine::audit::{AuditDeps, AuditLog, AuditSettings, AuditTrail, WriterId};
use portcullis_engine::metrics::Metrics;
use portcullis_engine::traces::Tracer;
use portcullis_engine::{Gateway, GatewayDeps, Quotas};
use portcullis_identity::{
    Authentication, Directory, DirectoryAdmin, FailureThrottle, FileDirectory, FreshnessSettings,
    KeyAdmin, KeyIndex, RevocationAdmin, Revocations, SignIn, follow,
};
use portcullis_server::{Frontage, Readiness};
use portcullis_store::Stores;
use portcullis_store_sql::Durability;
use portcullis_upstream::{Means, Processes};
use portcullis_vault::{KeyRing, MacPurpose};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::authorization::Authorization;
use super::beside;
use super::frontage::frontage;
use super::identity::{Callers, holders};
use super::issuers::Issuers;
use super::limits::{Limiting, on_store_fault};
use super::macs::RingMac;
use super::outbound;
use super::people;
use super::pins;
use super::servers::{self, Making};
use super::sign_in;
use super::signer::Signing;
use super::sinks;
use super::standing::Standings;
use super::storage::{self, PostgresStorage};
use super::subjects::Subjects;
use super::traces;
use crate::cli::exit::CommandError;

/// Name under which the key ring's canary is stored.
const CANARY: &str = "key-ring-canary";

/// Where state is kept.
#[derive(Clone, Debug)]
pub(super) enum Storage {
    /// A SQLite file and a key ring beside it.
    Disk {
        /// The database.
        path: PathBuf,
        /// What a commit survives.
        durability: Durability,
    },
    /// A PostgreSQL database, and the key ring where it would lie for SQLite.
    Postgres(Box<PostgresStorage>),
    /// Nothing outlives the process: the demo.
    Memory,
}

impl Storage {
    /// What the configuration names. An event that is durable before its answer must outlive a
    /// power cut too, or the word would promise less than it says.
    pub(super) fn of(config: &Config) -> Self {
        let durability = if config.audit.required {
            Durability::PowerLoss
        } else {
            Durability::ProcessCrash
        };
        match PostgresStorage::of(config, durability) {
            Some(postgres) => Self::Postgres(Box::new(postgres)),
            None => Self::Disk {
                path: config.store.path.clone(),
                durability,
            },
        }
    }

    /// The first file that a first start would make, and what it is.
    pub(super) fn missing(&self) -> Option<(&'static str, PathBuf)> {
        let files = match self {
            Self::Disk { path, .. } => vec![("store", path.clone()), ("key ring", ring_path(path))],
            Self::Postgres(postgres) => vec![("key ring", postgres.ring.clone())],
            Self::Memory => Vec::new(),
        };
        files.into_iter().find(|(_, path)| !path.exists())
    }
}

/// The key ring's file for a database.
pub(super) fn ring_path(database: &Path) -> PathBuf {
    database.with_extension("keyring.json")
}

/// Store and keys: what the command line needs without serving.
#[derive(Debug)]
pub(super) struct Vaults {
    pub(super) stores: Stores,
    pub(super) ring: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Vaults {
    /// Opens both, and refuses a store that belongs to another ring.
    pub(super) async fn open(storage: &Storage) -> anyhow::Result<Self> {
        Self::open_at(storage, Arc::new(SystemClock::start())).await
    }

    /// The same, by this clock.
    async fn open_at(storage: &Storage, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let file = match storage {
            Storage::Disk { path, .. } => Some(ring_path(path)),
            Storage::Postgres(postgres) => Some(postgres.ring.clone()),
            Storage::Memory => None,
        };
        let ring = match &file {
            Some(file) => KeyRing::load_or_create(file, Arc::clone(&entropy), &*clock)
                .with_context(|| format!("the key ring {}", file.display()))?,
            None => KeyRing::in_memory(Arc::clone(&entropy))?,
        };
        let stores = storage::open(storage).await?;
        let stored = stores
            .meta
            .put_if_absent(CANARY, &ring.canary_seal()?)
            .await?;
        ring.canary_check(&stored).context(
            "this key ring does not belong to this database: put back the ring that was in use, copy \
             that of the other replicas, or start with another store.path",
        )?;
        Ok(Self {
            stores,
            ring: Arc::new(ring),
            clock,
            entropy,
        })
    }

    /// The keys of this store, loaded.
    pub(super) async fn keys(&self) -> anyhow::Result<(Arc<KeyIndex>, KeyAdmin)> {
        let index = Arc::new(KeyIndex::new(
            Arc::clone(&self.stores.api_keys),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            FreshnessSettings::default(),
        ));
        index.refresh().await.context("the stored keys")?;
        let admin = KeyAdmin::new(
            Arc::clone(&self.stores.api_keys),
            Arc::clone(&index),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        );
        Ok((index, admin))
    }

    /// What stands above credentials by the file and this store, loaded.
    pub(super) async fn directory(
        &self,
        file: FileDirectory,
    ) -> anyhow::Result<(Arc<Directory>, DirectoryAdmin)> {
        let directory = Arc::new(Directory::new(
            Arc::clone(&self.stores.directory),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            FreshnessSettings::default(),
            file,
        ));
        directory.refresh().await.context("the stored directory")?;
        let admin = DirectoryAdmin::new(
            Arc::clone(&self.stores.directory),
            Arc::clone(&directory),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        );
        Ok((directory, admin))
    }

    /// The revocation list of this store, loaded.
    pub(super) async fn revocations(&self) -> anyhow::Result<(Arc<Revocations>, RevocationAdmin)> {
        let list = Arc::new(Revocations::new(
            Arc::clone(&self.stores.revocations),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            FreshnessSettings::default(),
        ));
        list.refresh().await.context("the stored revocations")?;
        let admin = RevocationAdmin::new(
            Arc::clone(&self.stores.revocations),
            Arc::clone(&self.stores.api_keys),
            Arc::clone(&list),
            Arc::clone(&self.ring),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        );
        Ok((list, admin))
    }
}

/// A refusal on the way keeps what it is: bad configuration is not a failure of the process.
pub(super) fn refusal(error: anyhow::Error) -> CommandError {
    error.downcast().unwrap_or_else(CommandError::Failed)
}

/// What stands between the engine and the broker of its credentials.
pub type Presenting =
    Box<dyn FnOnce(Arc<dyn CredentialBroker>) -> Arc<dyn CredentialBroker> + Send>;

/// A whole gateway, not yet listening.
#[derive(Debug)]
pub(super) struct Rooms {
    pub(super) vaults: Vaults,
    pub(super) gateway: Arc<Gateway>,
    pub(super) authentication: Arc<ArcSwap<Authentication>>,
    pub(super) sign_in: Arc<ArcSwap<SignIn>>,
    pub(super) frontage: Arc<ArcSwap<Frontage>>,
    pub(super) keys: KeyAdmin,
    pub(super) index: Arc<KeyIndex>,
    pub(super) defining: DirectoryAdmin,
    pub(super) revoking: RevocationAdmin,
    pub(super) revocations: Arc<Revocations>,
    pub(super) trail: AuditTrail,
    pub(super) audit: AuditLog,
    /// Older events are removed.
    pub(super) retention: Option<Duration>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) failures: Arc<FailureThrottle>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) standings: Arc<Standings>,
    pub(super) issuers: Issuers,
    pub(super) client: Arc<dyn HttpClient>,
    /// What connections to servers are made with.
    pub(super) means: Means,
    pub(super) signing: Signing,
    pub(super) authorization: Authorization,
    pub(super) connections: Connections,
    pub(super) limiting: Limiting,
    /// When nothing is asked of the stores any more, which is later than the stop: requests end first.
    pub(super) closing: CancellationToken,
    /// Rooms that nobody has any more are closed, whoever forgot to.
    _closes: DropGuard,
}

impl Rooms {
    /// Builds every room. Tasks go on `tracker` and end with [`closing`](Self::closing).
    pub(super) async fn build(
        config: &Config,
        storage: &Storage,
        clock: Arc<dyn Clock>,
        tracker: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let as_it_is: Presenting = Box::new(|broker| broker);
        Box::pin(Self::presenting(config, storage, clock, tracker, as_it_is)).await
    }

    /// The same with something between the engine and the broker of its credentials.
    pub(super) async fn presenting(
        config: &Config,
        storage: &Storage,
        clock: Arc<dyn Clock>,
        tracker: &TaskTracker,
        between: Presenting,
    ) -> anyhow::Result<Self> {
        let client = outbound::client(config.server.ca_file.clone())?;
        let mut vaults = Box::pin(Vaults::open_at(storage, clock)).await?;
        let closing = CancellationToken::new();
        let closes = closing.clone().drop_guard();
        let redis = Box::pin(beside::of(config, storage, &vaults, tracker, &closing)).await?;
        vaults.stores = beside::joined(vaults.stores, redis.as_ref());
        let vaults = vaults;
        let (index, keys) = vaults.keys().await?;
        let (revocations, revoking) = vaults.revocations().await?;
        let (directory, defining) = vaults.directory(people::directory(config)).await?;
        let limiting = Limiting::of(&vaults, config);
        limiting
            .index
            .refresh()
            .await
            .context("the stored limits")?;
        // What was made together with its limits is not known without them.
        index.only_after(limiting.followed());
        directory.only_after(limiting.followed());
        follow(
            vec![
                Arc::clone(&index) as _,
                Arc::clone(&revocations) as _,
                Arc::clone(&directory) as _,
                limiting.followed(),
            ],
            &*vaults.stores.announcements,
            FreshnessSettings::default(),
            tracker,
            &closing,
        );
        let metrics = Arc::new(Metrics::new());
        let tracer = traces::tracer(config, &vaults, &metrics, tracker)?;
        let audit = start_audit(config, &vaults, &client, &metrics, tracker, tracer).await?;
        let pins = pins::of(&vaults, &audit, &metrics, tracker, &closing).await?;
        let signing = Signing {
            store: Arc::clone(&vaults.stores.signing_keys),
            ring: Arc::clone(&vaults.ring),
            clock: Arc::clone(&vaults.clock),
            client: Arc::clone(&client),
            revocations: Arc::clone(&revocations),
            tracker: tracker.clone(),
            followed: ArcSwapOption::empty(),
            verifier: Mutex::default(),
        };
        let signer = signing.prepare(config).await?;
        signing.put_in_force(signer.as_ref());
        let means = Means {
            client: Arc::clone(&client),
            clock: Arc::clone(&vaults.clock),
            tasks: tracker.clone(),
            processes: Processes::new(config.max_stdio_processes),
        };
        let making = Making {
            means: &means,
            metrics: &metrics,
            signer: signer.as_ref(),
        };
        let snapshot = servers::snapshot(config, None, 1, &making)?;
        metrics.config_loaded(1);
        let issuers = Issuers::new(
            Arc::clone(&client),
            Arc::clone(&vaults.clock),
            tracker.clone(),
        );
        let authorization = Authorization::new(&vaults, &revoking, &client, &directory);
        let authorization_server = authorization.by(config, &issuers).await?;
        let callers = Callers {
            index: &index,
            issuers: &issuers,
            revocations: &revocations,
            directory: &directory,
            clock: &vaults.clock,
            authorization: authorization_server.as_ref(),
            id_tokens: &sign_in::id_tokens(&vaults),
        };
        let authentication = callers.authentication(config, 1)?;
        let authentication = Arc::new(ArcSwap::from_pointee(authentication));
        let sign_in = sign_in::build(config, &issuers, &vaults, &client)?;
        let serving = authorization_server.map(|server| (server, authorization.keys()));
        let frontage = frontage(config, signer.as_ref(), serving);
        let frontage = Arc::new(ArcSwap::from_pointee(frontage));
        let standings = Arc::new(Standings::new(
            Arc::clone(&index),
            Arc::clone(&revocations),
            Arc::clone(&directory),
            Arc::clone(&frontage),
        ));
        let credentials = Broker::new(
            Arc::clone(&client),
            Arc::clone(&vaults.clock),
            Arc::clone(&vaults.entropy),
            tracker.clone(),
        )
        .judged_by(Subjects::judged_by(&authentication))
        .sharing(beside::shared_tokens(&vaults, redis.as_ref()));
        let connections = Connections::new(ConnectionDeps {
            http: Arc::clone(&client),
            clock: Arc::clone(&vaults.clock),
            entropy: Arc::clone(&vaults.entropy),
            ring: Arc::clone(&vaults.ring),
            stores: &vaults.stores,
            tasks: tracker.clone(),
        });
        connections.held_by(holders(config));
        let credentials = credentials.with_connections(connections.clone());
        let credentials = SigningBroker::new(
            credentials,
            Arc::clone(&vaults.clock),
            Arc::new(Stocked::of(Arc::clone(&vaults.entropy))),
            tracker.clone(),
        );
        let gateway = Gateway::new(GatewayDeps {
            replica: ReplicaId::generate(&*vaults.entropy)?,
            replicas: Arc::clone(&vaults.stores.replicas),
            session_homes: Arc::clone(&vaults.stores.session_homes),
            snapshot,
            credentials: between(Arc::new(credentials)),
            sealer: Arc::clone(&vaults.ring) as Arc<dyn Sealer>,
            handles: RingMac::new(&vaults.ring, MacPurpose::Handles),
            sessions: Arc::clone(&vaults.stores.sessions),
            approvals: Arc::clone(&vaults.stores.approvals),
            standing: Arc::clone(&standings) as _,
            limits: limiting.deps(&vaults),
            pins,
            audit: audit.clone(),
            clock: Arc::clone(&vaults.clock),
            tracker: tracker.clone(),
        });
        gateway.limits().on_store_fault(on_store_fault(config));
        authorization.serve(&gateway);
        let readiness = Arc::new(Readiness::default());
        if let Some(redis) = redis {
            readiness.watch_redis(Box::new(beside::RedisProbe(redis)));
        }
        Ok(Self {
            closing,
            _closes: closes,
            limiting,
            authorization,
            trail: AuditTrail::new(Arc::clone(&vaults.stores.audit)),
            gateway,
            authentication,
            sign_in: Arc::new(ArcSwap::from_pointee(sign_in)),
            frontage,
            keys,
            index,
            defining,
            revoking,
            revocations,
            audit,
            retention: config.audit.retention,
            metrics,
            readiness,
            failures: Arc::default(),
            quotas: Arc::default(),
            standings,
            issuers,
            client,
            means,
            signing,
            connections,
            vaults,
        })
    }
}

impl Rooms {
    /// Sign-in as this configuration has it.
    pub(super) fn sign_in_by(&self, config: &Config) -> anyhow::Result<SignIn> {
        sign_in::build(config, &self.issuers, &self.vaults, &self.client)
    }
}

/// The trail of one process, which begins a chain of its own.
pub(super) async fn start_audit(
    config: &Config,
    vaults: &Vaults,
    client: &Arc<dyn HttpClient>,
    metrics: &Arc<Metrics>,
    tracker: &TaskTracker,
    tracer: Option<Tracer>,
) -> anyhow::Result<AuditLog> {
    let settings = AuditSettings {
        tracer,
        ..sinks::settings(config, client, &vaults.clock)?
    };
    let deps = AuditDeps {
        store: Arc::clone(&vaults.stores.audit),
        mac: RingMac::new(&vaults.ring, MacPurpose::AuditChain),
        writer: WriterId::generate(vaults.clock.now(), &*vaults.entropy)?,
        clock: Arc::clone(&vaults.clock),
        metrics: Arc::clone(metrics),
        tracker: tracker.clone(),
    };
    Ok(AuditLog::start(settings, deps).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_event_that_is_required_outlives_a_power_cut() {
        let durability = |text| match Storage::of(&crate::wire::tests::config(text)) {
            Storage::Disk { durability, .. } => durability,
            Storage::Postgres(_) | Storage::Memory => panic!("a file was named"),
        };
        assert_eq!(durability("audit: {required: true}"), Durability::PowerLoss);
        assert_eq!(durability(""), Durability::ProcessCrash);
    }
}
