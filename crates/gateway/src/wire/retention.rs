//! Removing old events: by one gateway of several while it serves, and by `audit prune`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_core::{EntropyUnavailable, ErrorKind, ReplicaId, Timestamp};
use portcullis_engine::audit::{AuditLog, PruneInterrupted, Pruned, Retention};
use portcullis_store::StoreError;
use portcullis_vault::MacPurpose;

use super::desk::Desk;
use super::files;
use super::macs::RingMac;
use super::rooms::{Rooms, Storage, Vaults};
use crate::cli::exit::CommandError;

/// Whoever has it prunes, or reads the trail from end to end.
const LEASE: &str = "audit-trail";
/// How long nobody else may begin after a holder that was killed.
const LEASE_TIME: Duration = Duration::from_mins(2);
/// How often a holder that works says that it does.
const RENEWED: Duration = Duration::from_secs(30);

/// The trail, held alone.
#[derive(Debug)]
pub(super) struct Alone<'v> {
    vaults: &'v Vaults,
    holder: String,
}

impl<'v> Alone<'v> {
    /// `None` while somebody else has it.
    pub(super) async fn with(vaults: &'v Vaults) -> anyhow::Result<Option<Self>> {
        let holder = holder(vaults)?;
        let alone = Self { vaults, holder };
        Ok(alone.take().await?.then_some(alone))
    }

    async fn take(&self) -> Result<bool, StoreError> {
        let now = self.vaults.clock.now();
        let until = now.after(LEASE_TIME);
        let leases = &self.vaults.stores.leases;
        leases.acquire(LEASE, &self.holder, now, until).await
    }

    /// Does this, and holds the trail for as long as it takes.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let holding = async {
            loop {
                tokio::time::sleep(RENEWED).await;
                if !matches!(self.take().await, Ok(true)) {
                    tracing::warn!("the audit trail may be pruned by another process meanwhile");
                }
            }
        };
        tokio::select! {
            done = work => done,
            never = holding => never,
        }
    }

    pub(super) async fn release(self) {
        let released = self.vaults.stores.leases.release(LEASE, &self.holder).await;
        if let Err(error) = released {
            // It ends by itself.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the lease of the audit trail is not given back"
            );
        }
    }
}

fn holder(vaults: &Vaults) -> Result<String, EntropyUnavailable> {
    Ok(ReplicaId::generate(&*vaults.entropy)?.to_string())
}

fn retention(vaults: &Vaults) -> Retention {
    let mac = RingMac::new(&vaults.ring, MacPurpose::AuditChain);
    Retention::new(Arc::clone(&vaults.stores.audit), mac)
}

/// Removes what is older than the configuration says, if it says so and nobody else does.
pub(super) async fn keep_house(rooms: &Rooms) {
    let Some(age) = rooms.retention else {
        return;
    };
    let before = rooms.vaults.clock.now().before(age);
    match pruned(rooms, before).await {
        Ok(Some(pruned)) if pruned.rows > 0 => {
            tracing::info!(rows = pruned.rows, chains = pruned.chains, %before, "old audit events were removed");
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(error = %format!("{error:#}"), "old audit events are not removed");
        }
    }
}

async fn pruned(rooms: &Rooms, before: Timestamp) -> anyhow::Result<Option<Pruned>> {
    let Some(alone) = Alone::with(&rooms.vaults).await? else {
        return Ok(None);
    };
    let pruned = alone.during(retention(&rooms.vaults).prune(before)).await;
    alone.release().await;
    let pruned = on_record(pruned, before, &rooms.audit)?;
    if !pruned.unproven.is_empty() {
        tracing::error!(
            chains = pruned.unproven.join(", "),
            "old audit events stay, because they are not what was written: see `portcullis audit verify`"
        );
    }
    Ok(Some(pruned))
}

/// What went is said in the trail itself, also when not everything went that should.
fn on_record(
    pruned: Result<Pruned, PruneInterrupted>,
    before: Timestamp,
    audit: &AuditLog,
) -> Result<Pruned, PruneInterrupted> {
    let (Ok(done) | Err(PruneInterrupted { done, .. })) = &pruned;
    if done.rows > 0 {
        audit.pruned(before, done);
    }
    pruned
}

/// What `audit prune` removed, or would.
#[derive(Clone, Debug)]
pub struct PrunedTrail {
    /// Everything before it.
    pub before: Timestamp,
    /// Events that went.
    pub events: u64,
    /// Of so many chains.
    pub chains: u64,
    /// Chains of which nothing went, because they do not verify.
    pub unproven: Vec<String>,
}

/// Prunes the trail of the store that the configuration names: what is older than `age`, or than
/// `audit.retention_days`. Without `really`, it is only counted.
pub async fn prune_audit(
    config: Option<&Path>,
    age: Option<Duration>,
    really: bool,
) -> Result<PrunedTrail, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let Some(age) = age.or(config.audit.retention) else {
        return Err(CommandError::Usage(
            "how old? Write --older-than-days, or `retention_days` into `audit`".to_owned(),
        ));
    };
    let storage = Storage::of(&config);
    if let Some((what, path)) = storage.missing() {
        return Err(CommandError::Usage(format!(
            "there is no {what} at {} (store.path)",
            path.display()
        )));
    }
    let vaults = Vaults::open(&storage).await?;
    let before = vaults.clock.now().before(age);
    let told = |pruned: Pruned| PrunedTrail {
        before,
        events: pruned.rows,
        chains: pruned.chains,
        unproven: pruned.unproven,
    };
    if !really {
        let due = retention(&vaults).due(before).await;
        return Ok(told(due.context("the audit trail cannot be read")?));
    }
    let desk = Desk::open(&config, &vaults, "v1/audit:prune").await?;
    let done = prune_alone(&vaults, before, desk.log()).await;
    let failed = done.as_ref().err().map(|_| ErrorKind::Unavailable);
    desk.close(failed).await?;
    Ok(told(done?))
}

async fn prune_alone(
    vaults: &Vaults,
    before: Timestamp,
    audit: &AuditLog,
) -> anyhow::Result<Pruned> {
    let alone = Alone::with(vaults).await?;
    let alone = alone.context(BUSY)?;
    let pruned = alone.during(retention(vaults).prune(before)).await;
    alone.release().await;
    on_record(pruned, before, audit).context("the audit trail cannot be pruned")
}

/// What is said when somebody else holds the trail.
pub(super) const BUSY: &str =
    "the audit trail is being pruned or verified by another process: try again in a minute";
