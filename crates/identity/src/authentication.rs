//! The one helper that every surface calls first.

use std::sync::Arc;

use http::HeaderMap;

use crate::{Authenticated, Authenticator, AuthnError, AuthnErrorKind, Presented, extract};

/// All ways of recognising callers, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Authentication {
    authenticators: Vec<Arc<dyn Authenticator>>,
}

impl Authentication {
    /// Tries these in this order: master key, file keys, store keys.
    pub const fn new(authenticators: Vec<Arc<dyn Authenticator>>) -> Self {
        Self { authenticators }
    }

    /// Who sent these headers.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Authenticated, AuthnError> {
        self.recognise(&extract(headers)?).await
    }

    /// Whose credential this is. The first authenticator that knows its form decides; a credential
    /// that no one knows is nobody's.
    pub async fn recognise(&self, presented: &Presented) -> Result<Authenticated, AuthnError> {
        for authenticator in &self.authenticators {
            if let Some(authenticated) = authenticator.authenticate(presented).await? {
                return Ok(authenticated);
            }
        }
        Err(AuthnErrorKind::Unknown.into())
    }
}
