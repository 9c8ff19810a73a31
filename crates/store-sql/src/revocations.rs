//! The revocation list.

use async_trait::async_trait;
use portcullis_core::{KeyId, RevocationId, Timestamp};
use portcullis_store::{
    Inserted, Lifted, Page, PageRequest, ReadRevocation, RevocationRecord, RevocationStore,
    RevokedTarget, StoreError, UnreadableRevocation,
};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, failed, next_change};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlRevocations {
    database: Database,
}

impl SqlRevocations {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Named, as those of keys are.
macro_rules! row {
    () => {
        "id, kind, issuer, name, cut_off, reason, created_at, created_by, until, lifted_at, \
         lifted_by, seal, change"
    };
}

const GET: &str = concat!("SELECT ", row!(), " FROM revocations WHERE id = $1");
const LIST: &str = concat!(
    "SELECT ",
    row!(),
    " FROM revocations WHERE id > $1 \
     AND lifted_at IS NULL AND (until IS NULL OR until > $2) ORDER BY id LIMIT $3"
);
const CHANGED: &str = concat!(
    "SELECT ",
    row!(),
    " FROM revocations WHERE change > $1 ORDER BY change LIMIT $2"
);

#[async_trait]
impl RevocationStore for SqlRevocations {
    async fn add(&self, record: &RevocationRecord) -> Result<Inserted, StoreError> {
        const OPERATION: Operation = "revocations.add";
        let target = TargetColumns::of(&record.target);
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "revocations", OPERATION).await?;
        let inserted = query(
            "INSERT INTO revocations (id, kind, issuer, name, cut_off, reason, created_at, \
             created_by, until, lifted_at, lifted_by, seal, change) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT DO NOTHING",
        )
        .bind(record.id.as_str())
        .bind(target.kind)
        .bind(target.issuer)
        .bind(target.name)
        .bind(target.cut_off.map(Timestamp::as_millis))
        .bind(&record.reason)
        .bind(record.created_at.as_millis())
        .bind(&record.created_by)
        .bind(record.until.map(Timestamp::as_millis))
        .bind(record.lifted.as_ref().map(|lifted| lifted.at.as_millis()))
        .bind(record.lifted.as_ref().map(|lifted| lifted.by.as_str()))
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

    async fn get(&self, id: &RevocationId) -> Result<Option<RevocationRecord>, StoreError> {
        const OPERATION: Operation = "revocations.get";
        query(GET)
            .bind(id.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn list(
        &self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ReadRevocation>, StoreError> {
        const OPERATION: Operation = "revocations.list";
        let limit = page.effective_limit();
        let rows = query(LIST)
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(now.as_millis())
            .bind(saturated(limit + 1))
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| try_read(row, OPERATION))
            .collect::<Result<_, _>>()?;
        Ok(Page::from_probe(rows, limit, |entry: &ReadRevocation| {
            let id = match entry {
                Ok(record) => &record.id,
                Err(unreadable) => &unreadable.id,
            };
            id.as_str().to_owned()
        }))
    }

    async fn lift(
        &self,
        id: &RevocationId,
        lifted: &Lifted,
        seal: &[u8; 32],
    ) -> Result<bool, StoreError> {
        const OPERATION: Operation = "revocations.lift";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "revocations", OPERATION).await?;
        let changed = query(
            "UPDATE revocations SET lifted_at = $1, lifted_by = $2, seal = $3, change = $4 \
             WHERE id = $5 AND lifted_at IS NULL",
        )
        .bind(lifted.at.as_millis())
        .bind(&lifted.by)
        .bind(seal.as_slice())
        .bind(change)
        .bind(id.as_str())
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        if changed.rows_affected() == 0 {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(false);
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(true)
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReadRevocation)>, StoreError> {
        const OPERATION: Operation = "revocations.changed_since";
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

    async fn standing(&self, now: Timestamp) -> Result<Vec<RevocationId>, StoreError> {
        const OPERATION: Operation = "revocations.standing";
        let rows = query(
            "SELECT id FROM revocations \
             WHERE lifted_at IS NULL AND (until IS NULL OR until > $1)",
        )
        .bind(now.as_millis())
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let id = |row| Columns::of(row, OPERATION).get::<&str>("id");
        rows.iter()
            .map(|row| id(row).map(RevocationId::from))
            .collect()
    }

    async fn purge(&self, now: Timestamp, lifted: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM revocations WHERE until < $1 OR lifted_at < $2")
            .bind(now.as_millis())
            .bind(lifted.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("revocations.purge"))
    }
}

/// A target, as its columns.
struct TargetColumns<'a> {
    kind: &'static str,
    issuer: Option<&'a str>,
    name: Option<&'a str>,
    cut_off: Option<Timestamp>,
}

impl<'a> TargetColumns<'a> {
    fn of(target: &'a RevokedTarget) -> Self {
        let columns = |kind, issuer, name, cut_off| Self {
            kind,
            issuer,
            name,
            cut_off,
        };
        match target {
            RevokedTarget::Key { id } => columns("key", None, Some(id.as_str()), None),
            RevokedTarget::User { user_id, before } => {
                columns("user", None, Some(user_id.as_str()), Some(*before))
            }
            RevokedTarget::Token { issuer, jti } => {
                columns("jti", Some(issuer.as_str()), Some(jti.as_str()), None)
            }
            RevokedTarget::Session { issuer, sid } => {
                columns("sid", Some(issuer.as_str()), Some(sid.as_str()), None)
            }
            RevokedTarget::Subject {
                issuer,
                sub,
                before,
            } => columns(
                "sub",
                Some(issuer.as_str()),
                Some(sub.as_str()),
                Some(*before),
            ),
            RevokedTarget::Issuer { issuer, before } => {
                columns("iss", Some(issuer.as_str()), None, Some(*before))
            }
        }
    }
}

/// A row whose id can be read.
fn try_read(row: &Row, operation: Operation) -> Result<ReadRevocation, StoreError> {
    let id = RevocationId::from(Columns::of(row, operation).get::<&str>("id")?);
    Ok(read(row, operation).map_err(|source| UnreadableRevocation { id, source }))
}

fn read(row: &Row, operation: Operation) -> Result<RevocationRecord, StoreError> {
    let columns = Columns::of(row, operation);
    // What a kind needs must be there: the driver would read an empty text out of a NULL.
    let missing = || StoreError::corrupt(operation, "a revocation without what its kind needs");
    let text = |name| columns.get::<Option<String>>(name)?.ok_or_else(missing);
    let cut_off = || columns.optional_timestamp("cut_off")?.ok_or_else(missing);
    let target = match columns.get("kind")? {
        "key" => RevokedTarget::Key {
            id: KeyId::from(text("name")?),
        },
        "user" => RevokedTarget::User {
            user_id: text("name")?,
            before: cut_off()?,
        },
        "jti" => RevokedTarget::Token {
            issuer: text("issuer")?,
            jti: text("name")?,
        },
        "sid" => RevokedTarget::Session {
            issuer: text("issuer")?,
            sid: text("name")?,
        },
        "sub" => RevokedTarget::Subject {
            issuer: text("issuer")?,
            sub: text("name")?,
            before: cut_off()?,
        },
        "iss" => RevokedTarget::Issuer {
            issuer: text("issuer")?,
            before: cut_off()?,
        },
        _ => return Err(StoreError::corrupt(operation, "not a kind of revocation")),
    };
    let lifted = match columns.optional_timestamp("lifted_at")? {
        None => None,
        Some(at) => Some(Lifted {
            at,
            by: text("lifted_by")?,
        }),
    };
    Ok(RevocationRecord {
        id: RevocationId::from(columns.get::<&str>("id")?),
        target,
        reason: columns.get("reason")?,
        created_at: columns.timestamp("created_at")?,
        created_by: columns.get("created_by")?,
        until: columns.optional_timestamp("until")?,
        lifted,
        seal: columns.seal("seal")?,
    })
}
