//! Lines on their way to another machine, on disk until they were taken.
//!
//! A folder of segments, `{writer}-{number}.jsonl`, each appended to by the one process that it is locked
//! by, and a list of how far each was delivered. Several processes may write into one folder (a command
//! beside a gateway); the one that has the folder's lock delivers for all. A segment is removed when it
//! is delivered and nobody writes to it any more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use super::ownership::hand_over;

/// A segment that has grown so large is followed by another, so that room is given back in parts.
const SEGMENT: u64 = 1024 * 1024;
/// Bytes that are delivered at once, unless a single line is longer.
const PORTION: usize = 512 * 1024;
/// How far each segment was delivered.
const PLACES: &str = "delivered";
/// Held by whoever delivers.
const LOCK: &str = "lock";
const SUFFIX: &str = ".jsonl";

/// The end at which one process appends.
#[derive(Debug)]
pub(super) struct SpoolWriter {
    folder: PathBuf,
    most: u64,
    writer: String,
    number: u64,
    segment: Option<(File, u64)>,
    between_lines: bool,
    written: Arc<Notify>,
}

impl SpoolWriter {
    /// Opens the folder, which only its owner may read. `writer` names this life of this process.
    pub(super) fn open(folder: &Path, most: u64, writer: &str) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut spool = Self {
            folder: folder.to_owned(),
            most,
            writer: writer.to_owned(),
            number: 0,
            segment: None,
            between_lines: true,
            written: Arc::new(Notify::new()),
        };
        // What cannot be written is found now, and not with the first event.
        spool.begin()?;
        Ok(spool)
    }

    /// Woken when there is something to deliver.
    pub(super) fn written(&self) -> Arc<Notify> {
        Arc::clone(&self.written)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.number = self.number.saturating_add(1);
        let name = format!("{}-{:08}{SUFFIX}", self.writer, self.number);
        // Locked before it is a segment: whoever delivers removes an empty one that nobody holds.
        let beside = self.folder.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let file = options.open(&beside)?;
        hand_over(&file, &self.folder)?;
        file.lock()?;
        let named = self.folder.join(name);
        // Two copies of one process that share a folder would take each other's lines.
        if named.try_exists()? {
            std::fs::remove_file(beside)?;
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "another copy of the trail uses this folder",
            ));
        }
        std::fs::rename(beside, named)?;
        self.segment = Some((file, 0));
        Ok(())
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.between_lines {
            if held(&self.folder)? >= self.most {
                // Let go of, so that it is removed when it is delivered.
                self.segment.take_if(|(_, size)| *size > 0);
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    "the spool is full",
                ));
            }
            let full = |(_, size): &(File, u64)| *size >= SEGMENT;
            if self.segment.as_ref().is_none_or(full) {
                self.segment = None;
                self.begin()?;
            }
        }
        let Some((file, size)) = &mut self.segment else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let written = file.write(bytes)?;
        *size = size.saturating_add(written as u64);
        if let Some(last) = written.checked_sub(1).and_then(|last| bytes.get(last)) {
            self.between_lines = *last == b'\n';
        }
        Ok(written)
    }

    /// Called when lines are whole: they may be delivered.
    fn flush(&mut self) -> io::Result<()> {
        self.written.notify_one();
        Ok(())
    }
}

impl super::lines::Out for SpoolWriter {
    /// Told in a segment of its own, however full the spool is: it is a few bytes.
    fn lost(&mut self, rows: u64) -> io::Result<()> {
        self.segment = None;
        self.begin()?;
        if let Some((file, _)) = &mut self.segment {
            file.write_all(super::lines::gap(rows).as_bytes())?;
        }
        self.flush()
    }
}

/// Bytes of all segments.
pub(super) fn held(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for name in segments(folder)? {
        match std::fs::metadata(folder.join(name)) {
            Ok(metadata) => bytes = bytes.saturating_add(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The segments' names, oldest first: a writer's name begins with the moment at which it started. What
/// else lies in the folder is somebody else's, and is left alone.
fn segments(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && is_segment(&name)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// `{milliseconds}-{hexadecimal digits}-{eight digits}.jsonl`, as writers are called.
fn is_segment(name: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.strip_suffix(SUFFIX).map(|stem| stem.split('-'));
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let [moment, random, number] = parts[..] else {
        return false;
    };
    let random_is_hex = random.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits(moment) && random_is_hex && !random.is_empty() && number.len() >= 8 && digits(number)
}

/// The end from which lines are delivered.
#[derive(Debug)]
pub(super) struct SpoolReader {
    folder: PathBuf,
    places: BTreeMap<String, u64>,
    /// Segments that cannot be read, and why. The others are delivered all the same.
    unreadable: BTreeMap<String, io::Error>,
    _lock: File,
}

/// Lines to deliver, and where the next ones stand once they are.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) lines: Vec<String>,
    segment: String,
    next: u64,
}

impl SpoolReader {
    /// `None` while another process delivers.
    pub(super) fn open(folder: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(folder.join(LOCK))?;
        hand_over(&lock, folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(Self {
            places: places(&folder.join(PLACES)),
            folder: folder.to_owned(),
            unreadable: BTreeMap::new(),
            _lock: lock,
        }))
    }

    /// The oldest lines that were not delivered, at most so many; none when there are none.
    pub(super) fn next(&mut self, most: usize) -> io::Result<Option<Portion>> {
        self.unreadable.clear();
        for segment in segments(&self.folder)? {
            match self.portion_of(&segment, most) {
                Ok(None) => {}
                Ok(Some(portion)) => return Ok(Some(portion)),
                Err(error) => {
                    self.unreadable.insert(segment, error);
                }
            }
        }
        Ok(None)
    }

    /// What stands in the way of some lines, as the last look found it.
    pub(super) const fn unreadable(&self) -> &BTreeMap<String, io::Error> {
        &self.unreadable
    }

    fn portion_of(&mut self, segment: &str, most: usize) -> io::Result<Option<Portion>> {
        let place = self.places.get(segment).copied().unwrap_or(0);
        let path = self.folder.join(segment);
        let file = File::open(&path)?;
        // Asked before reading: whoever writes no more has written all there is.
        let ended = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        if let Some((lines, next)) = read(file, place, most, ended)? {
            return Ok(Some(Portion {
                lines,
                segment: segment.to_owned(),
                next,
            }));
        }
        if ended {
            std::fs::remove_file(path)?;
            if self.places.remove(segment).is_some() {
                // A place of a segment that is gone is nobody's; the next list leaves it out.
                let _ = self.write_places();
            }
        }
        Ok(None)
    }

    /// These lines were taken. When that cannot be written down it is known until the end of this process:
    /// after a restart they are delivered once more.
    pub(super) fn delivered(&mut self, portion: Portion) -> io::Result<()> {
        self.places.insert(portion.segment, portion.next);
        self.write_places()
    }

    /// Replaced as a whole: of a half-written list, lines would be delivered twice or never.
    fn write_places(&self) -> io::Result<()> {
        let mut text = String::new();
        for (segment, place) in &self.places {
            let _ = writeln!(text, "{place} {segment}");
        }
        let (path, beside) = (
            self.folder.join(PLACES),
            self.folder.join(format!("{PLACES}.new")),
        );
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&beside)?.write_all(text.as_bytes())?;
        std::fs::rename(beside, path)
    }
}

/// A list that cannot be read means that everything is delivered once more.
fn places(path: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (place, segment) = line.split_once(' ')?;
            Some((segment.to_owned(), place.parse().ok()?))
        })
        .collect()
}

/// Whole lines from a place on, and where the rest begins.
fn read(
    mut file: File,
    place: u64,
    most: usize,
    ended: bool,
) -> io::Result<Option<(Vec<String>, u64)>> {
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = Vec::new();
    loop {
        let portion = (&mut file).take(PORTION as u64).read_to_end(&mut bytes)?;
        if portion < PORTION || bytes.contains(&b'\n') {
            break;
        }
    }
    let mut lines = Vec::new();
    let mut taken = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(most) {
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        lines.push(String::from_utf8_lossy(whole).into_owned());
        taken = taken.saturating_add(line.len());
    }
    if lines.is_empty() && ended && !bytes.is_empty() {
        // Torn by a crash: its row may be in the store, and is not here.
        lines.push(r#"{"event":"sink_gap","lost":1}"#.to_owned());
        taken = bytes.len();
    }
    Ok((!lines.is_empty()).then(|| (lines, place.saturating_add(taken as u64))))
}

#[cfg(test)]
mod tests;
