//! One-time values.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed, StoreError};

use crate::columns::Columns;
use crate::database::{Alone, Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlOneTimes {
    database: Database,
}

impl SqlOneTimes {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl OneTimeStore for SqlOneTimes {
    async fn put(&self, record: &OneTimeRecord) -> Result<bool, StoreError> {
        query(
            "INSERT INTO one_time_values (usage, digest, sealed, expires_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (usage, digest) DO NOTHING",
        )
        .bind(record.usage.as_str())
        .bind(record.digest.as_slice())
        .bind(record.sealed.as_slice())
        .bind(record.expires_at.as_millis())
        .execute(&self.database.writer)
        .await
        .map(|inserted| inserted.rows_affected() == 1)
        .map_err(failed("one_time.put"))
    }

    async fn put_within(
        &self,
        record: &OneTimeRecord,
        room: u64,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        const OPERATION: &str = "one_time.put_within";
        let alone = Alone::About("one_time_values", record.usage.as_str());
        let mut transaction = self.database.begin(alone, OPERATION).await?;
        let counted = query(
            "SELECT COUNT(*) AS kept FROM one_time_values \
             WHERE usage = $1 AND used = 0 AND expires_at > $2",
        )
        .bind(record.usage.as_str())
        .bind(now.as_millis())
        .fetch_one(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        if Columns::of(&counted, OPERATION).number("kept")? >= room {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Put::Full);
        }
        let inserted = query(
            "INSERT INTO one_time_values (usage, digest, sealed, expires_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (usage, digest) DO NOTHING",
        )
        .bind(record.usage.as_str())
        .bind(record.digest.as_slice())
        .bind(record.sealed.as_slice())
        .bind(record.expires_at.as_millis())
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(match inserted.rows_affected() {
            1 => Put::Kept,
            _ => Put::Taken,
        })
    }

    async fn redeem(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        const OPERATION: &str = "one_time.redeem";
        // One statement decides; the second only says why the first found nothing, which cannot
        // change back: what is used or over stays so.
        let redeemed = query(
            "UPDATE one_time_values SET used = 1 \
             WHERE usage = $1 AND digest = $2 AND used = 0 AND expires_at > $3 RETURNING sealed",
        )
        .bind(usage.as_str())
        .bind(digest.as_slice())
        .bind(now.as_millis())
        .fetch_optional(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?;
        if let Some(row) = redeemed {
            let sealed = Columns::of(&row, OPERATION).get("sealed")?;
            return Ok(Redeemed::Value(sealed));
        }
        let found =
            query("SELECT sealed, used FROM one_time_values WHERE usage = $1 AND digest = $2")
                .bind(usage.as_str())
                .bind(digest.as_slice())
                .fetch_optional(&self.database.writer)
                .await
                .map_err(failed(OPERATION))?;
        let Some(row) = found else {
            return Ok(Redeemed::Unknown);
        };
        let columns = Columns::of(&row, OPERATION);
        if columns.number("used")? == 0 {
            return Ok(Redeemed::Expired);
        }
        Ok(Redeemed::AlreadyUsed(columns.get("sealed")?))
    }

    async fn peek(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        const OPERATION: &str = "one_time.peek";
        query(
            "SELECT sealed FROM one_time_values \
             WHERE usage = $1 AND digest = $2 AND used = 0 AND expires_at > $3",
        )
        .bind(usage.as_str())
        .bind(digest.as_slice())
        .bind(now.as_millis())
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| Columns::of(&row, OPERATION).get("sealed"))
        .transpose()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM one_time_values WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("one_time.purge"))
    }
}
