//! Who can reach us, and what keeps them out: beyond loopback nothing may be open and no key may
//! be guessable.

use std::net::IpAddr;

use crate::findings::{Findings, Place};
use crate::model::{Listen, Server};
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

/// Complains that there is no key; `exposed` is a listener that others can connect to.
pub(crate) fn complain_of_no_key(findings: &Findings<'_>, exposed: Option<&Listen>) {
    match exposed {
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
