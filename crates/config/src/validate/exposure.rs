//! Who can reach us, and what keeps them out: beyond loopback nothing may be open and no key may
//! be guessable.

use std::net::IpAddr;

use crate::findings::{Findings, Place};
use crate::model::{Identity, Listen, Server};
use crate::validate::strength::weakness;

/// Whether only this machine can connect.
pub(crate) fn is_loopback(listen: &Listen) -> bool {
    bare(listen).eq_ignore_ascii_case("localhost")
        || address(listen).is_some_and(|address| address.is_loopback())
}

/// Whether it listens on `0.0.0.0` or `::`, which is nobody's name.
pub(crate) fn is_every_address(listen: &Listen) -> bool {
    address(listen).is_some_and(|address| address.is_unspecified())
}

fn bare(listen: &Listen) -> &str {
    listen.host.trim_start_matches('[').trim_end_matches(']')
}

fn address(listen: &Listen) -> Option<IpAddr> {
    let address: IpAddr = bare(listen).parse().ok()?;
    Some(address.to_canonical())
}

/// The first listener that others than this machine can connect to. A key is as good at the
/// administrators' listener as at the other.
pub(crate) fn exposed(server: &Server) -> Option<&Listen> {
    std::iter::once(&server.listen)
        .chain(&server.admin_listen)
        .find(|listen| !is_loopback(listen))
}

/// Complains when there is no way to authenticate.
pub(crate) fn require_a_key(findings: &Findings<'_>, server: &Server, identity: &Identity) {
    if identity.master_key.is_some() || !identity.keys.is_empty() {
        return;
    }
    match exposed(server) {
        None => findings.info(
            Place::default(),
            "no key is configured: only keys of the store are accepted",
        ),
        Some(listen) => findings.error(
            Place::default(),
            format!("listening on {} without any key", listen.host),
            "set `general_settings.master_key: os.environ/PORTCULLIS_MASTER_KEY`, or listen on 127.0.0.1",
        ),
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
