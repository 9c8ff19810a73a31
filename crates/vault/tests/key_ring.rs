//! A key ring's life: created, shared, rotated, lost, damaged, exposed.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Entropy, ManualClock, Purpose, SealError, Sealer, SystemEntropy, Timestamp};
use portcullis_vault::{KeyRing, KeyRingError, MacPurpose};

const LATER: Timestamp = Timestamp::from_secs(2_000_000_000);
const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

struct Home {
    folder: tempfile::TempDir,
    clock: ManualClock,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::at_millis(NOW.as_millis()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn ring(&self) -> KeyRing {
        KeyRing::load_or_create(&self.path(), entropy(), &self.clock).unwrap()
    }

    fn load(&self) -> Result<KeyRing, KeyRingError> {
        KeyRing::load(&self.path(), entropy())
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

#[test]
fn an_empty_folder_gets_a_ring_that_only_its_owner_can_read() {
    let home = Home::new();
    home.ring();
    let mode = fs::metadata(home.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let files: Vec<_> = fs::read_dir(home.folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "no draft is left behind: {files:?}");
}

#[test]
fn a_restart_opens_what_was_sealed_before() {
    let home = Home::new();
    let sealed = home
        .ring()
        .seal(Purpose::McpCursor, b"p", LATER, b"x")
        .unwrap();
    let opened = home.ring().open(Purpose::McpCursor, b"p", NOW, &sealed);
    assert_eq!(opened.unwrap(), b"x");
}

#[test]
fn processes_that_start_at_once_share_one_ring() {
    let home = Home::new();
    let macs: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| home.ring())).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap().mac(MacPurpose::ApiKey, &[b"x"]))
            .collect()
    });
    assert!(macs.iter().all(|mac| *mac == macs[0]));
}

#[test]
fn a_ring_that_others_may_read_is_refused_with_the_remedy() {
    let home = Home::new();
    home.ring();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o666, 0o440] {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = home.load().unwrap_err();
        assert!(
            matches!(error, KeyRingError::Permissions { .. }),
            "{error:?}"
        );
        let remedy = format!("chmod 600 {}", home.path().display());
        assert!(error.to_string().contains(&remedy), "{error}");
        assert!(error.to_string().contains("`fsGroup`"), "{error}");
        let again = KeyRing::load_or_create(&home.path(), entropy(), &home.clock);
        assert!(again.is_err(), "it is not silently replaced either");
    }
}

#[test]
fn rotation_changes_the_sealing_key_and_keeps_old_values_and_macs() {
    let home = Home::new();
    let ring = home.ring();
    let before = ring.seal(Purpose::McpSession, b"p", LATER, b"old").unwrap();
    let row = ring.seal_row("t", "1", "c", b"row").unwrap();
    let (mac, key) = (ring.mac(MacPurpose::ApiKey, &[b"sk"]), ring.active_key());
    let fresh = ring.rotate(&home.clock).unwrap();
    assert_ne!(fresh, key);
    for ring in [&ring, &home.load().unwrap()] {
        assert_eq!(ring.active_key(), fresh);
        assert_eq!(ring.mac(MacPurpose::ApiKey, &[b"sk"]), mac);
        let opened = ring.open(Purpose::McpSession, b"p", NOW, &before).unwrap();
        assert_eq!(opened, b"old");
        assert_eq!(*ring.open_row("t", "1", "c", &row).unwrap(), b"row");
        assert_eq!(
            ring.seal_row("t", "1", "c", b"").unwrap().key_id(),
            Some(fresh)
        );
    }
    let mode = fs::metadata(home.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_ring_behind_a_link_is_replaced_where_it_is_and_the_link_stays() {
    let home = Home::new();
    home.ring();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("ring.json");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    let ring = KeyRing::load(&link, entropy()).unwrap();
    let fresh = ring.rotate(&home.clock).unwrap();
    assert_eq!(home.load().unwrap().active_key(), fresh);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    for folder in [home.folder.path(), elsewhere.path()] {
        let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert_eq!(files.len(), 1, "no draft is left behind: {files:?}");
    }

    // One at a time writes a ring, whichever way it came to it: no rotation is lost.
    let rotate = |ring: KeyRing| {
        std::thread::spawn(move || {
            let clock = ManualClock::at_millis(NOW.as_millis());
            for _ in 0..20 {
                ring.rotate(&clock).unwrap();
            }
        })
    };
    for writer in [rotate(ring), rotate(home.load().unwrap())] {
        writer.join().unwrap();
    }
    let text = fs::read_to_string(home.path()).unwrap();
    assert_eq!(text.matches("\"id\"").count(), 1 + 1 + 2 * 20);
}

/// A browser signs in at the replica that took a rotation up, and is sent to another one.
#[test]
fn a_running_process_takes_up_a_rotation_made_beside_it() {
    let home = Home::new();
    let (gateway, cli) = (home.ring(), home.ring());
    let opened = |by: &KeyRing, sealed: &str, millis: u64| {
        let now = NOW.after(Duration::from_millis(millis));
        by.open(Purpose::BrowserSession, b"p", now, sealed)
    };
    let seal = |by: &KeyRing| by.seal(Purpose::BrowserSession, b"p", LATER, b"x");
    cli.rotate(&home.clock).unwrap();
    assert_eq!(opened(&gateway, &seal(&cli).unwrap(), 0).unwrap(), b"x");
    assert!(!gateway.reload().unwrap());

    // What strangers make up is no reason to read the file all the time.
    let foreign = seal(&Home::new().ring()).unwrap();
    assert_eq!(opened(&gateway, &foreign, 200), Err(SealError::Invalid));
    cli.rotate(&home.clock).unwrap();
    let sealed = seal(&cli).unwrap();
    assert_eq!(opened(&gateway, &sealed, 250), Err(SealError::Invalid));
    assert_eq!(opened(&gateway, &sealed, 300).unwrap(), b"x");
    // Nor does a clock that was set back end it.
    cli.rotate(&home.clock).unwrap();
    assert_eq!(opened(&gateway, &seal(&cli).unwrap(), 0).unwrap(), b"x");
    assert!(!gateway.reload().unwrap());
}

/// A row that another replica sealed right after it rotated the ring.
#[test]
fn a_row_of_a_key_that_was_added_beside_it_opens_at_once() {
    let home = Home::new();
    let (gateway, cli) = (home.ring(), home.ring());
    cli.rotate(&home.clock).unwrap();
    let sealed = cli.seal_row("t", "r", "c", b"x").unwrap();
    assert!(gateway.is_of_unknown_key(&sealed));
    assert_eq!(*gateway.open_row("t", "r", "c", &sealed).unwrap(), b"x");
    assert_eq!(gateway.active_key(), cli.active_key());
    // One that is in no ring is told from one that does not open.
    let foreign = Home::new().ring().seal_row("t", "r", "c", b"x").unwrap();
    let opened = gateway.open_row("t", "r", "c", &foreign);
    assert_eq!(opened, Err(SealError::Invalid));
    assert!(gateway.is_of_unknown_key(&foreign));
    let opened = gateway.open_row("t", "other", "c", &sealed);
    assert_eq!(opened, Err(SealError::Invalid));
    assert!(!gateway.is_of_unknown_key(&sealed));
    // Nor is anything lost where the file cannot be read for a moment.
    fs::remove_file(home.path()).unwrap();
    gateway.open_row("t", "r", "c", &foreign).unwrap_err();
    assert_eq!(*gateway.open_row("t", "r", "c", &sealed).unwrap(), b"x");
}

#[test]
fn rotations_at_once_lose_no_key() {
    let home = Home::new();
    let ring = home.ring();
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let rotations: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let own = home.load().unwrap();
                    own.rotate(&home.clock).unwrap();
                    own.seal(Purpose::McpCursor, b"p", LATER, b"x").unwrap()
                })
            })
            .collect();
        rotations
            .into_iter()
            .map(|task| task.join().unwrap())
            .collect()
    });
    ring.reload().unwrap();
    for value in sealed {
        assert_eq!(
            ring.open(Purpose::McpCursor, b"p", NOW, &value).unwrap(),
            b"x"
        );
    }
}

#[test]
fn a_ring_with_another_root_is_not_taken_up_while_running() {
    let (home, other) = (Home::new(), Home::new());
    let ring = home.ring();
    other.ring();
    fs::copy(other.path(), home.path()).unwrap();
    assert!(matches!(ring.reload(), Err(KeyRingError::Replaced { .. })));
    assert!(matches!(
        ring.rotate(&home.clock),
        Err(KeyRingError::Replaced { .. })
    ));
}

#[test]
fn a_damaged_ring_is_refused_without_printing_a_secret() {
    let home = Home::new();
    home.ring();
    let good = fs::read_to_string(home.path()).unwrap();
    let root = good
        .split("\"root\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let cases = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("\"version\": 1", &format!("\"version\": \"{root}\"")),
        good.replace(root, &root[1..]),
        good.replace("\"retired_at\": null", "\"retired_at\": 1"),
        good.replace("\"retired_at\"", &format!("\"{root}\"")),
    ];
    for case in cases {
        assert_ne!(case, good);
        fs::write(home.path(), &case).unwrap();
        let error = home.load().unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains(&root[1..]), "{printed}");
        KeyRing::load_or_create(&home.path(), entropy(), &home.clock).unwrap_err();
        assert_eq!(
            fs::read_to_string(home.path()).unwrap(),
            case,
            "left as it was"
        );
    }
}

#[test]
fn loading_a_ring_that_is_not_there_is_an_error() {
    let home = Home::new();
    assert!(matches!(home.load(), Err(KeyRingError::Io { .. })));
    assert!(!home.path().exists());
}

#[test]
fn the_canary_tells_a_foreign_ring_and_survives_rotation() {
    let (home, other) = (Home::new(), Home::new());
    let ring = home.ring();
    let canary = ring.canary_seal().unwrap();
    ring.rotate(&home.clock).unwrap();
    assert_eq!(ring.canary_check(&canary), Ok(()));
    assert_eq!(home.load().unwrap().canary_check(&canary), Ok(()));
    let foreign = other.ring();
    assert_eq!(foreign.canary_check(&canary), Err(SealError::Invalid));
    assert_eq!(ring.canary_check(b""), Err(SealError::Invalid));
}

#[test]
fn a_ring_never_prints_its_keys() {
    let home = Home::new();
    let ring = home.ring();
    let file = fs::read_to_string(home.path()).unwrap();
    let printed = format!("{ring:?} {ring:#?}");
    let secrets: Vec<_> = file.split('"').filter(|text| text.len() == 43).collect();
    assert_eq!(secrets.len(), 2, "root and one key");
    assert!(secrets.iter().all(|secret| !printed.contains(secret)));
}

#[derive(Debug)]
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), portcullis_core::EntropyUnavailable> {
        Err(portcullis_core::EntropyUnavailable)
    }
}

#[test]
fn without_randomness_no_ring_is_made_and_nothing_is_sealed() {
    let home = Home::new();
    let failed = KeyRing::load_or_create(&home.path(), Arc::new(NoEntropy), &home.clock);
    assert!(matches!(failed, Err(KeyRingError::Entropy)));
    assert!(!home.path().exists());
    home.ring();
    let ring = KeyRing::load(&home.path(), Arc::new(NoEntropy)).unwrap();
    let sealed = ring.seal(Purpose::McpSession, b"p", LATER, b"x");
    assert_eq!(sealed, Err(SealError::Unavailable));
}
