//! Recognises the keys that we issued.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::KeyId;

use crate::person::StillHeld;
use crate::{
    Authenticated, Authenticator, AuthnError, AuthnErrorKind, KeyForm, KeyHolder, KeyIndex,
    Presented,
};

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

    async fn still(&self, holder: &KeyHolder) -> StillHeld {
        let id = holder.key_id.as_ref()?;
        let found = self.index.of_id(id)?;
        // An id of ours names one key for ever, so its fingerprint says nothing more.
        match found {
            Ok(principal) if principal.id != holder.principal => None,
            found => Some(found),
        }
    }

    fn named(&self, name: &str) -> StillHeld {
        let known = self.index.of_id(&KeyId::from(name));
        known.or_else(|| self.index.of_id(&self.index.id_of_alias(name)?))
    }
}
