//! `limits` of the file and of the store, as the engine keeps them.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_config::{Config, StoreFault};
use portcullis_engine::{FileLimits, LimitAdmin, LimitDeps, LimitIndex, OnStoreFault, ScopeKind};
use portcullis_identity::Followed;
use portcullis_store::StoreError;
use portcullis_vault::MacPurpose;

use super::macs::RingMac;
use super::rooms::Vaults;

/// The limits of callers, and who changes them.
#[derive(Clone, Debug)]
pub(super) struct Limiting {
    pub(super) index: Arc<LimitIndex>,
    pub(super) admin: LimitAdmin,
}

impl Limiting {
    /// Those of this store, not read yet, and of this file.
    pub(super) fn of(vaults: &Vaults, config: &Config) -> Self {
        let stores = &vaults.stores;
        let index = Arc::new(LimitIndex::new(
            Arc::clone(&stores.limits),
            RingMac::new(&vaults.ring, MacPurpose::Limits),
            Arc::clone(&vaults.clock),
        ));
        index.follow_file(file_limits(config));
        let admin = LimitAdmin::new(
            Arc::clone(&stores.limits),
            Arc::clone(&stores.budgets),
            Arc::clone(&stores.usage),
            Arc::clone(&index),
            Arc::clone(&vaults.clock),
        );
        Self { index, admin }
    }

    /// What the engine counts with.
    pub(super) fn deps(&self, vaults: &Vaults) -> LimitDeps {
        let stores = &vaults.stores;
        LimitDeps {
            counters: Arc::clone(&stores.counters),
            concurrency: Arc::clone(&stores.concurrency),
            budgets: Arc::clone(&stores.budgets),
            usage: Arc::clone(&stores.usage),
            allowances: Arc::clone(&self.index) as _,
        }
    }

    /// What follows the store's changes.
    pub(super) fn followed(&self) -> Arc<dyn Followed> {
        Arc::new(FollowedLimits(Arc::clone(&self.index)))
    }
}

#[derive(Debug)]
struct FollowedLimits(Arc<LimitIndex>);

#[async_trait]
impl Followed for FollowedLimits {
    fn name(&self) -> &'static str {
        "limits"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.0.refresh().await
    }
}

/// `limits` of the file.
pub(super) fn file_limits(config: &Config) -> FileLimits {
    let limits = &config.limits;
    let defaults = &limits.defaults;
    // The ids of the file's keys are no ids of the store's.
    let keys = limits.keys.iter();
    let keys = keys.map(|(id, limits)| (ScopeKind::Key, format!("file:{id}"), limits.clone()));
    let others = [
        (ScopeKind::User, &limits.users),
        (ScopeKind::Team, &limits.teams),
        (ScopeKind::Organization, &limits.organizations),
    ];
    let others = others.into_iter().flat_map(|(kind, named)| {
        let named = named.iter();
        named.map(move |(id, limits)| (kind, id.clone(), limits.clone()))
    });
    FileLimits {
        defaults: vec![
            (ScopeKind::Key, defaults.key.clone()),
            (ScopeKind::User, defaults.user.clone()),
            (ScopeKind::Team, defaults.team.clone()),
            (ScopeKind::Organization, defaults.organization.clone()),
        ],
        named: keys.chain(others).collect(),
    }
}

/// `limits.on_store_fault`
pub(super) const fn on_store_fault(config: &Config) -> OnStoreFault {
    match config.limits.on_store_fault {
        StoreFault::Deny => OnStoreFault::Deny,
        StoreFault::LocalShare => OnStoreFault::LocalShare,
    }
}
