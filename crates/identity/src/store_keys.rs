//! Recognises the keys that we issued.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Presented;
use crate::{Authenticated, Authenticator, AuthnError, AuthnErrorKind, KeyForm, KeyIndex};

/// Store keys, through the index.
#[derive(Clone, Debug)]
pub struct StoreKeys {
    index: Arc<KeyIndex>,
}

impl StoreKeys {
    /// Asks this index.
    pub const fn new(index: Arc<KeyIndex>) -> Self {
        Self { index }
    }
}

#[async_trait]
impl Authenticator for StoreKeys {
    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let key = presented.key();
        match KeyForm::of(key.expose()) {
            KeyForm::Foreign => Ok(None),
            KeyForm::Malformed => Err(AuthnErrorKind::Malformed.into()),
            KeyForm::Ours(id) => {
                let principal = self.index.check(&id, key)?;
                Ok(Some(Authenticated { principal }))
            }
        }
    }
}
