//! OAuth clients of the file as clients that can ask for tokens.

use anyhow::Context;
use portcullis_config::{AssertionAudience as Written, ClientProof as Proof, OAuthClient};
use portcullis_credentials::{AssertionAudience, ClientProof, TokenClient};
use portcullis_oauth::AssertionKey;

/// Fails where a private key cannot sign, so that this is known at the start and not at a call.
pub(super) fn token_client(client: &OAuthClient) -> anyhow::Result<TokenClient> {
    Ok(TokenClient {
        client_id: client.client_id.clone(),
        proof: match &client.proof {
            Proof::Post(secret) => ClientProof::SecretPost(secret.value.clone()),
            Proof::Basic(secret) => ClientProof::SecretBasic(secret.value.clone()),
            Proof::PrivateKeyJwt(written) => ClientProof::PrivateKeyJwt {
                key: AssertionKey::from_pem(
                    &written.private_key.value,
                    written.algorithm.and_then(|name| name.parse().ok()),
                    written.key_id.as_deref(),
                )
                .context("client_private_key")?,
                audience: match &written.audience {
                    Written::Server => AssertionAudience::Server,
                    Written::TokenEndpoint => AssertionAudience::TokenEndpoint,
                    Written::Exactly(text) => AssertionAudience::Exactly(text.clone()),
                },
            },
        },
    })
}
