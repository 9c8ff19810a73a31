//! Where a client may be sent back to (OAuth 2.1 §2.3, RFC 8252 §7).
//!
//! What is registered is judged once and strictly: its text has to be what a browser would make of
//! it, so that nobody reads another host in it than we do. What is asked for later has to be the same
//! text.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::ApplicationType;

/// Longest one (as LiteLLM's).
const LONGEST: usize = 256;

/// One registered redirect URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Why a text is none that may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Too long.
    #[error("{}", self.words())]
    TooLong,
    /// Nothing that every reader reads alike.
    #[error("{}", self.words())]
    NotPlain,
    /// RFC 8252 §7: https, loopback, or a scheme of the client's own.
    #[error("{}", self.words())]
    Scheme,
    /// What a client of this type cannot receive.
    #[error("{}", self.words())]
    NotOfWeb,
}

impl InvalidRedirectUri {
    /// What the client's developer is told (the first and the third as LiteLLM says it).
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "each redirect URI must be a string of at most 256 characters",
            Self::NotPlain => {
                "each redirect URI must be an absolute URI, written plainly: no fragment, no user, \
                 no wildcard"
            }
            Self::Scheme => {
                "each redirect URI must be https, http on a loopback host, or a registered native \
                 callback"
            }
            Self::NotOfWeb => {
                "a web client has https redirect URIs only: register as application_type native"
            }
        }
    }
}

/// Callbacks of native clients whose scheme has no dot, so that it could be anybody's: a scheme
/// (`cursor`), or a scheme with a host (`cursor://anysphere.cursor-mcp`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeRedirects(Vec<String>);

impl NativeRedirects {
    /// These; `Err` names one that can be no such callback.
    pub fn new(list: Vec<String>) -> Result<Self, String> {
        for one in &list {
            let (scheme, host) = one.split_once("://").unwrap_or((one, "x"));
            let bad_host = host.is_empty() || !host.bytes().all(is_host_byte);
            if bad_host || !is_scheme(scheme) || is_never_native(scheme) {
                return Err(one.clone());
            }
        }
        Ok(Self(list))
    }

    fn admits(&self, url: &Url) -> bool {
        self.0.iter().any(|one| match one.split_once("://") {
            None => one == url.scheme(),
            Some((scheme, host)) => scheme == url.scheme() && url.host_str() == Some(host),
        })
    }
}

impl RedirectUri {
    /// Judges what a client wants to register.
    pub fn register(
        text: &str,
        application: Option<ApplicationType>,
        natives: &NativeRedirects,
    ) -> Result<Self, InvalidRedirectUri> {
        if text.chars().count() > LONGEST {
            return Err(InvalidRedirectUri::TooLong);
        }
        let url = plain(text)?;
        let is_web = application == Some(ApplicationType::Web);
        match url.scheme() {
            "https" => {
                written_as_read(text, &url)?;
            }
            "http" => {
                written_as_read(text, &url)?;
                if !is_loopback(&url) {
                    return Err(InvalidRedirectUri::Scheme);
                }
                if is_web {
                    return Err(InvalidRedirectUri::NotOfWeb);
                }
            }
            scheme => {
                // RFC 8252 §7.1: a domain in reverse, which somebody owns.
                let own = scheme.contains('.') && !is_never_native(scheme);
                if !own && !natives.admits(&url) {
                    return Err(InvalidRedirectUri::Scheme);
                }
                if is_web {
                    return Err(InvalidRedirectUri::NotOfWeb);
                }
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request asks for this one: the same text, or the same but for the port where both
    /// are on one loopback host (RFC 8252 §7.3).
    pub fn admits(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        let (Some(ours), Some(theirs)) = (portless(&self.0), portless(asked)) else {
            return false;
        };
        let valid = plain(asked).is_ok_and(|url| {
            url.scheme() == "http" && is_loopback(&url) && written_as_read(asked, &url).is_ok()
        });
        valid && ours == theirs && is_loopback_text(&self.0)
    }

    /// Whether it leads to the machine that the browser runs on, whatever listens there.
    pub fn is_on_loopback(&self) -> bool {
        is_loopback_text(&self.0)
    }

    /// What to show people of where they will be sent: the host, or a native client's scheme.
    pub fn shown_host(text: &str) -> String {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                url.host_str().unwrap_or_default().to_owned()
            }
            Ok(url) => format!("{}:", url.scheme()),
            Err(_) => String::new(),
        }
    }
}

/// Visible ASCII that no reader takes for something else.
fn plain(text: &str) -> Result<Url, InvalidRedirectUri> {
    let odd = |byte: u8| {
        !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'*' | b'#' | b'"' | b'<' | b'>')
    };
    if text.bytes().any(odd) {
        return Err(InvalidRedirectUri::NotPlain);
    }
    let url = Url::parse(text).map_err(|_| InvalidRedirectUri::NotPlain)?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.fragment().is_some() {
        return Err(InvalidRedirectUri::NotPlain);
    }
    Ok(url)
}

/// Whether scheme and host stand in the text as they were read from it: neither escaped, shortened,
/// nor in numbers.
fn written_as_read(text: &str, url: &Url) -> Result<(), InvalidRedirectUri> {
    let (scheme, authority) = authority(text).ok_or(InvalidRedirectUri::NotPlain)?;
    let host = url.host_str().ok_or(InvalidRedirectUri::NotPlain)?;
    let (written, port) = split_port(authority);
    let port_is_read = match port {
        None => url.port().is_none(),
        Some(port) => {
            port.parse()
                .is_ok_and(|number: u16| number != 0 && url.port_or_known_default() == Some(number))
                && port.bytes().all(|byte| byte.is_ascii_digit())
        }
    };
    let labels = host.split('.').all(|label| !label.is_empty());
    if scheme == url.scheme() && written.eq_ignore_ascii_case(host) && port_is_read && labels {
        Ok(())
    } else {
        Err(InvalidRedirectUri::NotPlain)
    }
}

fn authority(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some((scheme, rest.get(..end)?))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 literal stand before its bracket.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The text without its port.
fn portless(text: &str) -> Option<String> {
    let (scheme, authority) = authority(text)?;
    let (host, _) = split_port(authority);
    let rest = text.get(scheme.len() + 3 + authority.len()..)?;
    Some(format!("{scheme}://{}{rest}", host.to_ascii_lowercase()))
}

fn is_loopback_text(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => is_loopback_v4(address),
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

const fn is_loopback_v4(address: Ipv4Addr) -> bool {
    address.octets()[0] == 127
}

/// Schemes that browsers act upon themselves, and those that are no client's own.
fn is_never_native(scheme: &str) -> bool {
    matches!(
        scheme,
        "http"
            | "https"
            | "ws"
            | "wss"
            | "ftp"
            | "file"
            | "data"
            | "javascript"
            | "vbscript"
            | "blob"
            | "about"
            | "filesystem"
            | "intent"
            | "view-source"
            | "mailto"
            | "tel"
            | "sms"
            | "chrome"
            | "chrome-extension"
            | "moz-extension"
            | "urn"
            | "jar"
            | "ssh"
    )
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
        })
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests;
