//! Values that are good once, each where its use wants it.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed, StoreError};

/// Two stores, of which each use has one, always the same: a value that cannot be asked for is not looked
/// for in the other, where it could be used a second time.
#[derive(Debug)]
pub struct OneTimesByUse {
    /// For uses whose values may be forgotten.
    pub forgetful: Arc<dyn OneTimeStore>,
    /// For the others.
    pub lasting: Arc<dyn OneTimeStore>,
}

impl OneTimesByUse {
    fn of(&self, usage: OneTimeUse) -> &dyn OneTimeStore {
        if usage.may_be_forgotten() {
            &*self.forgetful
        } else {
            &*self.lasting
        }
    }
}

#[async_trait]
impl OneTimeStore for OneTimesByUse {
    async fn put(&self, record: &OneTimeRecord) -> Result<bool, StoreError> {
        self.of(record.usage).put(record).await
    }

    async fn put_within(
        &self,
        record: &OneTimeRecord,
        room: u64,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        self.of(record.usage).put_within(record, room, now).await
    }

    async fn redeem(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        self.of(usage).redeem(usage, digest, now).await
    }

    async fn peek(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.of(usage).peek(usage, digest, now).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        // One that is away does not keep the other untidy.
        let forgetful = self.forgetful.purge(now).await;
        let lasting = self.lasting.purge(now).await?;
        Ok(forgetful?.saturating_add(lasting))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::sha256;

    use super::*;
    use crate::memory;

    #[tokio::test]
    async fn each_use_has_one_place_and_no_other() {
        let (forgetful, lasting) = (memory::stores().one_time, memory::stores().one_time);
        let both = OneTimesByUse {
            forgetful: Arc::clone(&forgetful),
            lasting: Arc::clone(&lasting),
        };
        let now = Timestamp::from_millis(1);
        for (usage, place) in [
            (OneTimeUse::AuthorizationCode, &forgetful),
            (OneTimeUse::AuthorizationRequest, &forgetful),
            (OneTimeUse::SignInState, &forgetful),
            (OneTimeUse::UpstreamState, &forgetful),
            // Forgotten, it would let an assertion in a second time.
            (OneTimeUse::AssertionId, &lasting),
        ] {
            let digest = sha256(usage.as_str().as_bytes());
            let record = OneTimeRecord {
                usage,
                digest,
                sealed: vec![1],
                expires_at: Timestamp::from_millis(1000),
            };
            assert!(both.put(&record).await.unwrap());
            let found = place.redeem(usage, &digest, now).await.unwrap();
            assert_eq!(found, Redeemed::Value(vec![1]), "{}", usage.as_str());
            let again = both.redeem(usage, &digest, now).await.unwrap();
            assert_eq!(again, Redeemed::AlreadyUsed(vec![1]));
        }
        let over = Timestamp::from_millis(2000);
        assert_eq!(both.purge(over).await.unwrap(), 5);
    }
}
