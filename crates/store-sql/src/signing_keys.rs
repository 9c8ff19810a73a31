//! Signing keys: one table for each purpose, so that a key never signs for another.

use async_trait::async_trait;
use portcullis_store::{SigningKeyRecord, SigningKeyStore, StoreError};

use crate::columns::Columns;
use crate::database::{Alone, Database, failed};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlSigningKeys {
    database: Database,
    statements: &'static Statements,
}

/// The same statements about different tables.
#[derive(Debug)]
struct Statements {
    /// Of several that follow one key only one is appended.
    alone: &'static str,
    list: &'static str,
    append: &'static str,
    remove: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            alone: concat!("LOCK TABLE ", $table, " IN SHARE ROW EXCLUSIVE MODE"),
            list: concat!(
                "SELECT kid, algorithm, sealed_key, signs_from FROM ",
                $table,
                " ORDER BY number"
            ),
            append: concat!(
                "INSERT INTO ",
                $table,
                " (kid, algorithm, sealed_key, signs_from) SELECT $1, $2, $3, $4 \
                 WHERE (SELECT kid FROM ",
                $table,
                " WHERE algorithm = $2 ORDER BY number DESC LIMIT 1) IS NOT DISTINCT FROM $5"
            ),
            remove: concat!("DELETE FROM ", $table, " WHERE kid = $1"),
        }
    };
}

static UPSTREAM: Statements = statements!("signing_keys");
static AUTHORIZATION: Statements = statements!("authorization_keys");

impl SqlSigningKeys {
    /// Keys that sign for upstream servers.
    pub(crate) const fn for_upstream(database: Database) -> Self {
        Self {
            database,
            statements: &UPSTREAM,
        }
    }

    /// Keys that sign our own access tokens.
    pub(crate) const fn for_authorization(database: Database) -> Self {
        Self {
            database,
            statements: &AUTHORIZATION,
        }
    }
}

#[async_trait]
impl SigningKeyStore for SqlSigningKeys {
    async fn list(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        const OPERATION: &str = "signing_keys.list";
        query(self.statements.list)
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| {
                let columns = Columns::of(row, OPERATION);
                Ok(SigningKeyRecord {
                    kid: columns.get("kid")?,
                    algorithm: columns.get("algorithm")?,
                    sealed_key: columns.get("sealed_key")?,
                    signs_from: columns.timestamp("signs_from")?,
                })
            })
            .collect()
    }

    async fn append(
        &self,
        record: &SigningKeyRecord,
        follows: Option<&str>,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "signing_keys.append";
        let alone = Alone::InTable(self.statements.alone);
        let mut transaction = self.database.begin(alone, OPERATION).await?;
        let inserted = query(self.statements.append)
            .bind(&record.kid)
            .bind(&record.algorithm)
            .bind(&record.sealed_key)
            .bind(record.signs_from.as_millis())
            .bind(follows)
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(inserted.rows_affected() == 1)
    }

    async fn remove(&self, kid: &str) -> Result<(), StoreError> {
        query(self.statements.remove)
            .bind(kid)
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("signing_keys.remove"))
    }
}
