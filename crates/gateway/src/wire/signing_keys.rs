//! The signer's keys: the operator's own, or made here and kept, sealed, in the store, where all
//! replicas find the same ones.

use anyhow::{Context, bail};
use portcullis_config::{JwtSigner, Origin};
use portcullis_core::Timestamp;
use portcullis_credentials::{KeyBook, PublishedKey};
use portcullis_oauth::SigningAlgorithm;
use portcullis_oauth::jose::SigningKey;
use portcullis_store::{SigningKeyRecord, SigningKeyStore};
use portcullis_vault::{KeyRing, SealedBox};

use crate::cli::exit::CommandError;

const COLUMN: &str = "sealed_key";

/// Keys that follow each other: where they are kept, and what seals them there.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) store: &'a dyn SigningKeyStore,
    pub(super) ring: &'a KeyRing,
    /// The table: a row of one chain does not open in another.
    table: &'static str,
}

impl<'a> Chain<'a> {
    /// Those that sign for upstream servers.
    pub(super) const fn for_upstream(store: &'a dyn SigningKeyStore, ring: &'a KeyRing) -> Self {
        Self {
            store,
            ring,
            table: "signing_keys",
        }
    }

    /// Those that sign our own access tokens.
    pub(super) const fn for_authorization(
        store: &'a dyn SigningKeyStore,
        ring: &'a KeyRing,
    ) -> Self {
        Self {
            store,
            ring,
            table: "authorization_keys",
        }
    }
}

/// The keys of the file, and how the first of them signs; `None`: they are ours to make.
pub(super) fn of_operator(signer: &JwtSigner) -> Result<Option<Vec<SigningKey>>, CommandError> {
    let Some(written) = &signer.signing_key else {
        return Ok(None);
    };
    let algorithm = signer.algorithm.and_then(|name| name.parse().ok());
    let keys = SigningKey::from_pem(&written.value, algorithm).map_err(|error| {
        CommandError::Configuration(format!(
            "the key of the mcp_jwt_signer guardrail (signing_key or MCP_JWT_SIGNING_KEY) cannot be used: {error}"
        ))
    })?;
    if let Origin::File(path) = &written.origin {
        warn_if_open_to_others(path);
    }
    Ok(Some(keys))
}

/// Mounted volumes set their own modes, so this is no reason not to start.
fn warn_if_open_to_others(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(
            path = %path.display(),
            "others may read the signing key, and then sign as the gateway: run chmod 600"
        );
    }
}

/// How keys sign that are made here.
pub(super) fn algorithm(signer: &JwtSigner) -> SigningAlgorithm {
    let written = signer.algorithm.and_then(|name| name.parse().ok());
    written.unwrap_or(SigningAlgorithm::Rs256)
}

/// Every key that is kept, oldest first. One that does not open is no reason to go on with others:
/// somebody has changed the store.
pub(super) async fn read(chain: Chain<'_>) -> anyhow::Result<Vec<PublishedKey>> {
    let records = chain.store.list().await?;
    records.iter().map(|record| open(chain, record)).collect()
}

fn open(chain: Chain<'_>, record: &SigningKeyRecord) -> anyhow::Result<PublishedKey> {
    let about = || format!("signing key {}", record.kid);
    let algorithm = record.algorithm.parse();
    let Ok(algorithm) = algorithm else {
        bail!("{}: algorithm {} is not known", about(), record.algorithm);
    };
    let sealed = SealedBox::from_bytes(record.sealed_key.clone());
    let der = chain
        .ring
        .open_row(chain.table, &record.kid, COLUMN, &sealed)
        .with_context(about)?;
    let key = SigningKey::from_pkcs8(&der, algorithm).with_context(about)?;
    if key.key_id() != record.kid {
        bail!("{}: it is another key", about());
    }
    Ok(PublishedKey {
        key: key.into(),
        signs_from: record.signs_from,
    })
}

/// Every key that is kept, after making one of this algorithm if the newest is of another: that one
/// signs until verifiers have had time to see the new one.
pub(super) async fn read_or_make(
    chain: Chain<'_>,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> anyhow::Result<Vec<PublishedKey>> {
    let keys = read(chain).await?;
    let signs_from = match keys.last() {
        Some(last) if last.key.algorithm() == algorithm => return Ok(keys),
        Some(last) => now.after(KeyBook::NOTICE).max(last.signs_from),
        None => now,
    };
    let record = make(chain, algorithm, signs_from).await?;
    let follows = newest(&keys, algorithm).map(|last| last.key.key_id());
    // Whoever was first: all take what is there now.
    if chain.store.append(&record, follows).await? {
        tracing::info!(
            kid = record.kid,
            algorithm = algorithm.as_str(),
            %signs_from,
            "made a signing key"
        );
    }
    read(chain).await
}

/// What a rotation did.
#[derive(Debug)]
pub(super) struct Rotated {
    pub(super) kid: String,
    pub(super) signs_from: Timestamp,
    /// Which ones are no longer published.
    pub(super) removed: Vec<String>,
}

/// Appends a key: published now, signing after a while; at once, and without the former ones, where
/// those are not to be believed any more.
pub(super) async fn rotate(
    chain: Chain<'_>,
    algorithm: SigningAlgorithm,
    now: Timestamp,
    distrust: bool,
) -> anyhow::Result<Rotated> {
    let keys = read(chain).await?;
    if distrust && keys.is_empty() {
        bail!("no key is kept in this store, so there is none to distrust: nothing was changed");
    }
    let last = keys.last();
    if let Some(last) = last
        && last.signs_from > now
        && !distrust
    {
        let (kid, from) = (last.key.key_id(), last.signs_from);
        bail!("key {kid} is published already and will sign from {from}: rotate again after that");
    }
    let signs_from = match last {
        Some(_) if !distrust => now.after(KeyBook::NOTICE),
        _ => now,
    };
    let record = make(chain, algorithm, signs_from).await?;
    let follows = newest(&keys, algorithm).map(|last| last.key.key_id());
    if !chain.store.append(&record, follows).await? {
        bail!("another rotation was faster: nothing was changed");
    }
    let over = keys
        .iter()
        .filter(|one| distrust || KeyBook::is_over(&keys, &one.key, now))
        .map(|one| one.key.key_id().to_owned());
    let removed: Vec<String> = over.collect();
    for kid in &removed {
        chain.store.remove(kid).await?;
    }
    Ok(Rotated {
        kid: record.kid,
        signs_from,
        removed,
    })
}

fn newest(keys: &[PublishedKey], algorithm: SigningAlgorithm) -> Option<&PublishedKey> {
    let mut of_kind = keys.iter().filter(|one| one.key.algorithm() == algorithm);
    of_kind.next_back()
}

async fn make(
    chain: Chain<'_>,
    algorithm: SigningAlgorithm,
    signs_from: Timestamp,
) -> anyhow::Result<SigningKeyRecord> {
    // RSA searches for primes: a second of a core's work, now and then.
    let der = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await??;
    let key = SigningKey::from_pkcs8(&der, algorithm)?;
    let kid = key.key_id().to_owned();
    let sealed = chain.ring.seal_row(chain.table, &kid, COLUMN, &der)?;
    Ok(SigningKeyRecord {
        sealed_key: sealed.as_bytes().to_vec(),
        algorithm: algorithm.as_str().to_owned(),
        kid,
        signs_from,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use portcullis_core::SystemEntropy;
    use portcullis_store::memory;

    use super::*;

    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;
    const START: Timestamp = Timestamp::from_secs(1_795_000_000);

    struct House {
        store: Arc<dyn SigningKeyStore>,
        ring: Arc<KeyRing>,
    }

    impl House {
        fn new() -> Self {
            Self {
                store: memory::stores().signing_keys,
                ring: Arc::new(KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap()),
            }
        }

        fn chain(&self) -> Chain<'_> {
            Chain::for_upstream(&*self.store, &self.ring)
        }

        async fn started(&self) -> Vec<PublishedKey> {
            self.started_with(ES256, START).await
        }

        async fn started_with(&self, how: SigningAlgorithm, now: Timestamp) -> Vec<PublishedKey> {
            let keys = read_or_make(self.chain(), how, now).await;
            keys.unwrap()
        }

        async fn rotated(&self, now: Timestamp, distrust: bool) -> anyhow::Result<Rotated> {
            rotate(self.chain(), ES256, now, distrust).await
        }

        async fn kids(&self) -> Vec<String> {
            let keys = read(self.chain()).await.unwrap();
            keys.iter().map(|one| one.key.key_id().to_owned()).collect()
        }
    }

    /// SIGN-06.
    #[tokio::test]
    async fn replicas_that_start_together_agree_on_one_key() {
        let house = House::new();
        let starts = (0..8).map(|_| house.started());
        let found = futures_util::future::join_all(starts).await;
        assert!(
            found
                .iter()
                .all(|keys| keys == &found[0] && keys.len() == 1)
        );
        assert_eq!(house.started().await, found[0], "and after a restart");
    }

    /// SIGN-06: verifiers see a key of another algorithm before it signs, each time.
    #[tokio::test]
    async fn another_algorithm_is_announced_like_another_key() {
        let house = House::new();
        house.started().await;
        let mut now = START;
        for (count, algorithm) in [(2, SigningAlgorithm::EdDsa), (3, ES256)] {
            now = now.after(Duration::from_hours(1));
            let keys = house.started_with(algorithm, now).await;
            assert_eq!(keys.len(), count);
            let new = keys.last().unwrap();
            assert_eq!(new.key.algorithm(), algorithm);
            assert_eq!(new.signs_from, now.after(KeyBook::NOTICE));
            assert_eq!(house.started_with(algorithm, now).await, keys, "once");
        }
    }

    #[tokio::test]
    async fn a_rotation_adds_a_key_and_forgets_those_that_are_over() {
        let house = House::new();
        let first = house.started().await[0].key.key_id().to_owned();
        let second = house.rotated(START, false).await.unwrap();
        assert_eq!(second.signs_from, START.after(KeyBook::NOTICE));
        assert!(second.removed.is_empty());
        assert_eq!(house.kids().await, [first.clone(), second.kid.clone()]);
        let early = house
            .rotated(START.after(Duration::from_secs(1)), false)
            .await;
        assert!(early.unwrap_err().to_string().contains("published already"));
        let later = second.signs_from.after(KeyBook::OVERLAP);
        let third = house.rotated(later, false).await.unwrap();
        assert_eq!(third.removed, [first]);
        assert_eq!(house.kids().await, [second.kid, third.kid]);
    }

    #[tokio::test]
    async fn a_key_that_is_not_trusted_any_more_is_gone_at_once() {
        let house = House::new();
        house.started().await;
        house.rotated(START, false).await.unwrap();
        let before = house.kids().await;
        let only = house.rotated(START, true).await.unwrap();
        assert_eq!(only.signs_from, START);
        assert_eq!(only.removed, before);
        assert_eq!(house.kids().await, [only.kid]);
    }

    /// SIGN-06: whoever holds the distrusted key holds it somewhere else.
    #[tokio::test]
    async fn where_no_key_is_kept_none_is_distrusted() {
        let house = House::new();
        let refused = house.rotated(START, true).await.unwrap_err();
        assert!(
            refused.to_string().contains("none to distrust"),
            "{refused}"
        );
        assert!(house.kids().await.is_empty());
    }

    #[tokio::test]
    async fn a_row_that_somebody_changed_is_not_signed_with() {
        let house = House::new();
        house.started().await;
        let record = house.store.list().await.unwrap().remove(0);
        let mut damaged = record.clone();
        damaged.sealed_key[30] ^= 1;
        let mut moved = record.clone();
        moved.kid = "another-row".to_owned();
        let mut renamed = record.clone();
        renamed.algorithm = "RS256".to_owned();
        let mut unknown = record.clone();
        unknown.algorithm = "none".to_owned();
        for changed in [damaged, moved, renamed, unknown] {
            let store = memory::stores().signing_keys;
            store.append(&changed, None).await.unwrap();
            assert!(
                read(Chain::for_upstream(&*store, &house.ring))
                    .await
                    .is_err(),
                "{}",
                changed.kid
            );
        }
        let elsewhere = Chain::for_authorization(&*house.store, &house.ring);
        assert!(read(elsewhere).await.is_err(), "a key of another chain");
        let other = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
        assert!(
            read(Chain::for_upstream(&*house.store, &other))
                .await
                .is_err()
        );
    }
}
