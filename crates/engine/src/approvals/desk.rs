//! Those who decide: what waits, and what they say to it.

use portcullis_core::{ApprovalId, ErrorKind, Principal, RequestId, Timestamp};
use portcullis_store::{ApprovalRecord, ApprovalState, Decided, Page, PageRequest, StoreError};

use super::ask::name_of;
use super::behalf::Says;
use super::sealed::{Decision, Details};
use super::{ApprovalError, ApprovalSettings};
use crate::audit::{CallerText, Surface, Target};
use crate::gateway::Gateway;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// Most that are ended at a time.
const MOST_ENDED: usize = 100;
/// How long what is over can still be looked at.
const KEPT: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the call may be made.
    pub granted: bool,
    /// Why, for the caller to read.
    pub reason: Option<String>,
}

/// An approval, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownApproval {
    /// Its id.
    pub id: ApprovalId,
    /// How it stands at this moment.
    pub state: ApprovalState,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when it stands so.
    pub expires_at: Timestamp,
    /// What is asked for; `None`: its row is not as it was sealed.
    pub what: Option<ShownCall>,
    /// What was decided.
    pub decision: Option<ShownDecision>,
}

/// The call that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCall {
    /// Who makes it.
    pub principal: String,
    /// What people call them, and on whose behalf they make it where several may.
    pub name: String,
    /// On which server.
    pub server: String,
    /// Of which tool.
    pub tool: String,
    /// With which arguments, as the caller wrote them; empty when there are none.
    pub arguments: String,
    /// By which rule an approval is needed.
    pub rule: String,
    user_id: Option<String>,
    on_behalf: Option<Says>,
}

/// A decision, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDecision {
    /// Whether the call may be made.
    pub granted: bool,
    /// Whose it is.
    pub by: String,
    /// What people call them.
    pub name: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl ShownApproval {
    /// Whether a decision can still be made.
    pub fn is_open(&self) -> bool {
        self.state == ApprovalState::Pending && self.what.is_some()
    }

    /// Whether this principal's call it is, under whichever of their credentials.
    pub fn is_of(&self, principal: &Principal) -> bool {
        self.what.as_ref().is_some_and(|what| {
            let user = principal.user_id.as_deref();
            let same_user = user.is_some() && what.user_id.as_deref() == user;
            same_user || what.principal == principal.id.as_str()
        })
    }

    /// Whether it may be this principal's own in any way, so that somebody else has to decide.
    pub fn may_be_of(&self, principal: &Principal) -> bool {
        let on_behalf = self.what.as_ref().and_then(|what| what.on_behalf.as_ref());
        self.is_of(principal) || on_behalf.is_some_and(|says| says.may_be(principal))
    }

    /// In one line, for the record.
    pub fn line(&self) -> String {
        match &self.what {
            Some(what) => format!(
                "{} {}/{} for {}",
                self.id, what.server, what.tool, what.principal
            ),
            None => self.id.to_string(),
        }
    }
}

impl Gateway {
    /// How long approvals last today.
    fn approval_settings(&self) -> ApprovalSettings {
        *self.snapshot().approvals()
    }

    /// What waits, the latest first; with a state, those only.
    pub async fn list_approvals(
        &self,
        by: &Principal,
        state: Option<ApprovalState>,
        page: &PageRequest,
    ) -> Result<Page<ShownApproval>, ApprovalError> {
        if !by.role.sees_approvals() {
            return Err(ApprovalError::NotShown);
        }
        let Page { items, next } = self.approvals.store.list(state, page).await?;
        let items = items.iter().map(|record| self.shown(record)).collect();
        Ok(Page { items, next })
    }

    /// One approval, for those who may see all of them and for whoever asked for it; for anybody else
    /// there is none.
    pub async fn approval(
        &self,
        by: &Principal,
        id: &ApprovalId,
    ) -> Result<ShownApproval, ApprovalError> {
        let record = self.approvals.store.get(id).await?;
        let shown = self.shown(&record.ok_or(ApprovalError::Unknown)?);
        if by.role.sees_approvals() || shown.is_of(by) {
            return Ok(shown);
        }
        Err(ApprovalError::Unknown)
    }

    /// Decides. Gives how it stands then.
    pub async fn decide_approval(
        &self,
        by: &Principal,
        id: &ApprovalId,
        verdict: &Verdict,
    ) -> Result<ShownApproval, ApprovalError> {
        if !by.role.decides_approvals() {
            return Err(ApprovalError::NotADecider);
        }
        let reason = verdict.reason.as_deref().map(str::trim);
        let reason = reason.filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
            return Err(ApprovalError::LongReason(LONGEST_REASON));
        }
        let now = self.clock.now();
        let record = self.approvals.store.get(id).await?;
        let record = record.ok_or(ApprovalError::Unknown)?;
        let details = Details::open(&*self.sealer, id, now, &record.sealed)?;
        let settings = self.approval_settings();
        if !settings.own && self.shown(&record).may_be_of(by) {
            return Err(ApprovalError::Own);
        }
        let until = now.after(if verdict.granted {
            settings.usable
        } else {
            settings.waiting
        });
        let decision = Decision {
            granted: verdict.granted,
            by: by.id.to_string(),
            name: name_of(by),
            reason: reason.map(str::to_owned),
            at: now.as_millis(),
            until: until.as_millis(),
        };
        let sealed = decision.seal(&*self.sealer, id, &details.subject, now)?;
        let store = &self.approvals.store;
        match store
            .decide(id, verdict.granted, &sealed, until, now)
            .await?
        {
            Decided::Done => {}
            Decided::Over(record) => return Err(ApprovalError::Over(standing(&record, now))),
            Decided::Unknown => return Err(ApprovalError::Unknown),
        }
        self.approval_decided(&details.principal.into(), id);
        let decided = store.get(id).await?.ok_or(ApprovalError::Unknown)?;
        Ok(self.shown(&decided))
    }

    /// Puts on record what nobody decided in time. Each is ended by one replica.
    pub async fn end_approvals(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        loop {
            let ended = self.approvals.store.expire(now, MOST_ENDED).await?;
            for record in &ended {
                let shown = self.shown(record);
                // An event is of a request; this one ends what a request began, under the id of that.
                let Some(id) = RequestId::read(record.id.as_str()) else {
                    continue;
                };
                let mut audit = self.audit.open(id, Surface::Admin);
                audit.method(CallerText::fixed("v1/approvals:expire"));
                audit.target(Target::approval(&shown.line()));
                audit.server(&record.server);
                audit.approval(record.id.as_str());
                audit.denied("approval_expired");
                audit.finish(ErrorKind::Timeout.into());
            }
            if ended.len() < MOST_ENDED {
                return Ok(());
            }
        }
    }

    /// Forgets what has been over for a week.
    pub async fn forget_approvals(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().before(KEPT);
        self.approvals.store.purge(before).await
    }

    fn shown(&self, record: &ApprovalRecord) -> ShownApproval {
        let now = self.clock.now();
        let (sealer, id) = (&*self.sealer, &record.id);
        let details = Details::open(sealer, id, now, &record.sealed).ok();
        let decision = details.as_ref().and_then(|details| {
            let sealed = record.decision.as_deref();
            Decision::open(sealer, id, &details.subject, now, sealed).ok()
        });
        if details.is_none() {
            tracing::error!(approval.id = %id, "an approval's row is not as it was sealed");
        }
        ShownApproval {
            id: id.clone(),
            state: standing(record, now),
            asked_at: record.asked_at,
            expires_at: record.expires_at,
            what: details.map(|details| ShownCall {
                principal: details.principal,
                name: match &details.on_behalf {
                    None => details.name,
                    Some(says) => format!("{}, on behalf of {}", details.name, says.shown()),
                },
                server: details.server,
                tool: details.tool,
                arguments: details.arguments,
                rule: details.rule,
                user_id: details.user_id,
                on_behalf: details.on_behalf,
            }),
            decision: decision.map(|decision| ShownDecision {
                granted: decision.granted,
                by: decision.by,
                name: decision.name,
                reason: decision.reason,
                at: Timestamp::from_millis(decision.at),
            }),
        }
    }
}

/// How it stands at this moment, whether or not that was put on record.
fn standing(record: &ApprovalRecord, now: Timestamp) -> ApprovalState {
    match record.state {
        ApprovalState::Pending | ApprovalState::Granted if record.expires_at <= now => {
            ApprovalState::Expired
        }
        state => state,
    }
}
