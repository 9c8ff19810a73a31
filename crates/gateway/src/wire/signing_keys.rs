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

const TABLE: &str = "signing_keys";
const COLUMN: &str = "sealed_key";

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
pub(super) async fn read(
    store: &dyn SigningKeyStore,
    ring: &KeyRing,
) -> anyhow::Result<Vec<PublishedKey>> {
    let records = store.list().await?;
    records
        .into_iter()
        .map(|record| open(ring, record))
        .collect()
}

fn open(ring: &KeyRing, record: SigningKeyRecord) -> anyhow::Result<PublishedKey> {
    let about = || format!("signing key {}", record.kid);
    let algorithm = record.algorithm.parse();
    let Ok(algorithm) = algorithm else {
        bail!("{}: algorithm {} is not known", about(), record.algorithm);
    };
    let sealed = SealedBox::from_bytes(record.sealed_key.clone());
    let der = ring
        .open_row(TABLE, &record.kid, COLUMN, &sealed)
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

/// Every key that is kept, after making the first one of this algorithm if there is none.
pub(super) async fn read_or_make(
    store: &dyn SigningKeyStore,
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> anyhow::Result<Vec<PublishedKey>> {
    let keys = read(store, ring).await?;
    if newest(&keys, algorithm).is_some() {
        return Ok(keys);
    }
    let record = make(ring, algorithm, now).await?;
    // Whoever was first: all take what is there now.
    if store.append(&record, None).await? {
        tracing::info!(
            kid = record.kid,
            algorithm = algorithm.as_str(),
            "made a signing key"
        );
    }
    read(store, ring).await
}

/// What `rotate signer` did.
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
    store: &dyn SigningKeyStore,
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    now: Timestamp,
    distrust: bool,
) -> anyhow::Result<Rotated> {
    let keys = read(store, ring).await?;
    let last = newest(&keys, algorithm);
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
    let record = make(ring, algorithm, signs_from).await?;
    let follows = last.map(|last| last.key.key_id());
    if !store.append(&record, follows).await? {
        bail!("another rotation was faster: nothing was changed");
    }
    let over = keys
        .iter()
        .filter(|one| distrust || KeyBook::is_over(&keys, &one.key, now))
        .map(|one| one.key.key_id().to_owned());
    let removed: Vec<String> = over.collect();
    for kid in &removed {
        store.remove(kid).await?;
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
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    signs_from: Timestamp,
) -> anyhow::Result<SigningKeyRecord> {
    // RSA searches for primes: a second of a core's work, now and then.
    let der = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await??;
    let key = SigningKey::from_pkcs8(&der, algorithm)?;
    let kid = key.key_id().to_owned();
    let sealed = ring.seal_row(TABLE, &kid, COLUMN, &der)?;
    Ok(SigningKeyRecord {
        sealed_key: sealed.as_bytes().to_vec(),
        algorithm: algorithm.as_str().to_owned(),
        kid,
        signs_from,
    })
}
