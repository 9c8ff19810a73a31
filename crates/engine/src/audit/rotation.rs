//! A file that is appended to, and begun anew when it is large or old enough, or when somebody moved it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, Timestamp};

use super::ownership::hand_over;

/// When a file is put away as `{path}.1`, and how many of those stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// At so many bytes.
    pub size: Option<u64>,
    /// After so long, counted from when the file was begun.
    pub age: Option<Duration>,
    /// Files put away that are kept; the oldest is removed.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            size: None,
            age: None,
            keep: 10,
        }
    }
}

#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    clock: Arc<dyn Clock>,
    file: File,
    size: u64,
    begun: Timestamp,
    /// Nothing is torn: the file ends with a whole line.
    between_lines: bool,
}

impl RotatingFile {
    /// Opens for appending a file that only its owner may read.
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (file, size, begun) = open(path, &*clock)?;
        Ok(Self {
            path: path.to_owned(),
            rotation,
            clock,
            file,
            size,
            begun,
            between_lines: true,
        })
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        (self.file, self.size, self.begun) = open(&self.path, &*self.clock)?;
        Ok(())
    }

    /// Whether the path still leads to the file that is open. A program that rotates logs may have moved it.
    fn is_there(&self) -> std::io::Result<bool> {
        let open = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_due(&self) -> bool {
        let large = self.rotation.size.is_some_and(|most| self.size >= most);
        let old = self
            .rotation
            .age
            .is_some_and(|most| self.size > 0 && self.begun.after(most) <= self.clock.now());
        large || old
    }

    fn put_away(&mut self) -> std::io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.rotation.keep).rev() {
            match std::fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.rotation.keep == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, numbered(1))?;
        }
        self.reopen()
    }

    fn turn(&mut self) -> std::io::Result<()> {
        if !self.is_there()? {
            return self.reopen();
        }
        if self.is_due()
            && let Err(error) = self.put_away()
        {
            // Lines are worth more than small files.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                path = %self.path.display(),
                "an audit file is not rotated"
            );
            (self.size, self.begun) = (0, self.clock.now());
        }
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.between_lines {
            self.turn()?;
        }
        let written = self.file.write(bytes)?;
        self.size = self.size.saturating_add(written as u64);
        if let Some(last) = written.checked_sub(1).and_then(|last| bytes.get(last)) {
            self.between_lines = *last == b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl super::lines::Out for RotatingFile {
    fn lost(&mut self, rows: u64) -> std::io::Result<()> {
        if !self.between_lines {
            self.write_all(b"\n")?;
        }
        self.write_all(super::lines::gap(rows).as_bytes())
    }
}

/// Opens for appending. A crash may have torn the last line; it is ended, so that the damage stays
/// with that one line.
fn open(path: &Path, clock: &dyn Clock) -> std::io::Result<(File, u64, Timestamp)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    // A pipe or device belongs to whoever made it.
    if !metadata.is_file() {
        return Ok((file, 0, clock.now()));
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    let mut size = file.seek(SeekFrom::End(0))?;
    if size == 0 {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            hand_over(&file, folder)?;
        }
        return Ok((file, 0, clock.now()));
    }
    let mut last = [0_u8; 1];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
        size = size.saturating_add(1);
    }
    let begun = metadata.created().or_else(|_| metadata.modified()).ok();
    let begun = begun
        .and_then(|moment| moment.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map_or_else(|| clock.now(), Timestamp::from_millis);
    Ok((file, size, begun))
}

#[cfg(test)]
mod tests;
