//! Addresses of callers and proxies: what of LiteLLM's general settings decides by them.

use std::num::NonZeroU8;

use portcullis_core::{AddressRange, InvalidRange};

use crate::fields::{At, Fields};
use crate::model::{Forwarded, McpServer};
use crate::sections::mcp_server::NamedServer;

const USE: &str = "use_x_forwarded_for";
const PROXIES: &str = "mcp_trusted_proxy_ranges";
const INSIDE: &str = "mcp_internal_ip_ranges";
const HOPS: &str = "mcp_xff_num_trusted_hops";

/// Whose forwarded headers are believed. The switch alone believes nobody: an attacker that connects
/// directly could not be told from a proxy.
pub(crate) fn forwarded(general: &Fields<'_, '_>) -> Option<Forwarded> {
    let wanted = general.flag(USE).unwrap_or(false);
    let proxies = ranges(general, PROXIES).unwrap_or_default();
    let hops = general.whole(HOPS).and_then(|hops| u8::try_from(hops).ok());
    let hops = hops.and_then(NonZeroU8::new);
    if !wanted {
        for name in [PROXIES, HOPS] {
            if general.has(name) {
                general.findings.warning(
                    general.place(name),
                    "without effect: forwarded headers are not read unless `use_x_forwarded_for: true`",
                );
            }
        }
        return None;
    }
    if proxies.is_empty() {
        general.findings.warning(
            general.place(USE),
            "without effect: no forwarded header is believed without `mcp_trusted_proxy_ranges`, the ranges of your proxies",
        );
        return None;
    }
    Some(Forwarded { proxies, hops })
}

/// What is inside when the operator does not say: what LiteLLM takes for it, the private and the
/// loopback addresses.
const INSIDE_ANYWAY: [&str; 6] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "::1/128",
    "fc00::/7",
];

/// The operator's own addresses.
pub(crate) fn inside(general: &Fields<'_, '_>) -> Vec<AddressRange> {
    ranges(general, INSIDE).unwrap_or_else(|| {
        let known = INSIDE_ANYWAY.iter();
        known.filter_map(|range| range.parse().ok()).collect()
    })
}

/// A server for the inside is as hidden as the inside is told apart: behind a proxy that adds no
/// header everybody has the proxy's address, which is private as a rule.
pub(crate) fn warn_of_unseen_proxies(
    general: &Fields<'_, '_>,
    servers: &[NamedServer],
    forwarded: Option<&Forwarded>,
) {
    let hidden = |server: &McpServer| server.inside_only;
    let any = servers
        .iter()
        .filter_map(|named| named.server.as_ref())
        .any(hidden);
    if any && forwarded.is_none() && !general.has(INSIDE) {
        general.findings.warning(
            general.place(INSIDE),
            "servers with `available_on_public_internet: false` are shown to private and loopback addresses; a proxy in front of us has one, so say where your callers are, or `use_x_forwarded_for` and `mcp_trusted_proxy_ranges`",
        );
    }
}

/// A list of ranges, each of which is one: a range that is skipped would move the border unseen.
fn ranges(general: &Fields<'_, '_>, name: &str) -> Option<Vec<AddressRange>> {
    let texts = general.texts(name)?;
    let range = |At { value, place }: At<String>| match value.parse::<AddressRange>() {
        Ok(range) => Some(range),
        Err(problem) => {
            let help = match problem {
                InvalidRange::NotFirst => "write the first address of the block: `10.0.0.0/8`",
                InvalidRange::Everything => "name the ranges that you mean",
                InvalidRange::Malformed | InvalidRange::TooLong => {
                    "write addresses or blocks of them: `192.0.2.7`, `10.0.0.0/8`, `fd00::/8`"
                }
            };
            general.findings.error(place, problem.to_string(), help);
            None
        }
    };
    Some(texts.into_iter().filter_map(range).collect())
}
