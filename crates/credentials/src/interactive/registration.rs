//! One registration for whoever needs a client in the same moment, at whichever replica: every one more
//! would be a client at the authorization server that nobody ever uses.

use std::time::Duration;

use portcullis_core::{hex, sha256};

use super::authorization_server::AuthorizationServer;
use super::client::{Client, place};
use super::connections::Inner;
use super::terms::AuthorizationCode;
use crate::CredentialErrorKind;
use crate::error::Failure;

/// Longer than a registration takes; a replica that died in one is waited for no longer.
const LEASE: Duration = Duration::from_secs(30);
/// How often somebody looks whether another one is done, and how many times: until the lease is over.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 350;

impl Inner {
    pub(super) async fn registered_once(
        &self,
        terms: &AuthorizationCode,
        server: &AuthorizationServer,
        redirect_uri: &str,
    ) -> Result<Client, Failure> {
        let found = self.stores.clients.get(&server.key, redirect_uri).await;
        let found = found.map_err(Failure::of_store)?;
        if let Some(record) = found
            && let Some(client) = self.opened(&record)?
        {
            return Ok(client);
        }
        // Without the names themselves: a lease's name is written to logs of databases.
        let digest = sha256(place(&server.key, redirect_uri).as_bytes());
        let name = format!("upstream-registration/{}", hex(&digest));
        let holder = self.secret()?;
        let leases = &self.stores.leases;
        for _ in 0..LOOKS {
            let now = self.door.clock.now();
            let acquired = leases.acquire(&name, &holder, now, now.after(LEASE)).await;
            if acquired.map_err(Failure::of_store)? {
                let registered = self.registered(terms, server, redirect_uri).await;
                // One that is not given back ends by itself.
                if let Err(error) = leases.release(&name, &holder).await {
                    tracing::warn!(%error, "a lease was not given back");
                }
                return registered;
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Err(Failure::new(CredentialErrorKind::Unavailable))
    }
}
