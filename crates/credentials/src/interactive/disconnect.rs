//! Ending a connection: at the authorization server (RFC 7009), then here.

use portcullis_core::PrincipalId;
use portcullis_oauth::TokenRequest;

use super::authorization_server::terms_of;
use super::client::Source;
use super::connections::{Connections, Inner};
use super::row::Row;
use super::terms::AuthorizationCode;
use crate::error::Failure;
use crate::token_endpoint::Endpoint;
use crate::{CredentialError, ServerAuth};

/// What ending a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Whether there was one.
    pub was_connected: bool,
    /// Whether the authorization server said that it ended the grant too. Where it did not, the
    /// person ends it there themselves.
    pub revoked: bool,
}

impl Connections {
    /// Ends a person's connection. What is not revoked upstream is forgotten here all the same.
    pub async fn disconnect(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
    ) -> Result<Disconnected, CredentialError> {
        let ended = self.0.disconnect(auth, principal).await;
        ended.map_err(|failure| failure.for_server(&auth.server))
    }
}

impl Inner {
    async fn disconnect(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
    ) -> Result<Disconnected, Failure> {
        let found = self.read(principal, &auth.server).await?;
        let removed = self
            .stores
            .connections
            .remove(principal, &auth.server)
            .await;
        let was_connected = removed.map_err(Failure::of_store)?;
        self.places().forget(principal, &auth.server);
        let revoked = match (found, terms_of(auth)) {
            (Some((row, _)), Some(terms)) => self.revoke(terms, &row).await,
            _ => false,
        };
        if was_connected {
            tracing::info!(mcp.server.id = %auth.server, principal = %principal, revoked, "an account was disconnected");
        }
        Ok(Disconnected {
            was_connected,
            revoked,
        })
    }

    /// A client of the file proves itself with the file's secret of now, which is not for an
    /// authorization server of before.
    ///
    /// The refresh token first: with it goes the whole grant (RFC 7009 §2.1).
    async fn revoke(&self, terms: &AuthorizationCode, row: &Row) -> bool {
        let (Some(url), Some(client)) = (&row.revocation_endpoint, row.client.able(terms)) else {
            return false;
        };
        let of_file = matches!(row.client.source, Source::File(_));
        if of_file && row.terms != terms.fingerprint() {
            return false;
        }
        let endpoint = Endpoint {
            url: url.clone(),
            issuer: row.named_issuer.clone(),
            destination: terms.trust().destination(url),
        };
        let refresh = row
            .refresh
            .as_ref()
            .map(|token| (token.expose(), "refresh_token"));
        let access = (row.access.expose(), "access_token");
        let mut revoked = false;
        for (number, (token, hint)) in refresh.into_iter().chain([access]).enumerate() {
            let (clock, entropy) = (&*self.door.clock, &*self.door.entropy);
            let form = client.authenticate(&endpoint, clock, entropy, |client| {
                TokenRequest::revocation(client, token, hint)
            });
            let answer = match form {
                Ok(form) => self.door.posted(form, &endpoint).await,
                Err(failure) => Err(failure),
            };
            let done = answer.is_ok_and(|answer| answer.status.is_success());
            if number == 0 {
                revoked = done;
            }
        }
        revoked
    }
}
