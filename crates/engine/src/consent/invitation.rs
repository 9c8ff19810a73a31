//! For whom an address under `/connect/` was made. Opened by anybody else it connects nothing: who
//! could make another person connect their account to his own principal would act with it.

use std::time::Duration;

use portcullis_core::{PrincipalId, Purpose, SealError, ServerId};

use crate::error::EngineError;
use crate::gateway::Gateway;

/// How long a person may take to open the page.
const LIFETIME: Duration = Duration::from_mins(10);

/// What an address says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Whose call it was.
    pub principal: PrincipalId,
}

/// Why it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationRefused {
    /// Forged, damaged, or for another server.
    #[error("the invitation does not open")]
    Invalid,
    /// Its time is over.
    #[error("the invitation has expired")]
    Expired,
    /// It cannot be told now.
    #[error("the key ring is unavailable")]
    Unavailable,
}

impl Gateway {
    /// Says for whom an address to connect an account at this server is.
    pub(super) fn invite(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<String, EngineError> {
        let expires = self.clock.now().after(LIFETIME);
        let (binding, whom) = (server.as_str().as_bytes(), principal.as_str().as_bytes());
        self.sealer
            .seal(Purpose::Invitation, binding, expires, whom)
            .map_err(|_| EngineError::KeyRing)
    }

    /// Reads `for` of an address to connect an account at this server.
    pub fn invitation(
        &self,
        server: &ServerId,
        sealed: &str,
    ) -> Result<Invitation, InvitationRefused> {
        let binding = server.as_str().as_bytes();
        let whom = self
            .sealer
            .open(Purpose::Invitation, binding, self.clock.now(), sealed)
            .map_err(|error| match error {
                SealError::Invalid => InvitationRefused::Invalid,
                SealError::Expired => InvitationRefused::Expired,
                SealError::Unavailable => InvitationRefused::Unavailable,
            })?;
        let whom = String::from_utf8(whom).map_err(|_| InvitationRefused::Invalid)?;
        Ok(Invitation {
            principal: PrincipalId::from(whom),
        })
    }
}
