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

/// Longest for everything that one file refers to: reloads wait for it, revocations of a file's keys
/// among them.
const WHOLE_FETCH: Duration = Duration::from_secs(45);

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

    /// Asks for these, each document once, and no store again that could not answer. A value that the
    /// store does not give is taken from here for `max_stale` after it was last given.
    pub async fn fetch(
        &self,
        stores: &SecretStores,
        wanted: &BTreeSet<StoredRef>,
        max_stale: Duration,
    ) -> BTreeMap<StoredRef, Found> {
        self.fetch_within(WHOLE_FETCH, stores, wanted, max_stale)
            .await
    }

    async fn fetch_within(
        &self,
        longest: Duration,
        stores: &SecretStores,
        wanted: &BTreeSet<StoredRef>,
        max_stale: Duration,
    ) -> BTreeMap<StoredRef, Found> {
        let deadline = tokio::time::Instant::now() + longest;
        let mut down: BTreeMap<StoreKind, Arc<StoreError>> = BTreeMap::new();
        let mut found = BTreeMap::new();
        let mut document: Option<(&StoredRef, Result<Fields, Arc<StoreError>>)> = None;
        // In order, so that the fields of one document follow each other.
        for reference in wanted {
            let known = document.take().filter(|(read, _)| {
                (read.kind, &read.document) == (reference.kind, &reference.document)
            });
            let (read, fields) = if let Some(known) = known {
                known
            } else {
                let fields = if let Some(error) = down.get(&reference.kind) {
                    Err(Arc::clone(error))
                } else {
                    let read = tokio::time::timeout_at(deadline, self.read(stores, reference));
                    let read = read.await.unwrap_or(Err(StoreError::Late));
                    read.map_err(Arc::new)
                };
                if let Err(error) = &fields
                    && error.is_outage()
                {
                    down.insert(reference.kind, Arc::clone(error));
                }
                (reference, fields)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use portcullis_core::ManualClock;

    use super::*;

    /// A store that answers so, or never.
    #[derive(Debug)]
    struct Store {
        asked: AtomicUsize,
        error: Option<fn() -> StoreError>,
    }

    #[async_trait]
    impl SecretStore for Store {
        async fn read(&self, _: &str) -> Result<Fields, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.error {
                Some(error) => Err(error()),
                None => std::future::pending().await,
            }
        }
    }

    /// What two references to each store came to, and how often each was asked.
    async fn fetched(error: Option<fn() -> StoreError>) -> (Vec<Arc<StoreError>>, [usize; 2]) {
        let store = || {
            let asked = AtomicUsize::default();
            Arc::new(Store { asked, error })
        };
        let (vault, aws) = (store(), store());
        let stores = SecretStores {
            vault: Some(Arc::clone(&vault) as _),
            aws: Some(Arc::clone(&aws) as _),
        };
        let wanted = ["vault:a#f", "vault:b#f", "aws-sm:a#f", "aws-sm:b#f"];
        let wanted: BTreeSet<StoredRef> = wanted.map(|text| text.parse().unwrap()).into();
        let book = SecretBook::new(Arc::new(ManualClock::at_millis(0)));
        let found = book
            .fetch_within(Duration::ZERO, &stores, &wanted, Duration::ZERO)
            .await;
        let errors = found.into_values().map(|found| match found {
            Found::Failed(error) => error,
            other => panic!("{other:?}"),
        });
        let asked = [&vault, &aws].map(|store| store.asked.load(Ordering::SeqCst));
        (errors.collect(), asked)
    }

    #[tokio::test]
    async fn a_store_that_cannot_answer_is_not_asked_for_everything_else_too() {
        let (errors, asked) = fetched(Some(|| StoreError::Unavailable(503))).await;
        assert!(
            errors
                .iter()
                .all(|error| matches!(**error, StoreError::Unavailable(503)))
        );
        assert_eq!((errors.len(), asked), (4, [1, 1]));
        let (errors, asked) = fetched(Some(|| StoreError::Missing)).await;
        assert!(
            errors
                .iter()
                .all(|error| matches!(**error, StoreError::Missing))
        );
        assert_eq!((errors.len(), asked), (4, [2, 2]), "an answer is no outage");
    }

    #[tokio::test]
    async fn stores_that_never_answer_do_not_hold_up_a_reload_for_ever() {
        let (errors, asked) = fetched(None).await;
        assert!(
            errors
                .iter()
                .all(|error| matches!(**error, StoreError::Late))
        );
        assert_eq!((errors.len(), asked), (4, [1, 1]));
    }
}
