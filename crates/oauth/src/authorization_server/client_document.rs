//! Clients that are known by the URL of a document about them (Client ID Metadata Documents,
//! draft-ietf-oauth-client-id-metadata-document).

use std::time::Duration;

use url::{Host, Url};

use super::{AuthMethod, ClientMetadata, InvalidRegistration, NativeRedirects};

/// Largest document (draft §6.6).
pub const LARGEST_DOCUMENT: u64 = 5 * 1024;
/// Longest URL.
const LONGEST_URL: usize = 2048;
/// Most redirect URIs in one.
const MOST_REDIRECTS: usize = 16;
/// A document is not asked for more often than this, whatever it says of itself.
const SHORTEST_LIFE: Duration = Duration::from_mins(1);
/// Nor kept longer.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// How long one is kept that does not say.
const USUAL_LIFE: Duration = Duration::from_mins(5);

/// A `client_id` that is a URL (draft §3), written in the one way that every reader reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdUrl(Url);

/// A text that is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a client_id that is a URL must be https, have a path, and no fragment, user, port 0 or dot segment"
)]
pub struct InvalidClientIdUrl;

/// Why a document is not that of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientDocument {
    /// Not a JSON object, each member once.
    #[error("the client's metadata document is no JSON object, or repeats a member")]
    Malformed,
    /// Draft §4.1: it speaks of another client.
    #[error("the client_id in the metadata document is not its URL")]
    OtherClient,
    /// Everybody can read it.
    #[error("a metadata document can hold no secret")]
    Secret,
    /// It wants to authenticate in a way that we do not know.
    #[error("a client with a metadata document must be public (token_endpoint_auth_method none)")]
    NotPublic,
    /// What a registration would be refused for.
    #[error(transparent)]
    Metadata(#[from] InvalidRegistration),
}

impl ClientIdUrl {
    /// Whether a `client_id` is meant as a URL.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads one (DCR-07).
    pub fn parse(text: &str) -> Result<Self, InvalidClientIdUrl> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"');
        if text.len() > LONGEST_URL || !text.bytes().all(plain) {
            return Err(InvalidClientIdUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidClientIdUrl)?;
        let is_name = matches!(url.host(), Some(Host::Domain(name))
            if name.split('.').all(|label| !label.is_empty()));
        // The parser normalises what is not written plainly: default ports, dot segments, letters of
        // the host, escapes in it, userinfo.
        let as_written = url.as_str() == text;
        let is_good = url.scheme() == "https"
            && is_name
            && as_written
            && url.path() != "/"
            && url.port() != Some(0)
            && url.username().is_empty()
            && url.password().is_none()
            && !has_hidden_dots(url.path());
        if is_good {
            Ok(Self(url))
        } else {
            Err(InvalidClientIdUrl)
        }
    }

    /// The URL.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Whose word it is: what people know a site by.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

/// `%2e` and an escaped slash, in whatever case.
fn has_hidden_dots(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    lower.contains("%2e") || lower.contains("%2f") || lower.contains("%5c")
}

/// One document, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDocument {
    /// What it says.
    pub metadata: ClientMetadata,
}

impl ClientDocument {
    /// Reads what was found at the client's URL.
    pub fn parse(
        body: &[u8],
        of: &ClientIdUrl,
        natives: &NativeRedirects,
    ) -> Result<Self, InvalidClientDocument> {
        let members = crate::jose::object(body).ok_or(InvalidClientDocument::Malformed)?;
        if members.get("client_id").and_then(|id| id.as_str()) != Some(of.0.as_str()) {
            return Err(InvalidClientDocument::OtherClient);
        }
        let is_secret = |name| members.contains_key(name);
        if is_secret("client_secret") || is_secret("client_secret_expires_at") {
            return Err(InvalidClientDocument::Secret);
        }
        let metadata = ClientMetadata::read(&members, natives, MOST_REDIRECTS, AuthMethod::None)?;
        if metadata.auth_method != AuthMethod::None {
            return Err(InvalidClientDocument::NotPublic);
        }
        Ok(Self { metadata })
    }
}

/// How long a document is kept by its `Cache-Control` (RFC 9111 §5.2.2), within bounds of ours
/// (DCR-13): whoever says never to keep it would have us ask with every click, whoever says for ever
/// could not take a redirect URI back.
pub fn document_lifetime(cache_control: Option<&str>) -> Duration {
    let Some(text) = cache_control else {
        return USUAL_LIFE;
    };
    let mut life = USUAL_LIFE;
    for directive in text.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return SHORTEST_LIFE,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse();
                life = Duration::from_secs(seconds.unwrap_or(0));
            }
            _ => {}
        }
    }
    life.clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "https://app.test/oauth/client.json";

    fn parse(body: &str) -> Result<ClientDocument, InvalidClientDocument> {
        let of = ClientIdUrl::parse(ID).unwrap();
        ClientDocument::parse(body.as_bytes(), &of, &NativeRedirects::default())
    }

    /// DCR-07.
    #[test]
    fn a_client_id_url_is_written_in_one_way() {
        for good in [
            ID,
            "https://app.test/c",
            "https://app.test:8443/c/",
            "https://xn--bcher-kva.example/c?v=1",
        ] {
            assert_eq!(ClientIdUrl::parse(good).unwrap().url().as_str(), good);
        }
        let long = format!("https://app.test/{}", "x".repeat(4096));
        for bad in [
            "",
            "client",
            "http://app.test/c",
            "https://app.test",
            "https://app.test/",
            "https://app.test/c#f",
            "https://app.test/c#",
            "https://u@app.test/c",
            "https://u:p@app.test/c",
            "https://app.test/./c",
            "https://app.test/a/../c",
            "https://app.test/a/..",
            "https://app.test/%2e%2e/c",
            "https://app.test/%2E/c",
            "https://app.test/a%2fc",
            "https://app.test\\c",
            "https://app.test/a\\c",
            "https://b\u{fc}cher.example/c",
            "https://app.test:0/c",
            "https://app.test:443/c",
            "https://APP.test/c",
            "HTTPS://app.test/c",
            "https://app.test./c",
            "https://app%2etest/c",
            "https://127.0.0.1/c",
            "https://2130706433/c",
            "https://[::1]/c",
            "https:///app.test/c",
            "https://app.test/a b",
            "https://app.test/c\u{0}",
            &long,
        ] {
            assert_eq!(ClientIdUrl::parse(bad), Err(InvalidClientIdUrl), "{bad}");
        }
    }

    #[test]
    fn a_document_speaks_of_its_own_url_and_keeps_no_secret() {
        let body = |members: &str| {
            format!(r#"{{"client_id":"{ID}","redirect_uris":["https://app.test/cb"]{members}}}"#)
        };
        let read = parse(&body(r#","client_name":"App","jwks_uri":"https://x/""#)).unwrap();
        assert_eq!(read.metadata.auth_method, AuthMethod::None);
        assert_eq!(read.metadata.name.as_deref(), Some("App"));
        for (text, fault) in [
            ("[]".to_owned(), InvalidClientDocument::Malformed),
            (
                body(r#","redirect_uris":["https://evil.test/"]"#),
                InvalidClientDocument::Malformed,
            ),
            (
                r#"{"client_id":"https://app.test/other","redirect_uris":["https://a.test/"]}"#
                    .to_owned(),
                InvalidClientDocument::OtherClient,
            ),
            (
                r#"{"redirect_uris":["https://a.test/"]}"#.to_owned(),
                InvalidClientDocument::OtherClient,
            ),
            (
                body(r#","client_secret":"x""#),
                InvalidClientDocument::Secret,
            ),
            (
                body(r#","token_endpoint_auth_method":"client_secret_basic""#),
                InvalidClientDocument::NotPublic,
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err(), fault, "{text}");
        }
        assert!(matches!(
            parse(&format!(r#"{{"client_id":"{ID}","redirect_uris":[]}}"#)),
            Err(InvalidClientDocument::Metadata(_))
        ));
    }

    /// DCR-13.
    #[test]
    fn a_document_is_kept_between_a_minute_and_a_day() {
        let day = 24 * 3600;
        for (header, seconds) in [
            (None, 300),
            (Some("public"), 300),
            (Some("max-age=1000000000"), day),
            (Some("max-age=99999999999999999999999"), 60),
            (Some("max-age=0"), 60),
            (Some("max-age=600"), 600),
            (Some("Public, Max-Age=\"600\""), 600),
            (Some("no-store"), 60),
            (Some("max-age=600, no-cache"), 60),
        ] {
            let life = document_lifetime(header);
            assert_eq!(life, Duration::from_secs(seconds), "{header:?}");
        }
    }
}
