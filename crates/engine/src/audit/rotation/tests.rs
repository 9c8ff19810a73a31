use portcullis_core::ManualClock;

use super::*;

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn numbered(path: &Path, number: u32) -> String {
    content(&PathBuf::from(format!("{}.{number}", path.display())))
}

struct Folder {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at_millis(4_000_000_000_000)),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn open(&self, rotation: Rotation) -> RotatingFile {
        RotatingFile::open(&self.path(), rotation, self.clock.clone()).unwrap()
    }
}

#[test]
fn a_file_that_is_large_enough_is_put_away_and_the_oldest_is_removed() {
    let folder = Folder::new();
    let rotation = Rotation {
        size: Some(4),
        keep: 2,
        ..Rotation::default()
    };
    let mut file = folder.open(rotation.clone());
    for line in ["one\n", "two\n", "three\n"] {
        file.write_all(line.as_bytes()).unwrap();
    }
    // A restart goes on where the process before was.
    drop(file);
    let mut file = folder.open(rotation);
    file.write_all(b"four\n").unwrap();
    let path = folder.path();
    assert_eq!(content(&path), "four\n");
    assert_eq!(numbered(&path, 1), "three\n");
    assert_eq!(numbered(&path, 2), "two\n");
    assert_eq!(numbered(&path, 3), "");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn no_line_is_cut_in_two_by_a_rotation() {
    let folder = Folder::new();
    let mut file = folder.open(Rotation {
        size: Some(2),
        ..Rotation::default()
    });
    for part in ["{\"a\":", "1", "}\n", "{}\n"] {
        file.write_all(part.as_bytes()).unwrap();
    }
    assert_eq!(numbered(&folder.path(), 1), "{\"a\":1}\n");
    assert_eq!(content(&folder.path()), "{}\n");
}

#[test]
fn a_file_that_is_old_enough_is_put_away_and_an_empty_one_is_not() {
    let folder = Folder::new();
    let mut file = folder.open(Rotation {
        age: Some(Duration::from_hours(24)),
        ..Rotation::default()
    });
    folder.clock.advance(Duration::from_hours(25));
    file.write_all(b"first\n").unwrap();
    assert_eq!(numbered(&folder.path(), 1), "");
    file.write_all(b"second\n").unwrap();
    assert_eq!(numbered(&folder.path(), 1), "first\n");
    assert_eq!(content(&folder.path()), "second\n");
}

#[test]
fn a_file_that_somebody_moved_away_is_begun_anew() {
    let folder = Folder::new();
    let mut file = folder.open(Rotation::default());
    file.write_all(b"before\n").unwrap();
    let moved = folder.folder.path().join("moved");
    std::fs::rename(folder.path(), &moved).unwrap();
    file.write_all(b"after\n").unwrap();
    assert_eq!(content(&moved), "before\n");
    assert_eq!(content(&folder.path()), "after\n");
}

#[test]
fn a_line_that_a_crash_tore_is_ended_first() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "{\"torn").unwrap();
    let mut file = folder.open(Rotation::default());
    file.write_all(b"{}\n").unwrap();
    assert_eq!(content(&folder.path()), "{\"torn\n{}\n");
}
