//! From the names of the aggregate endpoint to a server and its own name, always through what the
//! servers really list, never by cutting a string and hoping.

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_upstream::UpstreamErrorKind;

use crate::aggregate::SHARE;
use crate::catalog::{Kind, Listing, failed};
use crate::error::EngineError;
use crate::exposed::{SEPARATOR, are_rivals, could_be_under, fits, head_of_marked, marked, plain};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Why an exposed name could be a server's.
pub(crate) enum Claim<'v> {
    /// It is under the server's alias.
    Plain(&'v str),
    /// It could be a marked one.
    Marked,
}

/// Every server in view that an exposed name could be of, in the order in which they own it. A mark
/// comes before what is merely spelled like one: no server can list a name to get another's calls.
pub(crate) fn claims<'v>(
    view: &'v View,
    exposed: &'v str,
) -> Vec<(&'v Arc<ServerEntry>, Claim<'v>)> {
    if let Some(entry) = view.named() {
        return vec![(entry, Claim::Plain(exposed))];
    }
    let head = head_of_marked(exposed);
    let marked = view.servers().filter_map(|entry| {
        let could_be = could_be_under(&entry.alias, head?);
        could_be.then_some((entry, Claim::Marked))
    });
    let mut found: Vec<_> = marked.collect();
    let readings = readings(view, exposed).into_iter();
    found.extend(readings.map(|(_, entry, own)| (entry, Claim::Plain(own))));
    found
}

/// Every way to read an exposed name as alias and name, for aliases in view.
fn readings<'v>(view: &'v View, exposed: &'v str) -> Vec<(usize, &'v Arc<ServerEntry>, &'v str)> {
    let mut found: Vec<_> = exposed
        .match_indices(SEPARATOR)
        .take_while(|(at, _)| *at <= view.longest_alias())
        .filter_map(|(at, _)| {
            let (position, entry) = view.aliased(exposed.get(..at)?)?;
            Some((position, entry, exposed.get(at + SEPARATOR.len_utf8()..)?))
        })
        .collect();
    let bare = view.aliased("");
    found.extend(bare.map(|(position, entry)| (position, entry, exposed)));
    found.sort_by_key(|(position, _, _)| *position);
    found
}

impl Claim<'_> {
    /// The server's own name, if its list bears the claim out.
    fn own(&self, entry: &ServerEntry, exposed: &str, listing: &Listing) -> Option<Box<str>> {
        let item = match self {
            Self::Plain(own) => listing.get(own),
            Self::Marked => listing.marked(&entry.alias, exposed),
        };
        item.map(|item| item.name.clone())
    }

    /// The same, by names that the server lists elsewhere.
    pub(crate) fn own_among(
        &self,
        entry: &ServerEntry,
        exposed: &str,
        names: &HashSet<String>,
    ) -> Option<String> {
        let own = match self {
            Self::Plain(own) => names.get(*own),
            Self::Marked => names
                .iter()
                .find(|own| marked(&entry.alias, own) == exposed),
        };
        own.cloned()
    }
}

/// What a listed tool or prompt is called on the aggregate: as it is under its server's alias, unless
/// that name is an earlier server's or one that cannot be listed; then by a marked name. `None`: that is
/// another's too.
pub(crate) fn listed_name(
    view: &View,
    kind: Kind,
    entry: &ServerEntry,
    name: &str,
) -> Option<String> {
    let spelled = plain(&entry.alias, name);
    if fits(kind, &spelled) && owns(view, kind, entry, name, &spelled) {
        return Some(spelled);
    }
    let marked = marked(&entry.alias, name);
    owns(view, kind, entry, name, &marked).then_some(marked)
}

/// Whether an exposed name leads to this item: by what was last seen of every server, as a call finds its
/// way, and where none of them has it, by what the server lists just now.
fn owns(view: &View, kind: Kind, entry: &ServerEntry, name: &str, exposed: &str) -> bool {
    let claims = claims(view, exposed);
    let first = claims.iter().find_map(|(other, claim)| {
        let listing = other.catalog_of(view).seen(kind)?;
        Some((other, claim.own(other, exposed, &listing)?))
    });
    if let Some((other, own)) = first {
        return other.id == entry.id && *own == *name;
    }
    claims.iter().any(|(other, claim)| {
        let is_its = match claim {
            Claim::Plain(own) => *own == name,
            Claim::Marked => marked(&entry.alias, name) == exposed,
        };
        is_its && other.id == entry.id
    })
}

impl Gateway {
    /// Reads the lists of those servers whose names on the aggregate could be one another's, as far as
    /// they can be had: who owns a name is known before it is listed.
    pub(crate) async fn know_rivals(self: &Arc<Self>, view: &View, kind: Kind) {
        let servers: Vec<&Arc<ServerEntry>> = view.servers().collect();
        let rivals = servers.iter().filter(|one| {
            let mut others = servers.iter().filter(|other| other.id != one.id);
            others.any(|other| are_rivals(&one.alias, &other.alias))
        });
        let reading = rivals.map(|entry| self.known(view, entry, kind));
        futures_util::future::join_all(reading).await;
    }

    /// The server and own name of a tool or prompt.
    pub(crate) async fn resolve_name(
        self: &Arc<Self>,
        view: &View,
        kind: Kind,
        name: &str,
    ) -> Result<(Arc<ServerEntry>, String), EngineError> {
        let unknown = || EngineError::Unknown {
            what: if kind == Kind::Tools {
                "tool"
            } else {
                "prompt"
            },
            name: name.to_owned(),
        };
        if let Some(entry) = view.named() {
            let is_in = |listing: &Listing| listing.get(name).is_some();
            let listing = self.listing(view, entry, kind, Some(&is_in)).await?;
            return match listing.get(name) {
                Some(_) => Ok((Arc::clone(entry), name.to_owned())),
                None => Err(unknown()),
            };
        }
        for (entry, claim) in claims(view, name) {
            // Of several the first owns the name: if it cannot say, the next would be a guess.
            if let Some(own) = self.borne_out(view, entry, kind, name, &claim).await? {
                return Ok((Arc::clone(entry), own));
            }
        }
        Err(unknown())
    }

    /// A server's own name of what is called so on the aggregate endpoint, if it has it.
    pub(crate) async fn own_name(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        exposed: &str,
    ) -> Result<Option<String>, EngineError> {
        if head_of_marked(exposed).is_some_and(|head| could_be_under(&entry.alias, head)) {
            let claim = Claim::Marked;
            let own = self.borne_out(view, entry, kind, exposed, &claim).await?;
            if own.is_some() {
                return Ok(own);
            }
        }
        let under_alias = if entry.alias.is_empty() {
            Some(exposed)
        } else {
            let rest = exposed.strip_prefix(&*entry.alias);
            rest.and_then(|rest| rest.strip_prefix(SEPARATOR))
        };
        match under_alias {
            Some(own) => {
                let claim = Claim::Plain(own);
                self.borne_out(view, entry, kind, exposed, &claim).await
            }
            None => Ok(None),
        }
    }

    /// The server's own name of what is called so, if it lists that; when it cannot be asked now, as it
    /// was last seen.
    async fn borne_out(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        exposed: &str,
        claim: &Claim<'_>,
    ) -> Result<Option<String>, EngineError> {
        let is_in = |listing: &Listing| claim.own(entry, exposed, listing).is_some();
        let listing = match self.listing(view, entry, kind, Some(&is_in)).await {
            Ok(listing) => listing,
            Err(error) => entry.catalog_of(view).seen(kind).ok_or(error)?,
        };
        let own = claim.own(entry, exposed, &listing);
        Ok(own.map(String::from))
    }

    /// Asks every server in view at once whether it lists this name.
    pub(crate) async fn who_lists<'v>(
        self: &Arc<Self>,
        view: &'v View,
        kind: Kind,
        name: &str,
    ) -> Vec<(&'v Arc<ServerEntry>, Result<bool, EngineError>)> {
        let asked = view.servers().map(|entry| async move {
            let limit = SHARE.min(entry.upstream.server().timeout);
            let claim = Claim::Plain(name);
            let own = self.borne_out(view, entry, kind, name, &claim);
            let lists = tokio::time::timeout(limit, own).await;
            let lists = lists.unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
            (entry, lists.map(|own| own.is_some()))
        });
        futures_util::future::join_all(asked).await
    }
}
