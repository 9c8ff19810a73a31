//! Where a token would be asked for, found once on purpose, for whoever looks for a fault. Nothing is
//! presented and nothing is remembered.

use portcullis_core::ServerId;
use portcullis_egress::{Destination, HttpClient};
use url::Url;

use crate::discovery::{Anchor, discover};
use crate::{ClientCredentials, CredentialError, TokenEndpoint};

/// The token endpoint, and how far its address is trusted: by the file, or by RFC 9728 and RFC 8414.
pub async fn find_token_endpoint(
    http: &dyn HttpClient,
    server: &ServerId,
    client: &ClientCredentials,
) -> Result<(Url, Destination), CredentialError> {
    match &client.token_endpoint {
        TokenEndpoint::Configured(url) => Ok((url.clone(), client.chosen_by)),
        TokenEndpoint::Discover { server_url, issuer } => {
            let anchor = Anchor {
                server_url,
                issuer: issuer.as_ref(),
                chosen_by: client.chosen_by,
            };
            let found = discover(http, &anchor).await;
            let endpoint = found
                .map_err(|failure| failure.for_server(server))?
                .endpoint;
            Ok((endpoint.url, endpoint.destination))
        }
    }
}
