//! Where an API is: what the operator wrote, else what the document says of itself.

use url::Url;

use crate::limits::MAX_ADDRESS;
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
        .find_map(|level| said(level, known.document.is_some()).transpose());
    let url = match (said.transpose()?, known.document) {
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
/// `basePath` and `schemes` (Swagger 2). Every operation has an address of its own, so none is long.
fn said(level: &Node, fetched: bool) -> Result<Option<String>, String> {
    if let Some(server) = level.get("servers").and_then(|list| list.items().next()) {
        let default = |name: &str| {
            let variable = server.get("variables")?.get(name)?;
            variable.get("default").and_then(Node::words)
        };
        return server
            .text_of("url")
            .map(|template| filled(template, default))
            .transpose();
    }
    if level.get("swagger").is_none() {
        return Ok(None);
    }
    let path = level.text_of("basePath").unwrap_or("/");
    let Some(host) = level.text_of("host") else {
        return level.get("basePath").map(|_| joined(&[path])).transpose();
    };
    let mut schemes = level
        .get("schemes")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::text);
    let scheme = match schemes.next() {
        // Swagger 2: that of the document itself.
        None if fetched => return joined(&["//", host, path]).map(Some),
        None => "https",
        Some(first) if first == "https" || schemes.any(|scheme| scheme == "https") => "https",
        Some(first) => first,
    };
    joined(&[scheme, "://", host, path]).map(Some)
}

/// A template with its variables' values. One pass: what a value holds is no variable again, so nothing grows out
/// of itself.
fn filled<'a>(
    template: &'a str,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{')
        && let Some((name, after)) = behind.split_once('}')
        && rest.len() <= MAX_ADDRESS
    {
        parts.push(before);
        match value(name) {
            Some(value) => parts.push(value),
            // As it stands: it is no address then, which whoever reads it is told.
            None => parts.extend(["{", name, "}"]),
        }
        rest = after;
    }
    parts.push(rest);
    joined(&parts)
}

/// These texts behind each other, unless that is no address any more.
fn joined(parts: &[&str]) -> Result<String, String> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > MAX_ADDRESS {
        return Err(format!(
            "its server's address is longer than {MAX_ADDRESS} bytes: write `url`"
        ));
    }
    Ok(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_within_a_variable_is_no_variable() {
        let value = |name: &str| match name {
            "a" => Some("{b}{b}"),
            "b" => Some("x"),
            _ => None,
        };
        let url = filled("https://{b}.example/{a}/{c}/{", value);
        assert_eq!(url.unwrap(), "https://x.example/{b}{b}/{c}/{");
    }

    #[test]
    fn an_address_that_many_variables_make_long_is_refused_before_it_is_made() {
        let long = "x".repeat(MAX_ADDRESS);
        let once = filled("https://a.example/{v}", |_| Some(&long));
        assert!(once.unwrap_err().contains("8192"));
        let empty = format!("https://a.example/{}", "{v}".repeat(1_000_000));
        assert!(filled(&empty, |_| Some("")).is_err());
    }
}
