//! Who has a URI, by what the servers in view were last seen to list.

use std::sync::Arc;

use portcullis_upstream::UpstreamErrorKind;

use crate::aggregate::SHARE;
use crate::catalog::{Kind, Listing, failed};
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Most templates of one server that make a URI its own: every URI is compared with each.
const MOST_TEMPLATES: usize = 1000;

/// Bytes of a URI that is held against templates: it is done for each of them, while others wait.
const LONGEST_FITTING: usize = 8 * 1024;

/// The first server in view that has this URI.
pub(super) fn owner<'v>(view: &'v View, uri: &str) -> Option<&'v Arc<ServerEntry>> {
    view.servers().find(|entry| has(view, entry, uri))
}

/// The first server that has a URI which this one lists, if that comes before it.
pub(super) fn owner_beside<'v>(
    view: &'v View,
    entry: &ServerEntry,
    uri: &str,
) -> Option<&'v Arc<ServerEntry>> {
    earlier(view, entry).find(|other| has(view, other, uri))
}

/// The first server before this one of whose templates one could expand to what this template expands
/// to: what they begin with does not tell them apart.
pub(super) fn overlap<'v>(
    view: &'v View,
    entry: &ServerEntry,
    template: &str,
) -> Option<&'v Arc<ServerEntry>> {
    let begins = beginning(template);
    earlier(view, entry).find(|other| {
        let templates = other.catalog_of(view).seen(Kind::Templates);
        templates.is_some_and(|listing| {
            let mut templates = listing.items.iter().take(MOST_TEMPLATES);
            templates.any(|item| {
                let theirs = beginning(&item.name);
                theirs.starts_with(begins) || begins.starts_with(theirs)
            })
        })
    })
}

fn earlier<'v>(view: &'v View, entry: &ServerEntry) -> impl Iterator<Item = &'v Arc<ServerEntry>> {
    view.servers().take_while(|other| other.id != entry.id)
}

fn has(view: &View, entry: &ServerEntry, uri: &str) -> bool {
    let catalog = entry.catalog_of(view);
    let listed = catalog.seen(Kind::Resources);
    listed.is_some_and(|listing| listing.get(uri).is_some())
        || catalog
            .seen(Kind::Templates)
            .is_some_and(|templates| matches_template(&templates, uri))
}

/// Whether a URI, or a template itself (completion), fits one of the templates: its literal parts
/// stand in order (RFC 6570; expressions may expand to anything).
fn matches_template(templates: &Listing, uri: &str) -> bool {
    let mut templates = templates.items.iter().take(MOST_TEMPLATES);
    templates.any(|item| &*item.name == uri || fits(&item.name, uri))
}

/// What every expansion of a template begins with.
fn beginning(template: &str) -> &str {
    template
        .split_once('{')
        .map_or(template, |(literal, _)| literal)
}

fn fits(template: &str, uri: &str) -> bool {
    if uri.len() > LONGEST_FITTING {
        return false;
    }
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

impl Gateway {
    /// Asks every server in view once more what resources it has, each at most once a second. Gives the
    /// error of one that could not say.
    pub(super) async fn look_again(self: &Arc<Self>, view: &View) -> Option<EngineError> {
        let asked = view.servers().flat_map(|entry| {
            [Kind::Resources, Kind::Templates].map(|kind| async move {
                let limit = SHARE.min(entry.upstream.server().timeout);
                let nothing_old = |_: &Listing| false;
                let listing = self.listing(view, entry, kind, Some(&nothing_old));
                tokio::time::timeout(limit, listing)
                    .await
                    .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)))
                    .err()
            })
        });
        let answers = futures_util::future::join_all(asked).await;
        answers.into_iter().flatten().next()
    }
}

#[cfg(test)]
mod tests {
    use super::{beginning, fits};

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

    #[test]
    fn a_template_begins_with_its_first_literal_part() {
        assert_eq!(beginning("file:///{path}/x"), "file:///");
        assert_eq!(beginning("{+uri}"), "");
        assert_eq!(beginning("test://static"), "test://static");
    }
}
