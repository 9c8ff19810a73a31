//! Notices when watched files have other content.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use portcullis_core::sha256;

use super::{ReloadCause, ReloadRequester};

/// How long a folder must be quiet: editors and volume mounts write in several steps.
const QUIET: Duration = Duration::from_millis(250);

/// Watches files until dropped.
///
/// It is their folders that are watched and their content that is compared: editors replace files,
/// and mounted configuration changes by a symbolic link further up.
#[derive(Debug)]
pub struct FileWatch {
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Starts watching; `reload` is asked each time that the content of any file has changed.
    pub fn start(files: Vec<PathBuf>, reload: ReloadRequester) -> anyhow::Result<Self> {
        let (changed, changes) = channel();
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
            // The event itself does not matter: even an overflow means "look again".
            let _ = changed.send(());
        })
        .context("cannot watch files")?;
        let folders: BTreeSet<PathBuf> = files.iter().map(|file| folder(file)).collect();
        for folder in &folders {
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        let before = content(&files);
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || compare(&changes, &files, before, &reload))
            .context("cannot watch files")?;
        Ok(Self { _watcher: watcher })
    }
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
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

fn compare(
    changes: &Receiver<()>,
    files: &[PathBuf],
    mut before: Content,
    reload: &ReloadRequester,
) {
    while changes.recv().is_ok() {
        loop {
            match changes.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let now = content(files);
        if now != before {
            before = now;
            reload.request(ReloadCause::FileChanged);
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

    #[test]
    fn a_bare_file_name_lives_in_the_working_folder() {
        assert_eq!(folder(Path::new("config.yaml")), Path::new("."));
        assert_eq!(folder(Path::new("/etc/p/c.yaml")), Path::new("/etc/p"));
    }
}
