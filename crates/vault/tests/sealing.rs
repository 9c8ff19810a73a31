//! What an attacker tries with sealed values.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::{Purpose, SealError, Sealer, SystemEntropy, Timestamp};
use portcullis_vault::{KeyRing, MacPurpose, SealedBox};

const EXPIRES: Timestamp = Timestamp::from_millis(1_000_001);
const BEFORE: Timestamp = Timestamp::from_millis(1_000_000);
const PURPOSES: [Purpose; 3] = [
    Purpose::McpSession,
    Purpose::McpCursor,
    Purpose::McpRequestState,
];

fn ring() -> KeyRing {
    KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap()
}

#[test]
fn a_value_opens_for_its_own_purpose_and_principal_only() {
    let ring = ring();
    for made in PURPOSES {
        let sealed = ring.seal(made, b"alice", EXPIRES, b"secret").unwrap();
        for asked in PURPOSES {
            let opened = ring.open(asked, b"alice", BEFORE, &sealed);
            if made == asked {
                assert_eq!(opened.unwrap(), b"secret");
            } else {
                assert_eq!(opened, Err(SealError::Invalid));
            }
        }
        for thief in [&b"bob"[..], b"", b"alic", b"alice2", b"\0alice"] {
            let stolen = ring.open(made, thief, BEFORE, &sealed);
            assert_eq!(stolen, Err(SealError::Invalid));
        }
    }
}

#[test]
fn a_value_ends_at_its_expiry() {
    let ring = ring();
    let sealed = ring
        .seal(Purpose::McpRequestState, b"", EXPIRES, b"")
        .unwrap();
    assert_eq!(
        ring.open(Purpose::McpRequestState, b"", BEFORE, &sealed)
            .unwrap(),
        b""
    );
    let late = ring.open(Purpose::McpRequestState, b"", EXPIRES, &sealed);
    assert_eq!(late, Err(SealError::Expired));
    // An expired value of another principal is told as invalid, not as expired.
    let foreign = ring.open(Purpose::McpRequestState, b"x", EXPIRES, &sealed);
    assert_eq!(foreign, Err(SealError::Invalid));
}

#[test]
fn expiries_outside_the_field_saturate() {
    let ring = ring();
    let forever = Timestamp::from_millis(i64::MAX);
    let sealed = ring
        .seal(Purpose::McpRequestState, b"", forever, b"x")
        .unwrap();
    assert_eq!(
        ring.open(Purpose::McpRequestState, b"", EXPIRES, &sealed)
            .unwrap(),
        b"x"
    );
    let past = Timestamp::from_millis(-1);
    let sealed = ring
        .seal(Purpose::McpRequestState, b"", past, b"x")
        .unwrap();
    let opened = ring.open(
        Purpose::McpRequestState,
        b"",
        Timestamp::from_millis(0),
        &sealed,
    );
    assert_eq!(opened, Err(SealError::Expired));
}

#[test]
fn every_changed_character_makes_a_value_invalid() {
    let ring = ring();
    let sealed = ring
        .seal(Purpose::McpSession, b"p", EXPIRES, b"state")
        .unwrap();
    for position in 0..sealed.len() {
        let mut forged = sealed.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let opened = ring.open(Purpose::McpSession, b"p", BEFORE, &forged);
        assert_eq!(opened, Err(SealError::Invalid), "position {position}");
        let cut = ring.open(Purpose::McpSession, b"p", BEFORE, &sealed[..position]);
        assert_eq!(cut, Err(SealError::Invalid), "cut at {position}");
    }
    for garbage in [
        "",
        "=",
        "ä",
        "!!!!",
        &format!("{sealed}="),
        &format!("{sealed} "),
    ] {
        let opened = ring.open(Purpose::McpSession, b"p", BEFORE, garbage);
        assert_eq!(opened, Err(SealError::Invalid), "{garbage:?}");
    }
}

#[test]
fn a_value_of_another_installation_does_not_open() {
    let sealed = ring()
        .seal(Purpose::McpSession, b"p", EXPIRES, b"x")
        .unwrap();
    let opened = ring().open(Purpose::McpSession, b"p", BEFORE, &sealed);
    assert_eq!(opened, Err(SealError::Invalid));
}

#[test]
fn a_session_id_is_short_visible_ascii_and_never_repeats() {
    let ring = ring();
    let sealed: BTreeSet<_> = (0..100)
        .map(|_| {
            ring.seal(Purpose::McpSession, b"p", EXPIRES, b"0123456789")
                .unwrap()
        })
        .collect();
    assert_eq!(sealed.len(), 100);
    for value in sealed {
        assert_eq!(value.len(), 64, "38 bytes more than the plaintext");
        assert!(
            value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }
}

#[test]
fn a_sealed_row_does_not_open_in_another_place() {
    let ring = ring();
    let sealed = ring.seal_row("tokens", "alice", "refresh", b"r1").unwrap();
    assert_eq!(
        *ring
            .open_row("tokens", "alice", "refresh", &sealed)
            .unwrap(),
        b"r1"
    );
    let places = [
        ("tokens", "bob", "refresh"),
        ("tokens", "alice", "access"),
        ("clients", "alice", "refresh"),
        ("token", "salice", "refresh"),
        ("tokens", "alicer", "efresh"),
    ];
    for (table, row, column) in places {
        let opened = ring.open_row(table, row, column, &sealed);
        assert_eq!(opened, Err(SealError::Invalid), "{table}/{row}/{column}");
    }
    for length in 0..sealed.as_bytes().len() {
        let cut = SealedBox::from_bytes(sealed.as_bytes()[..length].to_vec());
        let opened = ring.open_row("tokens", "alice", "refresh", &cut);
        assert_eq!(opened, Err(SealError::Invalid), "cut at {length}");
    }
}

#[test]
fn a_travelling_value_is_not_a_row() {
    use base64::Engine;
    let ring = ring();
    let sealed = ring.seal(Purpose::McpSession, b"p", EXPIRES, b"x").unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(sealed)
        .unwrap();
    let opened = ring.open_row("", "", "", &SealedBox::from_bytes(bytes));
    assert_eq!(opened, Err(SealError::Invalid));
}

#[test]
fn macs_differ_by_purpose_parts_and_ring() {
    let (one, two) = (ring(), ring());
    let macs = BTreeSet::from([
        one.mac(MacPurpose::ApiKey, &[b"ab", b"c"]),
        one.mac(MacPurpose::ApiKey, &[b"a", b"bc"]),
        one.mac(MacPurpose::ApiKey, &[b"abc"]),
        one.mac(MacPurpose::ApiKey, &[b"abc", b""]),
        one.mac(MacPurpose::ApiKey, &[]),
        one.mac(MacPurpose::AuditChain, &[b"abc"]),
        one.mac(MacPurpose::Arguments, &[b"abc"]),
        two.mac(MacPurpose::ApiKey, &[b"abc"]),
    ]);
    assert_eq!(macs.len(), 8);
    let again = one.mac(MacPurpose::ApiKey, &[b"abc"]);
    assert!(macs.contains(&again), "the same parts give the same MAC");
}
