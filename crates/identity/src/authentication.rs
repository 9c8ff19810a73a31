//! The one helper that every surface calls first.

use std::sync::Arc;

use http::HeaderMap;

use crate::{Authenticated, Authenticator, AuthnError, AuthnErrorKind, Presented, extract};

/// All ways of recognising callers, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Authentication {
    authenticators: Vec<Arc<dyn Authenticator>>,
    /// Those of them that know keys of ours.
    keys: Vec<Arc<dyn Authenticator>>,
}

impl Authentication {
    /// Tries these in this order: master key, file keys, store keys, tokens of issuers.
    pub fn new(authenticators: Vec<Arc<dyn Authenticator>>) -> Self {
        let mut keys = authenticators.clone();
        keys.retain(|one| one.knows_keys());
        Self {
            authenticators,
            keys,
        }
    }

    /// Who sent these headers.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Authenticated, AuthnError> {
        self.recognise(&extract(headers)?).await
    }

    /// Whose credential this is. The first authenticator that knows its form decides; a credential
    /// that no one knows is nobody's.
    pub async fn recognise(&self, presented: &Presented) -> Result<Authenticated, AuthnError> {
        first(&self.authenticators, presented).await
    }

    pub(crate) fn authenticators(&self) -> impl Iterator<Item = &dyn Authenticator> {
        self.authenticators.iter().map(|one| &**one)
    }

    /// The same among keys of ours alone. Nobody else is shown the credential.
    pub(crate) async fn recognise_key(
        &self,
        presented: &Presented,
    ) -> Result<Authenticated, AuthnError> {
        first(&self.keys, presented).await
    }
}

async fn first(
    authenticators: &[Arc<dyn Authenticator>],
    presented: &Presented,
) -> Result<Authenticated, AuthnError> {
    for authenticator in authenticators {
        if let Some(authenticated) = authenticator.authenticate(presented).await? {
            return Ok(authenticated);
        }
    }
    Err(AuthnErrorKind::Unknown.into())
}
