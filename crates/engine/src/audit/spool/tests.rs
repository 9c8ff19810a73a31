use super::*;

const ROOMY: u64 = 1024 * 1024 * 1024;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn take(reader: &mut SpoolReader, most: usize) -> Vec<String> {
    let Some(portion) = reader.next(most).unwrap() else {
        return Vec::new();
    };
    let lines = portion.lines.clone();
    reader.delivered(portion).unwrap();
    lines
}

fn reader(folder: &tempfile::TempDir) -> SpoolReader {
    SpoolReader::open(folder.path()).unwrap().unwrap()
}

#[test]
fn what_was_not_delivered_is_there_after_a_restart_and_what_was_is_not() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    writer.write_all(b"{\"seq\":1}\n{\"seq\":2}\n").unwrap();
    let mut first = reader(&folder);
    assert_eq!(take(&mut first, 1), ["{\"seq\":1}"]);
    // Read, and then killed before anybody had taken it.
    drop(first.next(10).unwrap());
    drop((first, writer));

    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "2-b").unwrap();
    writer.write_all(b"{\"seq\":3}\n").unwrap();
    let mut second = reader(&folder);
    assert_eq!(take(&mut second, 10), ["{\"seq\":2}"]);
    assert_eq!(take(&mut second, 10), ["{\"seq\":3}"]);
    assert!(take(&mut second, 10).is_empty());
    let left = segments(folder.path()).unwrap();
    assert_eq!(left, ["2-b-00000001.jsonl"], "the first one's is gone");
}

#[test]
fn only_one_process_delivers_and_another_takes_over() {
    let folder = folder();
    let _writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    let first = reader(&folder);
    assert!(SpoolReader::open(folder.path()).unwrap().is_none());
    drop(first);
    assert!(SpoolReader::open(folder.path()).unwrap().is_some());
}

#[test]
fn a_spool_takes_no_more_than_it_may_hold_and_goes_on_when_there_is_room() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), SEGMENT, "1-a").unwrap();
    let line = [&vec![b'x'; 1024 * 1024][..], b"\n"].concat();
    writer.write_all(&line).unwrap();
    let full = writer.write_all(b"{}\n").unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 10).len(), 1);
    // Delivered, and not removed yet.
    assert!(writer.write_all(b"{}\n").is_err());
    assert!(take(&mut reader, 10).is_empty());
    writer.write_all(b"{}\n").unwrap();
    assert_eq!(take(&mut reader, 10), ["{}"]);
}

#[test]
fn half_a_line_is_not_delivered_and_one_that_a_crash_tore_is_told_as_a_gap() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    writer.write_all(b"{\"seq\":1}\n{\"se").unwrap();
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 10), ["{\"seq\":1}"]);
    assert!(take(&mut reader, 10).is_empty());
    drop(writer);
    assert_eq!(take(&mut reader, 10), [r#"{"event":"sink_gap","lost":1}"#]);
    assert!(take(&mut reader, 10).is_empty());
    assert!(segments(folder.path()).unwrap().is_empty());
}

#[test]
fn a_line_longer_than_a_portion_is_delivered_whole() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    let long = "y".repeat(PORTION * 2 + 7);
    writer
        .write_all(format!("{long}\n{{}}\n").as_bytes())
        .unwrap();
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 1), [long]);
    assert_eq!(take(&mut reader, 1), ["{}"]);
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let spool = folder.path().join("spool");
    let _writer = SpoolWriter::open(&spool, ROOMY, "1-a").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spool), 0o700);
    assert_eq!(mode(&spool.join("1-a-00000001.jsonl")), 0o600);
}

#[test]
fn what_lies_in_the_folder_and_is_not_ours_is_neither_delivered_nor_removed() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    writer.write_all(b"{}\n").unwrap();
    let foreign = [
        "audit.jsonl",
        "1-a-1.jsonl",
        "x-a-00000001.jsonl",
        "-00000001.jsonl",
    ];
    for name in foreign {
        std::fs::write(folder.path().join(name), "{\"mine\":1}\n").unwrap();
    }
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 10), ["{}"]);
    assert!(take(&mut reader, 10).is_empty());
    for name in foreign {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_second_copy_of_one_process_does_not_take_the_first_ones_folder() {
    let folder = folder();
    let mut first = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    let taken = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    first.write_all(b"{}\n").unwrap();
    assert_eq!(take(&mut reader(&folder), 10), ["{}"]);
}

#[test]
fn a_segment_that_cannot_be_read_is_named_and_holds_up_no_other() {
    let folder = folder();
    // What not even root can read.
    std::fs::create_dir(folder.path().join("0-a-00000001.jsonl")).unwrap();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    writer.write_all(b"{}\n").unwrap();
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 10), ["{}"]);
    let named: Vec<_> = reader.unreadable().keys().collect();
    assert_eq!(named, ["0-a-00000001.jsonl"]);
}

#[test]
fn where_places_cannot_be_noted_nothing_is_delivered_twice_and_room_is_given_back() {
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), ROOMY, "1-a").unwrap();
    writer.write_all(b"{\"seq\":1}\n{\"seq\":2}\n").unwrap();
    drop(writer);
    // As on a full disk, the list cannot be written.
    std::fs::create_dir(folder.path().join("delivered.new")).unwrap();
    let mut reader = reader(&folder);
    for line in ["{\"seq\":1}", "{\"seq\":2}"] {
        let portion = reader.next(1).unwrap().unwrap();
        assert_eq!(portion.lines, [line]);
        reader.delivered(portion).unwrap_err();
    }
    assert!(reader.next(1).unwrap().is_none());
    assert!(segments(folder.path()).unwrap().is_empty());
}

#[test]
fn what_was_left_out_before_the_end_is_told_after_it_however_full_the_spool_is() {
    use crate::audit::lines::Out;
    let folder = folder();
    let mut writer = SpoolWriter::open(folder.path(), 1, "1-a").unwrap();
    writer.write_all(b"{\"seq\":1}\n").unwrap();
    writer.write_all(b"{\"seq\":2}\n").unwrap_err();
    writer.lost(3).unwrap();
    drop(writer);
    let mut reader = reader(&folder);
    assert_eq!(take(&mut reader, 10), ["{\"seq\":1}"]);
    assert_eq!(take(&mut reader, 10), [r#"{"event":"sink_gap","lost":3}"#]);
}
