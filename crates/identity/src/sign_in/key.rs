//! A key of ours, typed into our own page.

use portcullis_core::ApiKey;

use crate::{Authentication, AuthnError, CredentialSource, KeyHolder, Presented, Proved};

impl Authentication {
    /// Whose key this is, to sign them in. Only keys of ours are looked at: a token that somebody
    /// pasted is shown to nobody.
    pub async fn holder_of(&self, key: ApiKey) -> Result<Proved, AuthnError> {
        let presented = Presented::new(CredentialSource::KeyHeader, key);
        let found = self.recognise_key(&presented).await?.principal;
        self.revocations().judge(&found).await?;
        Ok(Proved::Key(KeyHolder {
            principal: found.id.clone(),
            key_id: found.key_id.clone(),
            fingerprint: *presented.fingerprint(),
        }))
    }
}
