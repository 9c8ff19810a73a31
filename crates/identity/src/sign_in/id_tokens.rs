//! What a provider said of somebody when they signed in, kept as long as it is good: for acting as them
//! towards whoever trusts the same provider.

use std::fmt;
use std::sync::Arc;

use portcullis_core::{Clock, SecretValue, Sha256, Timestamp, hex};
use portcullis_store::{IdTokenRecord, IdTokenStore};
use portcullis_vault::{KeyRing, SealedBox};

use super::ConsentError;
use crate::Person;

/// Where a token lies, which its seal is bound to.
const TABLE: &str = "id_tokens";
const COLUMN: &str = "sealed";

/// The ID tokens of sign-ins, sealed, each at the place of its sign-in alone.
#[derive(Clone)]
pub struct IdTokens {
    store: Arc<dyn IdTokenStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
}

impl IdTokens {
    /// Kept there, sealed with this ring.
    pub fn new(store: Arc<dyn IdTokenStore>, ring: Arc<KeyRing>, clock: Arc<dyn Clock>) -> Self {
        Self { store, ring, clock }
    }

    /// Keeps the token of a sign-in until it ends.
    pub async fn keep(
        &self,
        person: &Person,
        token: &SecretValue,
        ends: Timestamp,
    ) -> Result<(), ConsentError> {
        let digest = digest(person);
        let text = token.expose().as_bytes();
        let sealed = self.ring.seal_row(TABLE, &hex(&digest), COLUMN, text)?;
        let record = IdTokenRecord {
            digest,
            sealed: sealed.as_bytes().to_vec(),
            expires_at: ends,
        };
        Ok(self.store.keep(&record).await?)
    }

    /// The token of a sign-in, if there is one that has not ended. One that was moved from another
    /// sign-in does not open.
    pub async fn of(&self, person: &Person) -> Result<Option<SecretValue>, ConsentError> {
        let digest = digest(person);
        let Some(record) = self.store.get(&digest, self.clock.now()).await? else {
            return Ok(None);
        };
        let sealed = SealedBox::from_bytes(record.sealed);
        let text = self.ring.open_row(TABLE, &hex(&digest), COLUMN, &sealed)?;
        let text = String::from_utf8_lossy(&text);
        Ok(Some(SecretValue::new(text.into_owned())))
    }

    /// Forgets the token of a sign-in that ended.
    pub async fn forget(&self, person: &Person) -> Result<(), ConsentError> {
        Ok(self.store.forget(&digest(person)).await?)
    }
}

fn digest(person: &Person) -> [u8; 32] {
    Sha256::new()
        .part(b"id token")
        .part(person.session.as_bytes())
        .finish()
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdTokens")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{ManualClock, SystemEntropy, sha256};
    use portcullis_store::memory;

    use super::*;
    use crate::{KeyHolder, Proved};

    fn somebody(session: &str) -> Person {
        Person {
            session: session.to_owned(),
            signed_in_at: Timestamp::from_secs(0),
            proved: Proved::Key(KeyHolder {
                principal: "alice".into(),
                key_id: None,
                fingerprint: sha256(b"key"),
            }),
        }
    }

    #[tokio::test]
    async fn a_token_is_its_own_sign_ins_until_it_ends_and_lies_sealed() {
        let clock = Arc::new(ManualClock::at_millis(1_000_000));
        let ring = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
        let store = memory::stores().id_tokens;
        let tokens = IdTokens::new(Arc::clone(&store), Arc::new(ring), clock.clone());
        let (alice, bob) = (somebody("a"), somebody("b"));
        let (token, ends) = (SecretValue::new("x.canary.z"), Timestamp::from_secs(1060));
        tokens.keep(&alice, &token, ends).await.unwrap();
        assert_eq!(tokens.of(&alice).await.unwrap(), Some(token.clone()));
        assert_eq!(tokens.of(&bob).await.unwrap(), None);

        let record = store.get(&digest(&alice), clock.now()).await.unwrap();
        let mut record = record.unwrap();
        assert!(!String::from_utf8_lossy(&record.sealed).contains("canary"));
        record.digest = digest(&bob);
        store.keep(&record).await.unwrap();
        assert!(tokens.of(&bob).await.is_err(), "a moved row does not open");

        clock.advance(Duration::from_mins(1));
        assert_eq!(tokens.of(&alice).await.unwrap(), None, "it has ended");
        let later = Timestamp::from_secs(9999);
        tokens.keep(&alice, &token, later).await.unwrap();
        tokens.forget(&alice).await.unwrap();
        assert_eq!(tokens.of(&alice).await.unwrap(), None);
    }
}
