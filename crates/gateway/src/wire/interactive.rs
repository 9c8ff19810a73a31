//! Servers that know people, and our own client document for their authorization servers.

use portcullis_config::{AuthorizationCode as Written, Config, McpServer, OAuthClient, Resource};
use portcullis_core::ServerId;
use portcullis_credentials::{
    AuthorizationCode, ClientProof, Document, Resource as Named, TokenClient, client_document,
};
use portcullis_egress::Destination;
use portcullis_oauth::TokenRules;
use url::Url;

use super::oauth_client::token_client;

/// Where our document is served.
const DOCUMENT: &str = "oauth/client-metadata.json";
/// Where browsers come back to; the second as LiteLLM has it.
const REDIRECTS: [&str; 2] = ["callback", "ui/mcp/oauth/callback"];

pub(super) fn authorization_code(
    written: &Written,
    server: &McpServer,
    document: Option<&Document>,
    chosen_by: Destination,
) -> anyhow::Result<AuthorizationCode> {
    let client = match &written.client {
        None => None,
        Some(client) => Some(match &client.proof {
            None => TokenClient {
                client_id: client.client_id.clone(),
                proof: ClientProof::Public,
            },
            Some(proof) => token_client(&OAuthClient {
                client_id: client.client_id.clone(),
                proof: proof.clone(),
            })?,
        }),
    };
    Ok(AuthorizationCode {
        server_url: super::servers::address(server)?,
        issuer: written.issuer.clone(),
        authorization_url: written.authorization_url.clone(),
        token_url: written.token_url.clone(),
        registration_url: written.registration_url.clone(),
        proof_is_written: written
            .client
            .as_ref()
            .is_some_and(|client| client.method_is_written),
        client,
        scopes: written.scopes.clone(),
        audience: written.audience.clone(),
        resource: match &written.resource {
            Resource::Own => Named::Own,
            Resource::Exactly(resource) => Named::Exactly(resource.clone()),
            Resource::Unsaid => Named::Unsaid,
        },
        rules: TokenRules::new(written.token_validation.clone()),
        storage_ttl: written.storage_ttl,
        document: document.cloned(),
        chosen_by,
    })
}

/// Our client document: where the file says, or with us, one for each server, where our origin is a
/// stable https one.
pub(super) fn document(config: &Config, server: &ServerId) -> Option<Document> {
    if let Some(url) = &config.server.client_metadata_url {
        return Some(Document {
            url: url.clone(),
            written: true,
        });
    }
    let path = format!("oauth/client-metadata/{server}");
    Some(Document {
        url: at(documents_at(config)?, &path)?,
        written: false,
    })
}

/// The origin of the documents that we serve for single servers.
pub(super) fn documents_at(config: &Config) -> Option<&Url> {
    https_origin(config).filter(|_| config.server.client_metadata_url.is_none())
}

/// What we serve of it; `None`: nothing, because nobody could rely on our origin.
pub(super) fn served_document(config: &Config) -> Option<String> {
    let origin = https_origin(config)?;
    let url = match &config.server.client_metadata_url {
        Some(url) => url.clone(),
        None => at(origin, DOCUMENT)?,
    };
    let redirects = REDIRECTS.iter().filter_map(|path| at(origin, path));
    let redirects = redirects.map(|url| url.to_string()).collect();
    Some(client_document(&url, redirects))
}

fn https_origin(config: &Config) -> Option<&Url> {
    let origin = config.server.public_url.as_ref();
    origin.filter(|url| url.scheme() == "https")
}

fn at(origin: &Url, path: &str) -> Option<Url> {
    origin.join(path).ok()
}
