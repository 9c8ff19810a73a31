//! Whom people would be sent to, found once on purpose, for whoever looks for a fault. Nothing is
//! registered and nothing is remembered.

use std::sync::Arc;

use portcullis_core::{Clock, Entropy};
use portcullis_egress::HttpClient;

use super::authorization_server::terms_of;
use crate::actor::Actors;
use crate::broker::Door;
use crate::directory::Directory;
use crate::discovery::not_discovered;
use crate::{CredentialError, CredentialErrorKind, ServerAuth};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundForPeople {
    /// The authorization server, by its issuer or its endpoints.
    pub authorization_server: String,
    /// Which client of ours would ask: `pre-registered`, `client document` or `registered`.
    pub client: &'static str,
}

/// The authorization server of an interactive server, and whether we would have a client there.
pub async fn find_authorization_server(
    http: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    auth: &ServerAuth,
) -> Result<FoundForPeople, CredentialError> {
    let door = Door {
        http: Arc::clone(http),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        directory: Directory::default(),
        actors: Actors::default(),
    };
    let looked = async {
        let terms = terms_of(auth).ok_or_else(not_discovered)?;
        let found = door.find(auth, terms).await?.server;
        let client = if terms.client.is_some() {
            "pre-registered"
        } else if terms.document.is_some() && found.documents {
            "client document"
        } else if found.registration.is_some() {
            "registered"
        } else {
            return Err(crate::error::Failure::new(
                CredentialErrorKind::NotRegistered,
            ));
        };
        Ok(FoundForPeople {
            authorization_server: found.key,
            client,
        })
    };
    looked
        .await
        .map_err(|failure| failure.for_server(&auth.server))
}
