//! Notices when watched files have other content.
//!
//! By looking, not by being told: the store's database usually lies in the same folder as the
//! configuration and is written all the time, so that a notifier would wake us for every batch of
//! audit events and never find the folder quiet.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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
    lists: Sender<Seen>,
}

/// Files, and how they were found when they began to be watched.
type Seen = Vec<(PathBuf, Stamp, Content)>;

impl FileWatch {
    /// Starts watching; `reload` is asked each time that the content of any file has changed.
    pub fn start(files: Vec<PathBuf>, reload: ReloadRequester) -> anyhow::Result<Self> {
        let (lists, changes) = channel();
        let seen = seen(files);
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || look(&changes, seen, &reload))
            .context("cannot watch files")?;
        Ok(Self { lists })
    }

    /// From now on these are watched. One that was watched before is compared with what was seen of
    /// it then, so that no change falls between two lists.
    pub fn follow(&self, files: Vec<PathBuf>) {
        // Nobody is left to look after a panic alone, which is on record.
        let _ = self.lists.send(seen(files));
    }
}

fn seen(files: Vec<PathBuf>) -> Seen {
    let one = |file: PathBuf| {
        let (stamp, content) = (stamp(&file), content(&file));
        (file, stamp, content)
    };
    files.into_iter().map(one).collect()
}

/// What a file's entry says without reading it: cheap enough to ask four times a second.
type Stamp = Result<(u64, u64, u64, i64, i64), io::ErrorKind>;

fn stamp(file: &Path) -> Stamp {
    match std::fs::metadata(file) {
        Ok(meta) => Ok((
            meta.dev(),
            meta.ino(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec(),
        )),
        Err(error) => Err(error.kind()),
    }
}

type Content = Result<[u8; 32], io::ErrorKind>;

fn content(file: &Path) -> Content {
    match std::fs::read(file) {
        Ok(bytes) => Ok(sha256(&bytes)),
        Err(error) => Err(error.kind()),
    }
}

fn look(changes: &Receiver<Seen>, mut watched: Seen, reload: &ReloadRequester) {
    let mut moving = false;
    loop {
        match changes.recv_timeout(LOOK) {
            Ok(list) => {
                watched = carried_over(watched, list);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let mut moved = false;
        for (file, stamped, _) in &mut watched {
            let now = stamp(file);
            moved |= std::mem::replace(stamped, now) != now;
        }
        if moved {
            moving = true;
        } else if moving {
            moving = false;
            let mut changed = false;
            for (file, _, before) in &mut watched {
                let now = content(file);
                changed |= std::mem::replace(before, now) != now;
            }
            if changed {
                reload.request(ReloadCause::FileChanged);
            }
        }
    }
}

/// The new list, with what is known of those files that were watched before.
fn carried_over(mut before: Seen, mut list: Seen) -> Seen {
    for (file, stamped, content) in &mut list {
        if let Some(at) = before.iter().position(|(known, ..)| known == file) {
            let (_, known_stamp, known_content) = before.swap_remove(at);
            (*stamped, *content) = (known_stamp, known_content);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::super::{Reloads, reloads};
    use super::*;

    async fn cause(reloads: &mut Reloads) -> Option<ReloadCause> {
        reloads.next().await.map(|due| due.cause)
    }

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

    /// What is added is watched, what is left out is not, and what stays is compared with what was
    /// seen of it.
    #[tokio::test]
    async fn another_list_of_files_is_watched_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let [config, old, new] = ["config.yaml", "old.pem", "new.pem"].map(|name| {
            let file = folder.path().join(name);
            std::fs::write(&file, "1").unwrap();
            file
        });
        let (requester, mut reloads) = reloads();
        let before = seen(vec![config.clone(), old.clone()]);
        std::fs::write(&config, "changed between two lists").unwrap();
        let list = seen(vec![config.clone(), new.clone()]);
        let both = carried_over(before.clone(), list.clone());
        assert_eq!(both, [before[0].clone(), list[1].clone()]);

        let watch = FileWatch::start(vec![config.clone(), old.clone()], requester).unwrap();
        watch.follow(vec![config, new.clone()]);
        std::fs::write(&old, "2").unwrap();
        std::fs::write(&new, "2").unwrap();
        assert_eq!(cause(&mut reloads).await, Some(ReloadCause::FileChanged));
        drop(watch);
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
        assert_eq!(cause(&mut reloads).await, Some(ReloadCause::FileChanged));
        writing.send(()).unwrap();
        writer.join().unwrap();
    }
}
