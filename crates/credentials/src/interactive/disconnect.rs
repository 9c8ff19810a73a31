//! Ending a connection: here, and at the authorization server (RFC 7009).

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::PrincipalId;

use super::authorization_server::terms_of;
use super::connections::{Connections, Inner};
use crate::error::Failure;
use crate::{CredentialError, ServerAuth};

/// How long a person waits for what the authorization server says to it. It goes on without them.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

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
        self: &Arc<Self>,
        auth: &ServerAuth,
        principal: &PrincipalId,
    ) -> Result<Disconnected, Failure> {
        // What cannot be opened now could not be given back either.
        self.read(principal, &auth.server).await?;
        let connections = &self.stores.connections;
        let removed = connections.remove(principal, &auth.server).await;
        let removed = removed.map_err(Failure::of_store)?;
        let was_connected = removed.is_some();
        self.places().forget(principal, &auth.server);
        let row = match removed {
            Some(record) => self.opened_row(record)?,
            None => None,
        };
        let given_back = match (row, terms_of(auth)) {
            (Some(row), Some(terms)) => {
                self.give_back(terms, &auth.server, row, "their person disconnected")
            }
            _ => None,
        };
        let revoked = match given_back {
            Some(task) => tokio::time::timeout(ANSWERED_WITHIN, task)
                .await
                .is_ok_and(|done| done.unwrap_or(false)),
            None => false,
        };
        if was_connected {
            tracing::info!(mcp.server.id = %auth.server, principal = %principal, revoked, "an account was disconnected");
        }
        Ok(Disconnected {
            was_connected,
            revoked,
        })
    }
}
