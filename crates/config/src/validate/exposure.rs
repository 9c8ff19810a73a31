//! Who can reach us, and what keeps them out: beyond loopback nothing may be open and no key may
//! be guessable.

use std::net::IpAddr;

use crate::findings::{Findings, Place};
use crate::model::{Identity, Listen};
use crate::validate::strength::weakness;

/// Whether only this machine can connect.
pub(crate) fn is_loopback(listen: &Listen) -> bool {
    let host = listen.host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Complains when there is no way to authenticate.
pub(crate) fn require_a_key(findings: &Findings<'_>, listen: &Listen, identity: &Identity) {
    if identity.master_key.is_some() || !identity.keys.is_empty() {
        return;
    }
    if is_loopback(listen) {
        findings.warning(
            Place::default(),
            "there is neither a master key nor a key: every request is refused until the store has one",
        );
    } else {
        findings.error(
            Place::default(),
            format!("listening on {} without any key", listen.host),
            "set `general_settings.master_key: os.environ/PORTCULLIS_MASTER_KEY`, or listen on 127.0.0.1",
        );
    }
}

/// Complains when a key could be guessed.
pub(crate) fn require_strength(
    findings: &Findings<'_>,
    exposed: bool,
    place: Place,
    whose: &str,
    key: &str,
) {
    let Some(why) = weakness(key) else {
        return;
    };
    if exposed {
        findings.error(
            place,
            format!("{whose} is weak: {why}"),
            "make one with `openssl rand -hex 32`; a weak key is accepted on loopback only",
        );
    } else {
        findings.relaxed(
            place,
            format!("{whose} is weak: {why}; it is accepted on loopback only"),
        );
    }
}
