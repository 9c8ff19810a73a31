//! Virtual keys.

use async_trait::async_trait;
use portcullis_core::{KeyId, Timestamp};
use portcullis_store::{
    ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, Page, PageRequest, ReadKey, Replaced,
    StoreError, UnreadableKey,
};

use crate::columns::{Columns, grants_column, saturated};
use crate::database::{Alone, Database, Operation, Row, failed, next_change};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlApiKeys {
    database: Database,
}

impl SqlApiKeys {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Named, so that a column that a newer program adds does not change what a statement gives: PostgreSQL
/// refuses to run one that was prepared before that.
macro_rules! row {
    () => {
        "id, mac, alias, user_id, team, org, role, grants, scopes, created_at, created_by, \
         expires_at, revoked_at, metadata, seal, change"
    };
}

const GET: &str = concat!("SELECT ", row!(), " FROM api_keys WHERE id = $1");
const LIST: &str = concat!(
    "SELECT ",
    row!(),
    " FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2"
);
const CHANGED: &str = concat!(
    "SELECT ",
    row!(),
    " FROM api_keys WHERE change > $1 ORDER BY change LIMIT $2"
);
const REVOKE: &str = concat!(
    "UPDATE api_keys SET revoked_at = $1, change = $2 \
     WHERE id = $3 AND revoked_at IS NULL RETURNING ",
    row!()
);

#[async_trait]
impl ApiKeyStore for SqlApiKeys {
    async fn insert(&self, record: &ApiKeyRecord) -> Result<Inserted, StoreError> {
        const OPERATION: Operation = "api_keys.insert";
        let grants = grants_column(&record.grants, OPERATION)?;
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "api_keys", OPERATION).await?;
        let inserted = query(
            "INSERT INTO api_keys (id, mac, alias, user_id, team, org, role, grants, scopes, \
             created_at, created_by, expires_at, revoked_at, metadata, seal, change) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
             ON CONFLICT DO NOTHING",
        )
        .bind(record.id.as_str())
        .bind(record.mac.as_slice())
        .bind(&record.alias)
        .bind(&record.user_id)
        .bind(&record.team)
        .bind(&record.org)
        .bind(record.role.as_str())
        .bind(grants)
        .bind(record.scopes.to_string())
        .bind(record.created_at.as_millis())
        .bind(&record.created_by)
        .bind(record.expires_at.map(Timestamp::as_millis))
        .bind(record.revoked_at.map(Timestamp::as_millis))
        .bind(&record.metadata)
        .bind(record.seal.as_slice())
        .bind(change)
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        if inserted.rows_affected() == 0 {
            // The change number goes back with the rest.
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Inserted::Duplicate);
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Inserted::Stored)
    }

    async fn replace(
        &self,
        record: &ApiKeyRecord,
        seen: &[u8; 32],
    ) -> Result<Replaced, StoreError> {
        const OPERATION: Operation = "api_keys.replace";
        let grants = grants_column(&record.grants, OPERATION)?;
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        // The counter row lets one writer in at a time: what is read below stays true.
        let change = next_change(&mut transaction, "api_keys", OPERATION).await?;
        let taken = match &record.alias {
            None => None,
            Some(alias) => query("SELECT id FROM api_keys WHERE alias = $1 AND id <> $2")
                .bind(alias)
                .bind(record.id.as_str())
                .fetch_optional(&mut transaction)
                .await
                .map_err(failed(OPERATION))?,
        };
        let replaced = if taken.is_some() {
            Replaced::AliasTaken
        } else {
            let changed = query(
                "UPDATE api_keys SET alias = $1, user_id = $2, team = $3, org = $4, role = $5, \
                 grants = $6, scopes = $7, created_at = $8, created_by = $9, expires_at = $10, \
                 metadata = $11, seal = $12, change = $13 \
                 WHERE id = $14 AND mac = $15 AND seal = $16 AND revoked_at IS NULL",
            )
            .bind(&record.alias)
            .bind(&record.user_id)
            .bind(&record.team)
            .bind(&record.org)
            .bind(record.role.as_str())
            .bind(grants)
            .bind(record.scopes.to_string())
            .bind(record.created_at.as_millis())
            .bind(&record.created_by)
            .bind(record.expires_at.map(Timestamp::as_millis))
            .bind(&record.metadata)
            .bind(record.seal.as_slice())
            .bind(change)
            .bind(record.id.as_str())
            .bind(record.mac.as_slice())
            .bind(seen.as_slice())
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
            if changed.rows_affected() == 1 {
                Replaced::Stored
            } else {
                Replaced::Stale
            }
        };
        if replaced == Replaced::Stored {
            transaction.commit().await.map_err(failed(OPERATION))?;
        } else {
            // The change number goes back.
            transaction.rollback().await.map_err(failed(OPERATION))?;
        }
        Ok(replaced)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        const OPERATION: Operation = "api_keys.get";
        query(GET)
            .bind(id.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<ReadKey>, StoreError> {
        const OPERATION: Operation = "api_keys.list";
        let limit = page.effective_limit();
        // Every id is greater than the empty text; a condition with `OR` would scan from the start.
        let items = query(LIST)
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(saturated(limit + 1))
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| try_read(row, OPERATION))
            .collect::<Result<_, _>>()?;
        Ok(Page::from_probe(items, limit, |key: &ReadKey| {
            let id = match key {
                Ok(record) => &record.id,
                Err(unreadable) => &unreadable.id,
            };
            id.as_str().to_owned()
        }))
    }

    async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKeyRecord>, StoreError> {
        const OPERATION: Operation = "api_keys.revoke";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "api_keys", OPERATION).await?;
        let revoked = query(REVOKE)
            .bind(now.as_millis())
            .bind(change)
            .bind(id.as_str())
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        let Some(row) = revoked else {
            // Unknown, or revoked before: the change number goes back.
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return self.get(id).await;
        };
        // Committed before it is read: a row whose other columns are damaged is revoked all the same.
        transaction.commit().await.map_err(failed(OPERATION))?;
        read(&row, OPERATION).map(Some)
    }

    async fn changed_since(&self, after: u64, limit: usize) -> Result<Vec<KeyChange>, StoreError> {
        const OPERATION: Operation = "api_keys.changed_since";
        query(CHANGED)
            .bind(saturated(after))
            .bind(saturated(limit))
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| {
                let change = Columns::of(row, OPERATION).number("change")?;
                Ok((change, try_read(row, OPERATION)?))
            })
            .collect()
    }
}

/// A row whose id can be read.
fn try_read(row: &Row, operation: Operation) -> Result<ReadKey, StoreError> {
    let id = KeyId::from(Columns::of(row, operation).get::<&str>("id")?);
    Ok(read(row, operation).map_err(|source| UnreadableKey { id, source }))
}

fn read(row: &Row, operation: Operation) -> Result<ApiKeyRecord, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(ApiKeyRecord {
        id: KeyId::from(columns.get::<&str>("id")?),
        mac: columns.bytes32("mac")?,
        alias: columns.get("alias")?,
        user_id: columns.get("user_id")?,
        team: columns.get("team")?,
        org: columns.get("org")?,
        role: columns.role("role")?,
        grants: columns.grants("grants")?,
        scopes: columns.scopes("scopes")?,
        created_at: columns.timestamp("created_at")?,
        created_by: columns.get("created_by")?,
        expires_at: columns.optional_timestamp("expires_at")?,
        revoked_at: columns.optional_timestamp("revoked_at")?,
        metadata: columns.get("metadata")?,
        seal: columns.seal("seal")?,
    })
}
