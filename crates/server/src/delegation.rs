//! Who is let through without being known to us: only to servers that judge their callers
//! themselves, and only when every server that the request addresses is one of them.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use portcullis_core::{ServerId, Side};
use portcullis_engine::Snapshot;

use crate::headers::{ACCESS_GROUPS, SERVERS};
use crate::mcp::sole;

/// Most names in a selector.
const MAX_NAMES: usize = 32;

/// What a request may lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behind<'r> {
    /// Ourselves: only who is known comes in.
    Us,
    /// Servers: the one that the path names, or those of `x-mcp-servers`.
    Servers(Option<&'r str>),
}

/// The servers that a stranger's request addresses, if every one of them lets strangers come from
/// this side. A request that names none, names a group, or names something that is not there,
/// addresses what we cannot tell, and is admitted like any other.
pub(crate) fn addressed(
    behind: Behind<'_>,
    headers: &HeaderMap,
    snapshot: &Snapshot,
    side: Side,
) -> Option<BTreeSet<ServerId>> {
    let Behind::Servers(path) = behind else {
        return None;
    };
    let delegates = |name: &str| {
        let (_, server) = snapshot.named(name)?;
        let only = BTreeSet::from([server.id.clone()]);
        server.policy.delegates(side, &only).map(|_| only)
    };
    let list = match path {
        Some(name) if snapshot.named(name).is_some() => return delegates(name),
        Some(list) => list,
        None if headers.contains_key(&ACCESS_GROUPS) => return None,
        None => sole(headers, &SERVERS).ok().flatten()?,
    };
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if names.len() > MAX_NAMES {
        return None;
    }
    let mut all = BTreeSet::new();
    for name in names {
        all.extend(delegates(name)?);
    }
    Some(all)
}
