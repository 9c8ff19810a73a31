//! What servers' tools looked like.

use async_trait::async_trait;
use portcullis_store::{PinChange, PinObjects, PinPlace, PinRecord, PinStore, StoreError};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, Transaction, failed, next_change};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlPins {
    database: Database,
}

impl SqlPins {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl PinStore for SqlPins {
    async fn put(&self, changes: &[PinChange]) -> Result<Vec<bool>, StoreError> {
        const OPERATION: Operation = "pins.put";
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let mut written = Vec::with_capacity(changes.len());
        for change in changes {
            // The first number takes the counter's row: whoever else writes pins waits, in whichever order.
            let number = next_change(&mut transaction, "pins", OPERATION).await?;
            written.push(put(&mut transaction, change, number, OPERATION).await?);
        }
        if !written.contains(&true) {
            // The change numbers go back with the rest.
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(written);
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(written)
    }

    async fn get(&self, place: &PinPlace) -> Result<Option<(PinRecord, PinObjects)>, StoreError> {
        const OPERATION: Operation = "pins.get";
        let row = query(
            "SELECT server, kind, name, pinned, pinned_object, seen, seen_object, version, \
             changed_at, changed_by, seal FROM pins \
             WHERE server = $1 AND kind = $2 AND name = $3",
        )
        .bind(place.server.as_str())
        .bind(&place.kind)
        .bind(&place.name)
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns::of(&row, OPERATION);
        let objects = PinObjects {
            pinned: columns.get("pinned_object")?,
            seen: columns.get("seen_object")?,
        };
        Ok(Some((read(&row, OPERATION)?, objects)))
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, PinRecord)>, StoreError> {
        const OPERATION: Operation = "pins.changed_since";
        query(
            "SELECT server, kind, name, pinned, seen, version, changed_at, changed_by, seal, change \
             FROM pins WHERE change > $1 ORDER BY change LIMIT $2",
        )
        .bind(saturated(after))
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| {
            let change = Columns::of(row, OPERATION).number("change")?;
            Ok((change, read(row, OPERATION)?))
        })
        .collect()
    }
}

async fn put(
    transaction: &mut Transaction,
    change: &PinChange,
    number: i64,
    operation: Operation,
) -> Result<bool, StoreError> {
    let record = &change.record;
    let statement = match change.follows {
        None => query(
            "INSERT INTO pins (server, kind, name, pinned, pinned_object, seen, seen_object, \
             version, changed_at, changed_by, seal, change) \
             VALUES ($1, $2, $3, $4, COALESCE($5, ''), $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (server, kind, name) DO NOTHING",
        ),
        Some(_) => query(
            "UPDATE pins SET pinned = $4, pinned_object = COALESCE($5, pinned_object), seen = $6, \
             seen_object = $7, version = $8, changed_at = $9, changed_by = $10, seal = $11, \
             change = $12 WHERE server = $1 AND kind = $2 AND name = $3 AND version = $13",
        ),
    };
    let statement = statement
        .bind(record.place.server.as_str())
        .bind(&record.place.kind)
        .bind(&record.place.name)
        .bind(record.pinned.as_ref().map(<[u8; 32]>::as_slice))
        .bind(change.pinned.as_deref())
        .bind(record.seen.as_ref().map(<[u8; 32]>::as_slice))
        .bind(change.seen.as_deref())
        .bind(saturated(record.version))
        .bind(record.changed_at.as_millis())
        .bind(&record.changed_by)
        .bind(record.seal.as_slice())
        .bind(number);
    let statement = match change.follows {
        None => statement,
        Some(version) => statement.bind(saturated(version)),
    };
    let written = statement.execute(transaction).await;
    Ok(written.map_err(failed(operation))?.rows_affected() > 0)
}

fn read(row: &Row, operation: Operation) -> Result<PinRecord, StoreError> {
    let columns = Columns::of(row, operation);
    let server: String = columns.get("server")?;
    Ok(PinRecord {
        place: PinPlace {
            server: server.into(),
            kind: columns.get("kind")?,
            name: columns.get("name")?,
        },
        pinned: digest(&columns, "pinned")?,
        seen: digest(&columns, "seen")?,
        version: columns.number("version")?,
        changed_at: columns.timestamp("changed_at")?,
        changed_by: columns.get("changed_by")?,
        seal: columns.seal("seal")?,
    })
}

/// One of another length is no digest that anything has, and its row's seal does not hold: it must not keep
/// the other rows from being read.
fn digest(columns: &Columns<'_>, name: &'static str) -> Result<Option<[u8; 32]>, StoreError> {
    let bytes: Option<&[u8]> = columns.get(name)?;
    Ok(bytes.map(|bytes| bytes.try_into().unwrap_or_default()))
}
