//! How one server's connections are made. Nothing here is anybody's own.

use std::time::Duration;

use portcullis_core::{ScopeSet, Sha256, hex};
use portcullis_egress::Destination;
use portcullis_oauth::{ClientMetadata, TokenRules};
use url::Url;

use crate::TokenClient;
use crate::discovery::Trust;

/// The authorization code grant at one server. What is written wins over what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// The MCP server's URL, where discovery starts.
    pub server_url: Url,
    /// `issuer`, if the file pins it.
    pub issuer: Option<Url>,
    /// `authorization_url`
    pub authorization_url: Option<Url>,
    /// `token_url`
    pub token_url: Option<Url>,
    /// `registration_url`
    pub registration_url: Option<Url>,
    /// The client that the operator registered, if they did.
    pub client: Option<TokenClient>,
    /// Whether the file says how the client proves itself; otherwise the server's metadata does.
    pub proof_is_written: bool,
    /// `scopes`: these and no others are asked for. Empty: those that the server asks for.
    pub scopes: ScopeSet,
    /// `audience`, as some authorization servers want it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707).
    pub resource: Resource,
    /// `token_validation`: what a token response must say.
    pub rules: TokenRules,
    /// `token_storage_ttl_seconds`: no token is used longer.
    pub storage_ttl: Option<Duration>,
    /// Where our own client document is, if anywhere (Client ID Metadata Documents).
    pub document: Option<Document>,
    /// Who chose the addresses that are written, and hence how far they are trusted.
    pub chosen_by: Destination,
}

/// The `resource` of requests to the authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// As the server's own metadata names it, else its URL.
    Own,
    /// As the operator wrote it.
    Exactly(String),
    /// Not sent: the authorization server does not take it.
    Unsaid,
}

/// Our client document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its URL, which is the `client_id`.
    pub url: Url,
    /// The operator wrote the URL, and answers for what the document there says. Otherwise it is the
    /// one that we serve for this server alone, which names addresses of its own origin.
    pub written: bool,
}

impl Document {
    /// Whether a browser may come back to this address with the document's client.
    pub(crate) fn covers(&self, redirect_uri: &str) -> bool {
        let same = |uri: Url| uri.origin() == self.url.origin();
        self.written || Url::parse(redirect_uri).is_ok_and(same)
    }
}

/// Our client document as it is served at `url`, for browsers that come back to these addresses.
pub fn client_document(url: &Url, redirect_uris: Vec<String>) -> String {
    let mut document = ClientMetadata::new(CLIENT_NAME, redirect_uris, "none");
    document.client_id = Some(url.to_string());
    document.client_uri = Some(url.origin().ascii_serialization());
    serde_json::to_string(&document).unwrap_or_default()
}

/// What people are shown where they grant us access.
pub(crate) const CLIENT_NAME: &str = "Portcullis";

impl AuthorizationCode {
    /// What a connection depends on: made under other terms, it is not used, because it may have
    /// been granted to another client or for another address.
    pub(crate) fn fingerprint(&self) -> String {
        let text = |url: &Option<Url>| url.as_ref().map_or("", Url::as_str).to_owned();
        let client = self.client.as_ref();
        let key = Sha256::new()
            .part(self.server_url.as_str().as_bytes())
            .part(text(&self.issuer).as_bytes())
            .part(text(&self.authorization_url).as_bytes())
            .part(text(&self.token_url).as_bytes())
            .part(client.map_or("", |client| &client.client_id).as_bytes())
            .part(match &self.resource {
                Resource::Own => b"own",
                Resource::Exactly(resource) => resource.as_bytes(),
                Resource::Unsaid => b"",
            })
            .part(self.audience.as_deref().unwrap_or_default().as_bytes());
        // What was not asked of a kept answer, nobody can ask it any more.
        let rules = self.rules.iter().fold(key, |key, (path, expected)| {
            key.part(path.as_bytes()).part(expected.as_bytes())
        });
        hex(&rules.finish())
    }

    /// The operator's trust covers what the operator wrote.
    pub(crate) fn trust(&self) -> Trust<'_> {
        let written = [
            Some(&self.server_url),
            self.issuer.as_ref(),
            self.authorization_url.as_ref(),
            self.token_url.as_ref(),
            self.registration_url.as_ref(),
        ];
        Trust {
            server_url: &self.server_url,
            written: written.into_iter().flatten().collect(),
            chosen_by: self.chosen_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_document_names_itself_and_where_browsers_come_back_to() {
        let url = Url::parse("https://gw.example/oauth/client-metadata.json").unwrap();
        let text = client_document(&url, vec!["https://gw.example/callback".to_owned()]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["client_id"], url.as_str());
        assert_eq!(document["token_endpoint_auth_method"], "none");
        assert_eq!(document["redirect_uris"][0], "https://gw.example/callback");
        let own = Document {
            url: url.clone(),
            written: false,
        };
        assert!(own.covers("https://gw.example/callback"));
        assert!(!own.covers("http://localhost:4000/callback"));
        let written = Document { url, written: true };
        assert!(written.covers("http://localhost:4000/callback"));
    }
}
