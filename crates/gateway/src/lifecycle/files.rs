//! Notices when watched files have other content.
//!
//! By looking, not by being told: the store's database usually lies in the same folder as the
//! configuration and is written all the time, so that a notifier would wake us for every batch of
//! audit events and never find the folder quiet.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use portcullis_core::sha256;

use super::{ReloadCause, ReloadRequester};

/// Between two looks. What was seen to change is asked for only when the next look finds it at
/// rest: editors and volume mounts write in several steps.
const LOOK: Duration = Duration::from_millis(250);

/// Watches files until dropped.
///
/// Links are followed and content is compared: editors replace files, and mounted configuration
/// changes by a symbolic link further up.
#[derive(Debug)]
pub struct FileWatch {
    _running: Sender<()>,
}

impl FileWatch {
    /// Starts watching; `reload` is asked each time that the content of any file has changed.
    pub fn start(files: Vec<PathBuf>, reload: ReloadRequester) -> anyhow::Result<Self> {
        let (running, stopped) = channel();
        let before = (stamps(&files), content(&files));
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || look(&stopped, &files, before, &reload))
            .context("cannot watch files")?;
        Ok(Self { _running: running })
    }
}

/// What a file's entry says without reading it: cheap enough to ask four times a second.
type Stamp = Result<(u64, u64, u64, i64, i64), io::ErrorKind>;

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files
        .iter()
        .map(|file| match std::fs::metadata(file) {
            Ok(meta) => Ok((
                meta.dev(),
                meta.ino(),
                meta.size(),
                meta.mtime(),
                meta.mtime_nsec(),
            )),
            Err(error) => Err(error.kind()),
        })
        .collect()
}

type Content = Vec<Result<[u8; 32], io::ErrorKind>>;

fn content(files: &[PathBuf]) -> Content {
    files
        .iter()
        .map(|file| match std::fs::read(file) {
            Ok(bytes) => Ok(sha256(&bytes)),
            Err(error) => Err(error.kind()),
        })
        .collect()
}

fn look(
    stopped: &Receiver<()>,
    files: &[PathBuf],
    (mut stamped, mut before): (Vec<Stamp>, Content),
    reload: &ReloadRequester,
) {
    let mut moving = false;
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let now = stamps(files);
        if now != stamped {
            stamped = now;
            moving = true;
        } else if moving {
            moving = false;
            let now = content(files);
            if now != before {
                before = now;
                reload.request(ReloadCause::FileChanged);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reloads;
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_as_editors_do_asks_for_one_reload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let (requester, mut reloads) = reloads();
        let watch = FileWatch::start(vec![file.clone()], requester).unwrap();
        let beside = folder.path().join("config.yaml.new");
        std::fs::write(&beside, "a: 2").unwrap();
        std::fs::rename(&beside, &file).unwrap();
        assert_eq!(
            reloads.next().await.unwrap().cause,
            ReloadCause::FileChanged
        );
        drop(watch);
        // The watcher is the only one who could ask: one change was one request.
        assert!(reloads.next().await.is_none());
    }

    #[tokio::test]
    async fn a_mounted_folder_that_is_switched_by_a_link_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (name, text) in [("one", "a: 1"), ("two", "a: 2")] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("config.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("one", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/config.yaml", at("config.yaml")).unwrap();
        let (requester, mut reloads) = reloads();
        let _watch = FileWatch::start(vec![at("config.yaml")], requester).unwrap();
        std::os::unix::fs::symlink("two", at("..next")).unwrap();
        std::fs::rename(at("..next"), at("..data")).unwrap();
        assert_eq!(
            reloads.next().await.unwrap().cause,
            ReloadCause::FileChanged
        );
    }

    #[tokio::test]
    async fn a_folder_that_is_never_quiet_hides_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let (requester, mut reloads) = reloads();
        let _watch = FileWatch::start(vec![file.clone()], requester).unwrap();
        let database = folder.path().join("portcullis.db-wal");
        let (writing, written) = channel::<()>();
        let writer = std::thread::spawn(move || {
            while written.try_recv().is_err() {
                std::fs::write(&database, "rows").unwrap();
            }
        });
        std::fs::write(&file, "a: 2").unwrap();
        assert_eq!(reloads.next().await, Some(ReloadCause::FileChanged));
        writing.send(()).unwrap();
        writer.join().unwrap();
    }
}
