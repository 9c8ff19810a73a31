//! `rotate ring`: a new sealing key in the ring of the configured store; `rotate signer`: a new
//! signing key in the store itself, and `rotate
//! tokens` the same for the tokens that we issue.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{CommandLine, Config};
use portcullis_core::{SystemClock, SystemEntropy, Timestamp};
use portcullis_vault::KeyRing;

use super::rooms::{Storage, Vaults, ring_path};
use super::signing_keys::Chain;
use super::{authorization, files, signing_keys};
use crate::cli::exit::CommandError;

/// Adds a new active key; returns the ring's file and the key's id. There must be a ring: making one
/// here would tie the store to it before anybody knows whether another one is meant.
pub fn rotate_ring(config: Option<&Path>) -> Result<(PathBuf, String), CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let path = ring_path(&config.store.path);
    if !path.exists() {
        return Err(CommandError::Usage(format!(
            "there is no key ring at {} (beside store.path); the first start makes one",
            path.display()
        )));
    }
    let ring = KeyRing::load(&path, Arc::new(SystemEntropy)).context("the key ring")?;
    let active = ring
        .rotate(&SystemClock::start())
        .context("the key ring was not rotated")?;
    Ok((path, active.to_string()))
}

/// What `rotate signer` or `rotate tokens` did.
#[derive(Debug)]
pub struct RotatedKey {
    /// The new key.
    pub kid: String,
    /// Since when it signs.
    pub signs_from: Timestamp,
    /// Keys that are no longer published.
    pub removed: Vec<String>,
}

/// Publishes a new signing key, which signs after verifiers have had time to see it; with
/// `distrust` it signs at once and no former key is published any more.
pub async fn rotate_signer(
    config: Option<&Path>,
    distrust: bool,
) -> Result<RotatedKey, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let Some(signer) = &config.jwt_signer else {
        return Err(CommandError::Usage(
            "there is no `mcp_jwt_signer` among the guardrails of this file".to_owned(),
        ));
    };
    if signer.signing_key.is_some() {
        return Err(CommandError::Usage(
            "the signing key is your own: put the next one behind it in the same PEM, so that it is \
             published; then let them change places, and drop the old one after the longest token"
                .to_owned(),
        ));
    }
    let vaults = kept(&config).await?;
    let chain = Chain::for_upstream(&*vaults.stores.signing_keys, &vaults.ring);
    let algorithm = signing_keys::algorithm(signer);
    let now = vaults.clock.now();
    let rotated = signing_keys::rotate(chain, algorithm, now, distrust).await;
    told(rotated)
}

/// The same for the key of the access tokens that we issue.
pub async fn rotate_tokens(
    config: Option<&Path>,
    distrust: bool,
) -> Result<RotatedKey, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    if !config.identity.authorization_server.enabled {
        return Err(CommandError::Usage(
            "this file has the authorization server off (`identity.authorization_server.enabled`): \
             nothing was rotated"
                .to_owned(),
        ));
    }
    let vaults = kept(&config).await?;
    let chain = Chain::for_authorization(&*vaults.stores.authorization_keys, &vaults.ring);
    let now = vaults.clock.now();
    let rotated = signing_keys::rotate(chain, authorization::ALGORITHM, now, distrust).await;
    told(rotated)
}

/// The store and the ring of this file, which are there. Made here they would be nobody's, and the key
/// that others have would still sign.
async fn kept(config: &Config) -> Result<Vaults, CommandError> {
    let storage = Storage::of(config);
    if let Some((what, path)) = storage.missing() {
        return Err(CommandError::Usage(format!(
            "there is no {what} at {} (store.path): the first start makes one, and nothing was rotated",
            path.display()
        )));
    }
    Ok(Vaults::open(&storage).await?)
}

fn told(rotated: anyhow::Result<signing_keys::Rotated>) -> Result<RotatedKey, CommandError> {
    let rotated = rotated.context("the signing key was not rotated")?;
    Ok(RotatedKey {
        kid: rotated.kid,
        signs_from: rotated.signs_from,
        removed: rotated.removed,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{Purpose, Sealer};

    use super::*;
    use crate::wire::housekeeping::follow_ring;

    const PURPOSE: Purpose = Purpose::McpSession;
    const WHO: &[u8] = b"key:alice";

    fn later(vaults: &Vaults) -> Timestamp {
        vaults.clock.now().after(Duration::from_mins(1))
    }

    #[tokio::test]
    async fn a_running_gateway_takes_up_the_new_key_and_still_opens_what_the_old_one_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let store = folder.path().join("portcullis.db");
        std::fs::write(&file, format!("store: {{path: {}}}", store.display())).unwrap();
        let config = files::load(&file, CommandLine::default()).unwrap().config;
        let running = Vaults::open(&Storage::of(&config)).await.unwrap();
        let other = Vaults::open(&Storage::of(&config)).await.unwrap();
        let before = running.ring.active_key();
        let session = running
            .ring
            .seal(PURPOSE, WHO, later(&running), b"session")
            .unwrap();

        let (ring, active) = rotate_ring(Some(&file)).unwrap();
        assert_eq!(ring, folder.path().join("portcullis.keyring.json"));
        for vaults in [&running, &other] {
            follow_ring(&vaults.ring);
            assert_eq!(vaults.ring.active_key().to_string(), active);
            assert_ne!(vaults.ring.active_key(), before);
            let opened = vaults.ring.open(PURPOSE, WHO, vaults.clock.now(), &session);
            assert_eq!(opened.unwrap(), b"session");
        }
        let fresh = running
            .ring
            .seal(PURPOSE, WHO, later(&running), b"new")
            .unwrap();
        let opened = other.ring.open(PURPOSE, WHO, other.clock.now(), &fresh);
        assert_eq!(opened.unwrap(), b"new");
    }

    #[tokio::test]
    async fn token_keys_are_rotated_in_the_store_that_is_there_and_in_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let store = folder.path().join("portcullis.db");
        let write = |identity: &str| {
            let text = format!("store: {{path: {}}}\n{identity}", store.display());
            std::fs::write(&file, text).unwrap();
        };
        write("");
        let nowhere = rotate_tokens(Some(&file), false).await.unwrap_err();
        assert_eq!(nowhere.number(), 2);
        assert!(!store.exists());

        let config = files::load(&file, CommandLine::default()).unwrap().config;
        let running = Vaults::open(&Storage::of(&config)).await.unwrap();
        let keys = &*running.stores.authorization_keys;
        let chain = Chain::for_authorization(keys, &running.ring);
        let now = running.clock.now();
        let made = signing_keys::read_or_make(chain, authorization::ALGORITHM, now).await;
        let first = made.unwrap()[0].key.key_id().to_owned();
        let kids = async || {
            let known = signing_keys::read(chain).await.unwrap();
            let kids = known.iter().map(|one| one.key.key_id().to_owned());
            kids.collect::<Vec<_>>()
        };
        let second = rotate_tokens(Some(&file), false).await.unwrap();
        assert!(second.signs_from > now, "it is published before it signs");
        assert!(second.removed.is_empty());
        assert_eq!(kids().await, [first.clone(), second.kid.clone()]);
        assert!(rotate_tokens(Some(&file), false).await.is_err());
        let only = rotate_tokens(Some(&file), true).await.unwrap();
        assert_eq!(only.removed, [first, second.kid]);
        assert_eq!(kids().await, std::slice::from_ref(&only.kid));
        let upstream = running.stores.signing_keys.list().await.unwrap();
        assert!(upstream.is_empty(), "the signer has other keys");

        write("identity: {authorization_server: {enabled: false}}");
        let off = rotate_tokens(Some(&file), true).await.unwrap_err();
        assert_eq!(off.number(), 2);
        assert_eq!(kids().await, [only.kid]);
    }

    #[test]
    fn a_ring_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let store = folder.path().join("portcullis.db");
        std::fs::write(&file, format!("store: {{path: {}}}", store.display())).unwrap();
        assert_eq!(rotate_ring(Some(&file)).unwrap_err().number(), 2);
        assert!(!folder.path().join("portcullis.keyring.json").exists());
    }
}
