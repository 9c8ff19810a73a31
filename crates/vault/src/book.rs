//! Values of secret stores, kept through an outage for a bounded time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{Clock, SecretValue};

use crate::stored::{Fields, SecretStore, StoreError, StoreKind, StoredRef};

/// The stores that are set up.
#[derive(Clone, Debug, Default)]
pub struct SecretStores {
    /// HashiCorp Vault.
    pub vault: Option<Arc<dyn SecretStore>>,
    /// AWS Secrets Manager.
    pub aws: Option<Arc<dyn SecretStore>>,
}

/// What a reference came to.
#[derive(Debug)]
pub enum Found {
    /// The value that the store gave just now.
    Fresh(SecretValue),
    /// The store gave none; this one is not too old to be used.
    Kept(SecretValue, Arc<StoreError>),
    /// The store gave none, and the last one is too old.
    Lapsed(Arc<StoreError>),
    /// There never was one.
    Failed(Arc<StoreError>),
}

struct Kept {
    value: SecretValue,
    at: Duration,
}

/// Everything that was ever fetched, in memory only.
pub struct SecretBook {
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<StoredRef, Kept>>,
}

impl SecretBook {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<StoredRef, Kept>> {
        // Whole entries are put there: a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for these, each document once. A value that the store does not give is taken from here
    /// for `max_stale` after it was last given.
    pub async fn fetch(
        &self,
        stores: &SecretStores,
        wanted: &BTreeSet<StoredRef>,
        max_stale: Duration,
    ) -> BTreeMap<StoredRef, Found> {
        let mut found = BTreeMap::new();
        let mut document: Option<(&StoredRef, Result<Fields, Arc<StoreError>>)> = None;
        // In order, so that the fields of one document follow each other.
        for reference in wanted {
            let known = document.take().filter(|(read, _)| {
                (read.kind, &read.document) == (reference.kind, &reference.document)
            });
            let (read, fields) = match known {
                Some(known) => known,
                None => (
                    reference,
                    self.read(stores, reference).await.map_err(Arc::new),
                ),
            };
            let value = match &fields {
                Ok(fields) => fields
                    .get(&reference.field)
                    .filter(|value| !value.expose().trim().is_empty())
                    .cloned()
                    .ok_or_else(|| Arc::new(StoreError::NoField)),
                Err(error) => Err(Arc::clone(error)),
            };
            found.insert(reference.clone(), self.judge(reference, value, max_stale));
            document = Some((read, fields));
        }
        found
    }

    async fn read(&self, stores: &SecretStores, of: &StoredRef) -> Result<Fields, StoreError> {
        let store = match of.kind {
            StoreKind::Vault => &stores.vault,
            StoreKind::AwsSecretsManager => &stores.aws,
        };
        let store = store.as_ref().ok_or(StoreError::NotSetUp)?;
        store.read(&of.document).await
    }

    fn judge(
        &self,
        reference: &StoredRef,
        value: Result<SecretValue, Arc<StoreError>>,
        max_stale: Duration,
    ) -> Found {
        let now = self.clock.monotonic();
        let mut kept = self.kept();
        match value {
            Ok(value) => {
                let entry = Kept {
                    value: value.clone(),
                    at: now,
                };
                kept.insert(reference.clone(), entry);
                Found::Fresh(value)
            }
            Err(error) => match kept.get(reference) {
                Some(known) if now.saturating_sub(known.at) < max_stale => {
                    Found::Kept(known.value.clone(), error)
                }
                Some(_) => Found::Lapsed(error),
                None => Found::Failed(error),
            },
        }
    }

    /// Forgets all but these.
    pub fn keep_only(&self, wanted: &BTreeSet<StoredRef>) {
        self.kept()
            .retain(|reference, _| wanted.contains(reference));
    }
}

impl fmt::Debug for SecretBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBook")
    }
}
