//! Where an API is: what the operator wrote, else what the document says of itself.

use url::Url;

use crate::node::Node;

/// The address that an operation's path is put behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Without user, password and fragment; a query of it goes with every request.
    pub url: Url,
    /// Who says so.
    pub chosen_by: ChosenBy,
}

/// Who chose an address, and hence how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The operator: it is written in their file, or is where they had the document fetched.
    Operator,
    /// The document, which they keep as a file of their own.
    File,
    /// A document that came over the network and names another origin than its own.
    Document,
}

/// What is known of addresses before the document is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) written: Option<&'a Url>,
    pub(crate) document: Option<&'a Url>,
}

/// The base of everything within `levels`, the innermost last. An error says what to do.
pub(crate) fn base(known: Known<'_>, levels: &[&Node]) -> Result<Base, String> {
    if let Some(url) = known.written {
        return callable(url.clone(), ChosenBy::Operator);
    }
    let said = levels
        .iter()
        .rev()
        .find_map(|level| said(level, known.document.is_some()));
    let url = match (said, known.document) {
        (Some(said), Some(document)) => document
            .join(&said)
            .map_err(|error| format!("its server {said:?} is no address ({error}): write `url`"))?,
        (Some(said), None) => said.parse().map_err(|_| {
            format!("its server {said:?} is relative, and the document is a file: write `url`")
        })?,
        // OpenAPI: the default server is `/`.
        (None, Some(document)) => document.join("/").map_err(|error| error.to_string())?,
        (None, None) => return Err("it names no server: write `url`".to_owned()),
    };
    let chosen_by = match known.document {
        None => ChosenBy::File,
        Some(document) if document.origin() == url.origin() => ChosenBy::Operator,
        Some(_) => ChosenBy::Document,
    };
    callable(url, chosen_by)
}

fn callable(mut url: Url, chosen_by: ChosenBy) -> Result<Base, String> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        let address = url.as_str();
        return Err(format!(
            "{address:?} is no http or https address: write `url`"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its server's address holds a login: write `url` without one".to_owned());
    }
    url.set_fragment(None);
    Ok(Base { url, chosen_by })
}

/// What a level says: the first of `servers` with its variables' defaults (OpenAPI 3), or `host`,
/// `basePath` and `schemes` (Swagger 2).
fn said(level: &Node, fetched: bool) -> Option<String> {
    if let Some(server) = level.get("servers").and_then(|list| list.items().next()) {
        let mut url = server.text_of("url")?.to_owned();
        for (name, variable) in server.get("variables").into_iter().flat_map(Node::entries) {
            if let Some(default) = variable.get("default").and_then(Node::words) {
                url = url.replace(&format!("{{{name}}}"), default);
            }
        }
        return Some(url);
    }
    level.get("swagger")?;
    let path = level.text_of("basePath").unwrap_or("/");
    let Some(host) = level.text_of("host") else {
        return level.get("basePath").map(|_| path.to_owned());
    };
    let schemes: Vec<&str> = level
        .get("schemes")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::text)
        .collect();
    let scheme = match schemes.as_slice() {
        // Swagger 2: that of the document itself.
        [] if fetched => return Some(format!("//{host}{path}")),
        [] => "https",
        some if some.contains(&"https") => "https",
        [first, ..] => first,
    };
    Some(format!("{scheme}://{host}{path}"))
}
