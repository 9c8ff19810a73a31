//! `rotate ring`: a new sealing key in the ring of the configured store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_core::{SystemClock, SystemEntropy};
use portcullis_vault::KeyRing;

use super::files;
use super::rooms::ring_path;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{Purpose, Sealer, Timestamp};

    use super::*;
    use crate::wire::housekeeping::follow_ring;
    use crate::wire::rooms::{Storage, Vaults};

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
