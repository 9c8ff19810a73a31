//! Approvals.

use async_trait::async_trait;
use portcullis_core::{ApprovalId, PrincipalId, ServerId, Timestamp};
use portcullis_store::{
    ApprovalRecord, ApprovalRoom, ApprovalState, ApprovalStore, Asked, Decided, Page, PageRequest,
    StoreError,
};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlApprovals {
    database: Database,
}

impl SqlApprovals {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

const GET: &str = "SELECT id, subject, owner, principal, server, sealed, state, asked_at, expires_at, decision \
     FROM approvals WHERE id = $1";
const LIVING: &str = "SELECT id, subject, owner, principal, server, sealed, state, asked_at, expires_at, decision \
     FROM approvals WHERE subject = $1 AND expires_at > $2 \
     AND state IN ('pending', 'granted', 'denied') ORDER BY id DESC LIMIT 1";
const LIST: &str = "SELECT id, subject, owner, principal, server, sealed, state, asked_at, expires_at, decision \
     FROM approvals WHERE ($1 = '' OR id < $1) AND ($2 = '' OR state = $2) ORDER BY id DESC LIMIT $3";

fn read(row: &Row, operation: Operation) -> Result<ApprovalRecord, StoreError> {
    let columns = Columns::of(row, operation);
    let state = ApprovalState::named(columns.get("state")?);
    Ok(ApprovalRecord {
        id: ApprovalId::from(columns.get::<&str>("id")?),
        subject: columns.bytes32("subject")?,
        owner: columns.get("owner")?,
        principal: PrincipalId::from(columns.get::<&str>("principal")?),
        server: ServerId::from(columns.get::<&str>("server")?),
        sealed: columns.get("sealed")?,
        state: state.ok_or_else(|| StoreError::corrupt(operation, "not a state of an approval"))?,
        asked_at: columns.timestamp("asked_at")?,
        expires_at: columns.timestamp("expires_at")?,
        decision: columns.get("decision")?,
    })
}

#[async_trait]
impl ApprovalStore for SqlApprovals {
    async fn ask(
        &self,
        record: &ApprovalRecord,
        room: ApprovalRoom,
        now: Timestamp,
    ) -> Result<Asked, StoreError> {
        const OPERATION: Operation = "approvals.ask";
        // The room is everybody's, so everybody who asks waits for whoever asks now.
        let alone = Alone::About("approvals", "ask");
        let mut transaction = self.database.begin(alone, OPERATION).await?;
        let there = query(LIVING)
            .bind(record.subject.as_slice())
            .bind(now.as_millis())
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        if let Some(there) = there {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Asked::There(Box::new(read(&there, OPERATION)?)));
        }
        let counted = query(
            "SELECT COUNT(*) AS of_all, COUNT(CASE WHEN owner = $1 THEN 1 END) AS of_one \
             FROM approvals WHERE state = 'pending' AND expires_at > $2",
        )
        .bind(&record.owner)
        .bind(now.as_millis())
        .fetch_one(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        let counted = Columns::of(&counted, OPERATION);
        if counted.number("of_all")? >= room.of_all || counted.number("of_one")? >= room.of_one {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Asked::Full);
        }
        let inserted = query(
            "INSERT INTO approvals (id, subject, owner, principal, server, sealed, state, asked_at, expires_at, decision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        )
        .bind(record.id.as_str())
        .bind(record.subject.as_slice())
        .bind(&record.owner)
        .bind(record.principal.as_str())
        .bind(record.server.as_str())
        .bind(&record.sealed)
        .bind(record.state.as_str())
        .bind(record.asked_at.as_millis())
        .bind(record.expires_at.as_millis())
        .bind(&record.decision)
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        if inserted.rows_affected() == 1 {
            return Ok(Asked::New);
        }
        let there = self.get(&record.id).await?;
        let there =
            there.ok_or_else(|| StoreError::corrupt(OPERATION, "neither kept nor there"))?;
        Ok(Asked::There(Box::new(there)))
    }

    async fn get(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, StoreError> {
        const OPERATION: Operation = "approvals.get";
        query(GET)
            .bind(id.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn find(
        &self,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        const OPERATION: Operation = "approvals.find";
        query(LIVING)
            .bind(subject.as_slice())
            .bind(now.as_millis())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn decide(
        &self,
        id: &ApprovalId,
        granted: bool,
        decision: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        const OPERATION: Operation = "approvals.decide";
        let state = if granted {
            ApprovalState::Granted
        } else {
            ApprovalState::Denied
        };
        let decided = query(
            "UPDATE approvals SET state = $2, decision = $3, expires_at = $4 \
             WHERE id = $1 AND state = 'pending' AND expires_at > $5",
        )
        .bind(id.as_str())
        .bind(state.as_str())
        .bind(decision)
        .bind(until.as_millis())
        .bind(now.as_millis())
        .execute(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?;
        if decided.rows_affected() == 1 {
            return Ok(Decided::Done);
        }
        let there = query(GET)
            .bind(id.as_str())
            .fetch_optional(&self.database.writer)
            .await
            .map_err(failed(OPERATION))?;
        match there {
            Some(row) => Ok(Decided::Over(Box::new(read(&row, OPERATION)?))),
            None => Ok(Decided::Unknown),
        }
    }

    async fn redeem(
        &self,
        id: &ApprovalId,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        query(
            "UPDATE approvals SET state = 'redeemed' \
             WHERE id = $1 AND subject = $2 AND state = 'granted' AND expires_at > $3",
        )
        .bind(id.as_str())
        .bind(subject.as_slice())
        .bind(now.as_millis())
        .execute(&self.database.writer)
        .await
        .map(|redeemed| redeemed.rows_affected() == 1)
        .map_err(failed("approvals.redeem"))
    }

    async fn expire(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApprovalRecord>, StoreError> {
        const OPERATION: Operation = "approvals.expire";
        // Most of the time there is none, and then nothing is written.
        let over = query(
            "SELECT id FROM approvals WHERE state = 'pending' AND expires_at <= $1 ORDER BY id LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let mut ended = Vec::with_capacity(over.len());
        for row in &over {
            let id: &str = Columns::of(row, OPERATION).get("id")?;
            let ours = query(
                "UPDATE approvals SET state = 'expired' \
                 WHERE id = $1 AND state = 'pending' AND expires_at <= $2 \
                 RETURNING id, subject, owner, principal, server, sealed, state, asked_at, expires_at, decision",
            )
            .bind(id)
            .bind(now.as_millis())
            .fetch_optional(&self.database.writer)
            .await
            .map_err(failed(OPERATION))?;
            if let Some(row) = ours {
                ended.push(read(&row, OPERATION)?);
            }
        }
        Ok(ended)
    }

    async fn list(
        &self,
        state: Option<ApprovalState>,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>, StoreError> {
        const OPERATION: Operation = "approvals.list";
        let limit = page.effective_limit();
        let rows = query(LIST)
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(state.map_or("", ApprovalState::as_str))
            .bind(saturated(limit + 1))
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| read(row, OPERATION))
            .collect::<Result<_, _>>()?;
        Ok(Page::from_probe(rows, limit, |one: &ApprovalRecord| {
            one.id.as_str().to_owned()
        }))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM approvals WHERE expires_at < $1 AND state <> 'pending'")
            .bind(before.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("approvals.purge"))
    }
}
