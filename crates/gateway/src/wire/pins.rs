//! What servers' tools looked like, as the engine keeps it.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use portcullis_engine::audit::AuditLog;
use portcullis_engine::metrics::Metrics;
use portcullis_engine::{PinDeps, Pins};
use portcullis_identity::{Followed, FreshnessSettings, follow};
use portcullis_store::StoreError;
use portcullis_vault::MacPurpose;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::macs::RingMac;
use super::rooms::Vaults;

/// The pins of this store, read, and followed from now on.
pub(super) async fn of(
    vaults: &Vaults,
    audit: &AuditLog,
    metrics: &Arc<Metrics>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<Pins>> {
    let pins = Pins::new(PinDeps {
        store: Arc::clone(&vaults.stores.pins),
        mac: RingMac::new(&vaults.ring, MacPurpose::Pin),
        clock: Arc::clone(&vaults.clock),
        entropy: Arc::clone(&vaults.entropy),
        audit: audit.clone(),
        metrics: Arc::clone(metrics),
        tracker: tracker.clone(),
    });
    pins.refresh().await.context("the stored pins")?;
    follow(
        vec![Arc::new(FollowedPins(Arc::clone(&pins)))],
        &*vaults.stores.announcements,
        FreshnessSettings::default(),
        tracker,
        stop,
    );
    Ok(pins)
}

#[derive(Debug)]
struct FollowedPins(Arc<Pins>);

#[async_trait]
impl Followed for FollowedPins {
    fn name(&self) -> &'static str {
        "pins"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.0.refresh().await
    }
}
