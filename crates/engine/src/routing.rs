//! From the names of the aggregate endpoint to a server and its own name, always through what the
//! servers really list, never by cutting a string and hoping.

use std::sync::Arc;

use portcullis_upstream::UpstreamErrorKind;

use crate::aggregate::SHARE;
use crate::catalog::{Kind, Listing, failed};
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Between alias and name.
const SEPARATOR: char = '-';

/// What a tool or prompt is called on the aggregate endpoint. The names of a server whose alias is
/// empty stay as they are.
pub(crate) fn exposed(entry: &ServerEntry, name: &str) -> String {
    if entry.alias.is_empty() {
        return name.to_owned();
    }
    format!("{}{SEPARATOR}{name}", entry.alias)
}

/// A server's own name of what would be called so on the aggregate endpoint.
pub(crate) fn own_of<'a>(entry: &ServerEntry, exposed: &'a str) -> Option<&'a str> {
    if entry.alias.is_empty() {
        return Some(exposed);
    }
    exposed.strip_prefix(&*entry.alias)?.strip_prefix(SEPARATOR)
}

/// Every way to read an exposed name as alias and name, for aliases in view.
fn readings<'v>(view: &'v View, exposed: &'v str) -> Vec<(usize, &'v Arc<ServerEntry>, &'v str)> {
    let mut found: Vec<_> = exposed
        .match_indices(SEPARATOR)
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

/// Whether `entry` owns an exposed name: of several servers that could, the first in the
/// operator's order does, and the newcomer's is not listed.
pub(crate) fn owns(view: &View, kind: Kind, entry: &ServerEntry, exposed: &str) -> bool {
    readings(view, exposed)
        .into_iter()
        .find(|(_, other, name)| {
            other.id == entry.id
                || other
                    .catalog_of(view)
                    .seen(kind)
                    .is_some_and(|listing| listing.get(name).is_some())
        })
        .is_some_and(|(_, owner, _)| owner.id == entry.id)
}

impl Gateway {
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
            return match self.listing(view, entry, kind, Some(name)).await?.get(name) {
                Some(_) => Ok((Arc::clone(entry), name.to_owned())),
                None => Err(unknown()),
            };
        }
        for (_, entry, own) in readings(view, name) {
            // Of several the first owns the name: if it cannot say, the next would be a guess.
            if self.lists(view, entry, kind, own).await? {
                return Ok((Arc::clone(entry), own.to_owned()));
            }
        }
        Err(unknown())
    }

    /// Whether a server lists this name; when it cannot be asked now, as it was last seen.
    async fn lists(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        kind: Kind,
        name: &str,
    ) -> Result<bool, EngineError> {
        let listing = match self.listing(view, entry, kind, Some(name)).await {
            Ok(listing) => listing,
            Err(error) => entry.catalog_of(view).seen(kind).ok_or(error)?,
        };
        Ok(listing.get(name).is_some())
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
            let lists = tokio::time::timeout(limit, self.lists(view, entry, kind, name)).await;
            let lists = lists.unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
            (entry, lists)
        });
        futures_util::future::join_all(asked).await
    }

    /// The server that a resource belongs to: listed by it, or of one of its templates.
    pub(crate) async fn resolve_uri(
        self: &Arc<Self>,
        view: &View,
        uri: &str,
    ) -> Result<Arc<ServerEntry>, EngineError> {
        if let Some(entry) = view.named() {
            return Ok(Arc::clone(entry));
        }
        // Whoever is known to list it keeps it, and nobody waits for a server that is down.
        let known = view.servers().find(|entry| {
            entry
                .catalog_of(view)
                .seen(Kind::Resources)
                .is_some_and(|listing| listing.get(uri).is_some())
        });
        if let Some(entry) = known {
            return Ok(Arc::clone(entry));
        }
        let listed = |listing: &Listing| listing.get(uri).is_some();
        let templated = |listing: &Listing| matches_template(listing, uri);
        let of_list = self
            .first_with(view, Kind::Resources, Some(uri), &listed)
            .await;
        if let Ok(Some(entry)) = of_list {
            return Ok(entry);
        }
        let of_template = self
            .first_with(view, Kind::Templates, None, &templated)
            .await?;
        match (of_template, of_list) {
            (Some(entry), _) => Ok(entry),
            (None, Err(unreachable)) => Err(unreachable),
            (None, Ok(_)) => Err(EngineError::Unknown {
                what: "resource",
                name: uri.to_owned(),
            }),
        }
    }

    /// The first server, in the operator's order, whose list satisfies; all are asked at once. An
    /// error when none does and one of them could not say.
    async fn first_with(
        self: &Arc<Self>,
        view: &View,
        kind: Kind,
        wanted: Option<&str>,
        satisfies: &(dyn Fn(&Listing) -> bool + Sync),
    ) -> Result<Option<Arc<ServerEntry>>, EngineError> {
        let asked = view.servers().map(|entry| async move {
            let limit = SHARE.min(entry.upstream.server().timeout);
            let listing = tokio::time::timeout(limit, self.listing(view, entry, kind, wanted))
                .await
                .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)))?;
            Ok(satisfies(&listing).then(|| Arc::clone(entry)))
        });
        let mut unreachable = None;
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Ok(Some(entry)) => return Ok(Some(entry)),
                Ok(None) => {}
                Err(error) => unreachable = Some(error),
            }
        }
        unreachable.map_or(Ok(None), Err)
    }
}

/// Whether a URI, or a template itself (completion), fits one of the templates: its literal parts
/// stand in order (RFC 6570; expressions may expand to anything).
fn matches_template(templates: &Listing, uri: &str) -> bool {
    templates
        .items
        .iter()
        .any(|item| &*item.name == uri || fits(&item.name, uri))
}

fn fits(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut literal_first = true;
    for part in template.split('{') {
        let literal = if literal_first {
            part
        } else {
            part.split_once('}').map_or("", |(_, literal)| literal)
        };
        let found = if literal_first {
            rest.strip_prefix(literal)
        } else {
            rest.split_once(literal).map(|(_, after)| after)
        };
        let Some(after) = found else { return false };
        rest = after;
        literal_first = false;
    }
    template.ends_with('}') || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_template_fits_when_its_literal_parts_stand_in_order() {
        assert!(fits(
            "test://template/{id}/data",
            "test://template/123/data"
        ));
        assert!(!fits(
            "test://template/{id}/data",
            "test://template/123/other"
        ));
        assert!(!fits(
            "test://template/{id}/data",
            "other://template/123/data"
        ));
        assert!(fits("file:///{path}", "file:///a/b"));
        assert!(!fits("test://static", "test://static/more"));
    }
}
