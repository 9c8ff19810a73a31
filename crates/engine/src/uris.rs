//! Whose a resource is on the aggregate endpoint, and how it is spelled there.
//!
//! A URI is the first server's, in the operator's order, that lists it or has a template for it, and that
//! server keeps it as it is. Where another server has the same, its own is spelled
//! `portcullis://{server}/{its own URI}`, in every place where a client meets it, and is taken apart by
//! comparing with the prefixes of the servers in view. Addresses of the web are never changed, because
//! clients may fetch them themselves, and neither is what a resource holds.

mod owner;
mod results;

pub(crate) use self::results::{news_for, shown_by};

use std::fmt::Write as _;
use std::sync::Arc;

use crate::catalog::Kind;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

use self::owner::{overlap, owner, owner_beside};

const SCHEME: &str = "portcullis://";
/// Most resources that one subscription can follow on the aggregate; more are not honoured.
const MOST_FOLLOWED: usize = 1000;

/// The aggregate endpoint as the answers of one server are spelled for it.
#[derive(Clone, Debug)]
pub(crate) struct Abroad {
    view: View,
    /// What was asked for: the server's spelling, and the client's.
    asked: Vec<(String, String)>,
}

impl Abroad {
    /// `None` on a server's own endpoint, where nothing is spelled differently.
    pub(crate) fn of(view: &View, asked: Vec<(String, String)>) -> Option<Arc<Self>> {
        view.named().is_none().then(|| {
            Arc::new(Self {
                view: view.clone(),
                asked,
            })
        })
    }

    /// How the client knows a URI of this server; `None`: as the server writes it.
    pub(crate) fn spelled(&self, entry: &ServerEntry, uri: &str) -> Option<String> {
        let asked = self.asked.iter().find(|(own, _)| own == uri);
        match asked {
            Some((own, given)) => (own != given).then(|| given.clone()),
            None => spelled_elsewhere(&self.view, entry, uri),
        }
    }

    /// How the client knows all of these.
    pub(crate) fn all(&self, entry: &ServerEntry, uris: Vec<String>) -> serde_json::Value {
        let spelled = |uri: String| self.spelled(entry, &uri).unwrap_or(uri);
        uris.into_iter().map(spelled).collect()
    }
}

/// How a URI that a server mentions is spelled on the aggregate; `None`: as it is.
pub(crate) fn spelled_elsewhere(view: &View, entry: &ServerEntry, uri: &str) -> Option<String> {
    if is_of_the_web(uri) {
        return None;
    }
    let belongs_elsewhere =
        is_ours(uri) || owner(view, uri).is_some_and(|owner| owner.id != entry.id);
    belongs_elsewhere.then(|| under(entry, uri))
}

/// How a resource or a template that a server lists is listed on the aggregate; `None`: not at all,
/// because it is an address of the web that another server has listed.
pub(crate) fn listed_uri(
    view: &View,
    kind: Kind,
    entry: &ServerEntry,
    uri: &str,
) -> Option<String> {
    let theirs = || match kind {
        Kind::Templates => overlap(view, entry, uri),
        _ => owner_beside(view, entry, uri),
    };
    if is_of_the_web(uri) {
        return owner_beside(view, entry, uri)
            .is_none()
            .then(|| uri.to_owned());
    }
    if is_ours(uri) || theirs().is_some() {
        return Some(under(entry, uri));
    }
    Some(uri.to_owned())
}

/// A server's URI under a prefix that is the server's alone.
fn under(entry: &ServerEntry, uri: &str) -> String {
    format!("{}{uri}", prefix(entry))
}

fn prefix(entry: &ServerEntry) -> String {
    let mut text = SCHEME.to_owned();
    for byte in entry.id.as_str().bytes() {
        // RFC 3986 §2.3: unreserved.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text.push('/');
    text
}

/// Whether a URI is spelled as only we spell them. One that a server lists is never taken for that.
fn is_ours(uri: &str) -> bool {
    begins_with(uri, SCHEME)
}

fn is_of_the_web(uri: &str) -> bool {
    begins_with(uri, "https://") || begins_with(uri, "http://")
}

/// Schemes know no case (RFC 3986 §3.1).
fn begins_with(uri: &str, scheme: &str) -> bool {
    uri.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The server and its own spelling of a URI that is spelled as only we do.
fn taken_apart<'v, 'u>(view: &'v View, uri: &'u str) -> Option<(&'v Arc<ServerEntry>, &'u str)> {
    view.servers()
        .find_map(|entry| Some((entry, uri.strip_prefix(&*prefix(entry))?)))
}

impl Gateway {
    /// The server of a resource, and its own spelling.
    pub(crate) async fn resolve_uri(
        self: &Arc<Self>,
        view: &View,
        uri: &str,
    ) -> Result<(Arc<ServerEntry>, String), EngineError> {
        if let Some(entry) = view.named() {
            return Ok((Arc::clone(entry), uri.to_owned()));
        }
        let unknown = || EngineError::Unknown {
            what: "resource",
            name: uri.to_owned(),
        };
        if is_ours(uri) {
            let (entry, own) = taken_apart(view, uri).ok_or_else(unknown)?;
            return Ok((Arc::clone(entry), own.to_owned()));
        }
        self.know_resources(view).await;
        if let Some(entry) = owner(view, uri) {
            return Ok((Arc::clone(entry), uri.to_owned()));
        }
        let silent = self.look_again(view).await;
        match owner(view, uri) {
            Some(entry) => Ok((Arc::clone(entry), uri.to_owned())),
            // One that could not say may have it.
            None => Err(silent.unwrap_or_else(unknown)),
        }
    }

    /// The resources that a subscription is to follow, by server: its spelling and the client's. What is
    /// nobody's is left out.
    pub(crate) async fn shared_out(
        self: &Arc<Self>,
        view: &View,
        uris: &[String],
    ) -> Vec<(Arc<ServerEntry>, (String, String))> {
        let uris = uris.get(..MOST_FOLLOWED).unwrap_or(uris);
        if uris.is_empty() {
            return Vec::new();
        }
        self.know_resources(view).await;
        let is_known = |uri: &String| is_ours(uri) || owner(view, uri).is_some();
        if !uris.iter().all(is_known) {
            self.look_again(view).await;
        }
        let found = uris.iter().filter_map(|uri| {
            let (entry, own) = if is_ours(uri) {
                taken_apart(view, uri)?
            } else {
                (owner(view, uri)?, uri.as_str())
            };
            Some((Arc::clone(entry), (own.to_owned(), uri.clone())))
        });
        found.collect()
    }

    /// Reads what resources the servers in view have, as far as it can be had: whose a URI is is known
    /// before it is listed or followed.
    pub(crate) async fn know_resources(self: &Arc<Self>, view: &View) {
        let reading = view.servers().map(|entry| async move {
            futures_util::future::join(
                self.known(view, entry, Kind::Resources),
                self.known(view, entry, Kind::Templates),
            )
            .await
        });
        futures_util::future::join_all(reading).await;
    }
}
