//! Teams, organizations, people, end users and toolsets.

use async_trait::async_trait;
use portcullis_store::{
    DirectoryStore, Entered, EntryChange, EntryKind, EntryRecord, Page, PageRequest, ReadEntry,
    StoreError, UnreadableEntry,
};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, Transaction, failed, next_change};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlDirectory {
    database: Database,
}

impl SqlDirectory {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Named, so that a column that a newer program adds does not change what a statement gives.
macro_rules! row {
    () => {
        "kind, id, name, version, body, deleted, changed_at, changed_by, seal, change"
    };
}

const GET: &str = concat!(
    "SELECT ",
    row!(),
    " FROM directory_entries WHERE kind = $1 AND id = $2"
);
const LIST: &str = concat!(
    "SELECT ",
    row!(),
    " FROM directory_entries WHERE kind = $1 AND id > $2 AND deleted = 0 ORDER BY id LIMIT $3"
);
const CHANGED: &str = concat!(
    "SELECT ",
    row!(),
    " FROM directory_entries WHERE change > $1 ORDER BY change LIMIT $2"
);
const INSERT: &str = "INSERT INTO directory_entries (name, version, body, deleted, changed_at, \
     changed_by, seal, change, kind, id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const UPDATE: &str = "UPDATE directory_entries SET name = $1, version = $2, body = $3, \
     deleted = $4, changed_at = $5, changed_by = $6, seal = $7, change = $8 \
     WHERE kind = $9 AND id = $10";

#[async_trait]
impl DirectoryStore for SqlDirectory {
    async fn enter(&self, record: &EntryRecord) -> Result<Entered, StoreError> {
        const OPERATION: Operation = "directory.enter";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        // The counter row lets one writer in at a time: what is read below stays true.
        let change = next_change(&mut transaction, "directory", OPERATION).await?;
        let refused = refusal(&mut transaction, record, OPERATION).await?;
        if let Some(refused) = refused {
            // The change number goes back with the rest.
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(refused);
        }
        let text = if record.version == 1 { INSERT } else { UPDATE };
        query(text)
            .bind(&record.name)
            .bind(saturated(record.version))
            .bind(&record.body)
            .bind(i64::from(record.deleted))
            .bind(record.changed_at.as_millis())
            .bind(&record.changed_by)
            .bind(record.seal.as_slice())
            .bind(change)
            .bind(record.kind.as_str())
            .bind(&record.id)
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Entered::Stored)
    }

    async fn get(&self, kind: EntryKind, id: &str) -> Result<Option<EntryRecord>, StoreError> {
        const OPERATION: Operation = "directory.get";
        query(GET)
            .bind(kind.as_str())
            .bind(id)
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn list(
        &self,
        kind: EntryKind,
        page: &PageRequest,
    ) -> Result<Page<ReadEntry>, StoreError> {
        const OPERATION: Operation = "directory.list";
        let limit = page.effective_limit();
        // Every id is greater than the empty text.
        let items = query(LIST)
            .bind(kind.as_str())
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(saturated(limit + 1))
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| try_read(row, OPERATION))
            .collect::<Result<_, _>>()?;
        Ok(Page::from_probe(items, limit, |entry: &ReadEntry| {
            let id = match entry {
                Ok(record) => &record.id,
                Err(unreadable) => &unreadable.id,
            };
            id.clone()
        }))
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EntryChange>, StoreError> {
        const OPERATION: Operation = "directory.changed_since";
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

/// Why a change cannot be made, if it cannot.
async fn refusal(
    transaction: &mut Transaction,
    record: &EntryRecord,
    operation: Operation,
) -> Result<Option<Entered>, StoreError> {
    let before = query("SELECT version FROM directory_entries WHERE kind = $1 AND id = $2")
        .bind(record.kind.as_str())
        .bind(&record.id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed(operation))?;
    let version = match &before {
        Some(row) => Columns::of(row, operation).number("version")?,
        None => 0,
    };
    if version.checked_add(1) != Some(record.version) {
        return Ok(Some(Entered::Stale));
    }
    let Some(name) = &record.name else {
        return Ok(None);
    };
    let other =
        query("SELECT id FROM directory_entries WHERE kind = $1 AND name = $2 AND id <> $3")
            .bind(record.kind.as_str())
            .bind(name)
            .bind(&record.id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(operation))?;
    Ok(other.map(|_| Entered::NameTaken))
}

/// A row whose id can be read.
fn try_read(row: &Row, operation: Operation) -> Result<ReadEntry, StoreError> {
    let columns = Columns::of(row, operation);
    let id: String = columns.get("id")?;
    let kind = EntryKind::named(columns.get("kind")?);
    Ok(read(row, operation).map_err(|source| UnreadableEntry { kind, id, source }))
}

fn read(row: &Row, operation: Operation) -> Result<EntryRecord, StoreError> {
    let columns = Columns::of(row, operation);
    let kind = EntryKind::named(columns.get("kind")?)
        .ok_or_else(|| StoreError::corrupt(operation, "not a kind of entry"))?;
    Ok(EntryRecord {
        kind,
        id: columns.get("id")?,
        name: columns.get("name")?,
        version: columns.number("version")?,
        body: columns.get("body")?,
        deleted: match columns.number("deleted")? {
            0 => false,
            1 => true,
            _ => {
                return Err(StoreError::corrupt(
                    operation,
                    "neither deleted nor standing",
                ));
            }
        },
        changed_at: columns.timestamp("changed_at")?,
        changed_by: columns.get("changed_by")?,
        seal: columns.seal("seal")?,
    })
}
