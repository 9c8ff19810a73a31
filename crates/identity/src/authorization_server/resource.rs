//! Our endpoints as resources (RFC 8707): what a token is for, and what a request addresses.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An endpoint of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Endpoint {
    /// All servers that a caller may see, and the REST form of the same.
    Aggregate,
    /// What this name leads to.
    Named(String),
}

/// An endpoint under the origin at which it was addressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addressed {
    /// The origin: the issuer of the tokens that are good there.
    pub origin: String,
    /// The endpoint.
    pub endpoint: Endpoint,
}

impl Endpoint {
    /// The endpoint of a request's path; `None`: it is none that clients get tokens for.
    pub fn of_path(path: &str) -> Option<Self> {
        if path.starts_with("/mcp-rest/") {
            return Some(Self::Aggregate);
        }
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        // HTTP+SSE is another door of the same endpoint.
        let path = match path.strip_suffix("/messages") {
            Some(stream) if stream.ends_with("/sse") => stream,
            _ => path,
        };
        let (path, sse) = match path.strip_suffix("/sse") {
            Some(endpoint) => (endpoint, true),
            None => (path, false),
        };
        match path.split_once('/') {
            None if path == "mcp" => Some(Self::Aggregate),
            None => decoded(path).filter(|_| sse).map(Self::Named),
            Some(("mcp", name) | (name, "mcp")) if !name.contains('/') => {
                decoded(name).map(Self::Named)
            }
            Some(_) => None,
        }
    }

    /// What a resource names, in any spelling that has a document (RFC 9728); the origin alone is the
    /// aggregate.
    pub(crate) fn of_resource(resource: &str, origin: &str) -> Option<Self> {
        match resource.strip_prefix(origin)? {
            "" | "/" => Some(Self::Aggregate),
            path if path.starts_with("/mcp-rest/") => None,
            path => Self::of_path(path),
        }
    }
}

fn decoded(name: &str) -> Option<String> {
    let mut escapes = name.split('%');
    let plain = |part: &str| {
        part.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',')
        })
    };
    let first = escapes.next()?;
    let mut bytes = first.as_bytes().to_vec();
    let mut is_plain = plain(first);
    for escape in escapes {
        let code = escape.get(..2)?;
        let is_hex = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let rest = escape.get(2..)?;
        bytes.push(u8::from_str_radix(code, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
        is_plain &= plain(rest);
    }
    let name = String::from_utf8(bytes).ok()?;
    let harmless = !name.is_empty() && !name.chars().any(|char| char.is_control() || char == '/');
    (is_plain && harmless).then_some(name)
}

/// The resource that a client means who names none.
pub(super) fn aggregate(origin: &str) -> Cow<'static, str> {
    Cow::Owned(format!("{origin}/mcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_endpoint_is_the_same_in_either_spelling() {
        let named = |name: &str| Some(Endpoint::Named(name.to_owned()));
        for (path, endpoint) in [
            ("/mcp", Some(Endpoint::Aggregate)),
            ("/mcp/", Some(Endpoint::Aggregate)),
            ("/mcp-rest/tools/call", Some(Endpoint::Aggregate)),
            ("/mcp/github", named("github")),
            ("/mcp/github/", named("github")),
            ("/github/mcp", named("github")),
            ("/github/mcp/", named("github")),
            ("/mcp/a,b", named("a,b")),
            ("/mcp/my%20server", named("my server")),
            ("/mcp/%67ithub", named("github")),
            ("/mcp/mcp", named("mcp")),
            ("/mcp/sse", Some(Endpoint::Aggregate)),
            ("/mcp/sse/messages", Some(Endpoint::Aggregate)),
            ("/mcp/github/sse", named("github")),
            ("/github/mcp/sse", named("github")),
            ("/github/mcp/sse/messages", named("github")),
            ("/github/sse", named("github")),
            ("/github/messages", None),
            ("/mcp/github/messages", None),
            ("/sse", None),
            ("/sse/messages", None),
            ("/", None),
            ("", None),
            ("/x", None),
            ("/mcp//", None),
            ("/mcp//x", None),
            ("/mcp/a/b", None),
            ("/mcp/a%2fb", None),
            ("/mcp/a%0a", None),
            ("/mcp/a%", None),
            ("/mcp/a%+1", None),
            ("/mcp/a%ff", None),
            ("/mcp/a b", None),
            ("/key/list", None),
            ("/v1/audit", None),
            ("/authorize", None),
        ] {
            assert_eq!(Endpoint::of_path(path), endpoint, "{path}");
        }
    }

    /// PKCE-29.
    #[test]
    fn a_resource_is_an_endpoint_under_our_own_origin() {
        let of = |resource| Endpoint::of_resource(resource, "https://gw.test");
        let aggregate = Some(Endpoint::Aggregate);
        assert_eq!(of("https://gw.test"), aggregate);
        assert_eq!(of("https://gw.test/"), aggregate);
        assert_eq!(of("https://gw.test/mcp"), aggregate);
        let github = Some(Endpoint::Named("github".to_owned()));
        assert_eq!(of("https://gw.test/github/mcp"), github);
        for other in [
            "",
            "https://gw.test.evil/mcp",
            "https://gw.test:443/mcp",
            "http://gw.test/mcp",
            "https://GW.test/mcp",
            "https://gw.test/mcp?x",
            "https://gw.test/mcp-rest/tools/list",
            "https://gw.test/v1/audit",
            "https://gw.testmcp",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
