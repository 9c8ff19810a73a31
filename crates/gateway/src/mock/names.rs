//! The URLs under which the mock answers.

use std::net::SocketAddr;

use http::HeaderMap;

/// The base URLs that mean this server. The first is the one it calls itself when asked under an
/// unknown name.
#[derive(Debug)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// `localhost` and the loopback addresses are one place, as a person who types either expects.
    pub(super) fn new(address: SocketAddr, public_url: Option<&str>) -> Self {
        let port = address.port();
        let mut names = Vec::new();
        if let Some(url) = public_url {
            names.push(url.trim_end_matches('/').to_owned());
        }
        if !address.ip().is_unspecified() {
            names.push(format!("http://{address}"));
        }
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let name = format!("http://{host}:{port}");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self(names)
    }

    /// The base URL under which this request reached us.
    pub(super) fn base(&self, headers: &HeaderMap) -> &str {
        let host = headers
            .get(http::header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        self.0
            .iter()
            .find(|base| base.split_once("://").is_some_and(|(_, name)| name == host))
            .or_else(|| self.0.first())
            .map_or("", String::as_str)
    }

    /// Whether an issuer or an `Origin` is ours.
    pub(super) fn is_ours(&self, base: &str) -> bool {
        self.0.iter().any(|name| name == base)
    }

    /// Whether a resource indicator (RFC 8707) or an audience names our MCP endpoint.
    pub(super) fn is_our_resource(&self, resource: &str) -> bool {
        let bare = resource.strip_suffix('/').unwrap_or(resource);
        self.is_ours(bare.strip_suffix("/mcp").unwrap_or(bare))
    }
}
