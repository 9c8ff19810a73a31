//! A call that needs an approval: it is used if there is one, and asked for if there is none.

use std::sync::Arc;

use portcullis_core::{ApprovalId, Principal, PrincipalKind, Sha256, Timestamp, hex};
use portcullis_mcp::{Members, code, digest_without};
use portcullis_policy::{Approval, Denied};
use portcullis_store::{ApprovalRecord, ApprovalRoom, ApprovalState, Asked};
use serde_json::value::RawValue;

use super::sealed::{Decision, Details, written};
use super::{ApprovalError, Held, Refused};
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::snapshot::ServerEntry;

/// How many calls may wait for a decision: what people can look through.
const ROOM: ApprovalRoom = ApprovalRoom {
    of_all: 1000,
    of_one: 32,
};
/// The longest arguments that anybody is asked to judge.
const MOST_ARGUMENT_BYTES: usize = 64 * 1024;
/// Among whom the room of strangers is shared.
const STRANGERS: &str = "strangers";

/// A call that needs an approval.
pub(crate) struct Waiting<'a> {
    pub(crate) entry: &'a Arc<ServerEntry>,
    /// The tool, as its server spells it.
    pub(crate) tool: &'a str,
    /// As the caller wrote them.
    pub(crate) arguments: Option<&'a RawValue>,
    /// By which rule.
    pub(crate) denied: &'a Denied,
}

impl Gateway {
    /// The approval of a call, used up by this; or why there is none. One that nobody asked for yet is
    /// asked for.
    pub(crate) async fn approved(
        &self,
        call: &mut Call,
        waiting: &Waiting<'_>,
    ) -> Result<Approval, EngineError> {
        let rule = waiting.denied.label();
        let subject = subject(&call.principal, waiting)?;
        let found = self.approvals.store.find(&subject, self.clock.now()).await;
        let mut found = found.map_err(|error| unavailable(error.into()))?;
        require_the_one_meant(call, found.as_ref())?;
        if let Some(record) = &found
            && record.state == ApprovalState::Granted
        {
            if let Some(approval) = self.used(call, waiting, record, &subject).await? {
                call.audit.approval(&approval.id);
                return Ok(approval);
            }
            // Another call was faster, and took it.
            found = None;
        }
        let record = match found {
            Some(record) => record,
            None => self.asked(call, waiting, &subject, &rule).await?,
        };
        call.audit.approval(record.id.as_str());
        let held = self.held(call, waiting, &record, &subject)?;
        match &held.refused {
            None => call.audit.held(rule),
            Some(_) => call.audit.denied("approval_denied"),
        }
        Err(EngineError::ApprovalRequired(Box::new(held)))
    }

    /// Uses an approval, if this call is the first to.
    async fn used(
        &self,
        call: &Call,
        waiting: &Waiting<'_>,
        record: &ApprovalRecord,
        subject: &[u8; 32],
    ) -> Result<Option<Approval>, EngineError> {
        let now = self.clock.now();
        let decision = self.decision_of(record, subject, now)?;
        if !decision.granted || decision.until <= now.as_millis() {
            return Err(unavailable(ApprovalError::Damaged));
        }
        let redeemed = self.approvals.store.redeem(&record.id, subject, now).await;
        let redeemed = redeemed.map_err(|error| unavailable(error.into()))?;
        Ok(redeemed.then(|| Approval {
            id: record.id.as_str().into(),
            principal: call.principal.id.clone(),
            server: waiting.entry.id.clone(),
            tool: waiting.tool.to_owned(),
        }))
    }

    fn decision_of(
        &self,
        record: &ApprovalRecord,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<Decision, EngineError> {
        let (sealer, sealed) = (&*self.sealer, record.decision.as_deref());
        Decision::open(sealer, &record.id, &written(subject), now, sealed).map_err(unavailable)
    }

    /// Asks whoever may decide.
    async fn asked(
        &self,
        call: &Call,
        waiting: &Waiting<'_>,
        subject: &[u8; 32],
        rule: &str,
    ) -> Result<ApprovalRecord, EngineError> {
        let arguments = waiting.arguments.map_or("", RawValue::get);
        if arguments.len() > MOST_ARGUMENT_BYTES {
            let text = format!(
                "this call needs an approval, and nobody is asked to judge arguments of more than {MOST_ARGUMENT_BYTES} bytes"
            );
            return Err(protocol(code::INVALID_PARAMS, text));
        }
        let now = self.clock.now();
        let id = id_of(call, subject, now);
        let principal = &call.principal;
        let details = Details {
            subject: written(subject),
            principal: principal.id.to_string(),
            name: name_of(principal),
            user_id: principal.user_id.as_deref().map(str::to_owned),
            server: waiting.entry.id.to_string(),
            tool: waiting.tool.to_owned(),
            arguments: arguments.to_owned(),
            rule: rule.to_owned(),
        };
        let record = ApprovalRecord {
            subject: *subject,
            owner: match principal.kind {
                PrincipalKind::Delegated => STRANGERS.to_owned(),
                _ => principal.id.to_string(),
            },
            principal: principal.id.clone(),
            server: waiting.entry.id.clone(),
            sealed: details.seal(&*self.sealer, &id, now).map_err(unavailable)?,
            state: ApprovalState::Pending,
            asked_at: now,
            expires_at: now.after(self.snapshot().approvals().waiting),
            decision: None,
            id,
        };
        let asked = self.approvals.store.ask(&record, ROOM, now).await;
        match asked.map_err(|error| unavailable(error.into()))? {
            Asked::New => Ok(record),
            // Another request was faster; what it found granted it may use, not this one.
            Asked::There(there) => Ok(*there),
            Asked::Full => Err(EngineError::TooMany("calls that wait for an approval")),
        }
    }

    fn held(
        &self,
        call: &Call,
        waiting: &Waiting<'_>,
        record: &ApprovalRecord,
        subject: &[u8; 32],
    ) -> Result<Held, EngineError> {
        let refused = match record.state {
            ApprovalState::Denied => {
                let decision = self.decision_of(record, subject, self.clock.now())?;
                Some(Refused {
                    reason: decision.reason,
                })
            }
            _ => None,
        };
        let origin = call.origin.as_ref();
        Ok(Held {
            url: origin.map(|origin| format!("{origin}/approvals/{}", record.id)),
            id: record.id.clone(),
            server: waiting.entry.id.clone(),
            tool: waiting.tool.to_owned(),
            refused,
            until: record.expires_at,
            usable: self.snapshot().approvals().usable,
        })
    }
}

/// Whoever names an approval means that one and no other.
fn require_the_one_meant(call: &Call, found: Option<&ApprovalRecord>) -> Result<(), EngineError> {
    let Some(meant) = &call.approval else {
        return Ok(());
    };
    if found.is_some_and(|found| found.id == *meant) {
        return Ok(());
    }
    let text = "approval_id names no approval of this very call that could be used: it is for another call, was used, or its time is over; leave it out to ask anew";
    Err(protocol(code::INVALID_PARAMS, text))
}

/// What exactly is approved. Arguments that are printed anew are the same: member order, white space and
/// the spelling of strings do not count, numbers count as their text.
fn subject(principal: &Principal, waiting: &Waiting<'_>) -> Result<[u8; 32], EngineError> {
    let invalid = || protocol(code::INVALID_PARAMS, "params.arguments must be an object");
    let arguments = match waiting.arguments {
        None => Members::default(),
        Some(raw) => Members::of(raw).map_err(|_| invalid())?,
    };
    let subject = Sha256::new()
        .part(b"approval")
        .part(principal.id.as_str().as_bytes())
        .part(waiting.entry.id.as_str().as_bytes())
        // Whoever gives the name to another server does not get its approvals with it.
        .part(
            waiting
                .entry
                .upstream
                .server()
                .endpoint
                .identity()
                .as_bytes(),
        )
        .part(waiting.tool.as_bytes())
        .part(&digest_without(&arguments, &[]));
    Ok(subject.finish())
}

/// In the order of time, and another for each request.
fn id_of(call: &Call, subject: &[u8; 32], now: Timestamp) -> ApprovalId {
    let request = Sha256::new().part(&call.id.digits()).part(subject).finish();
    let mut digits = format!("{:012x}{}", now.as_millis(), hex(&request));
    digits.truncate(32);
    ApprovalId::from(digits)
}

/// What people call a caller.
pub(super) fn name_of(principal: &Principal) -> String {
    let known = principal.email.as_deref().or(principal.user_id.as_deref());
    match known {
        Some(known) => known.to_owned(),
        None if principal.kind == PrincipalKind::Delegated => "anonymous(delegated)".to_owned(),
        None => principal.id.to_string(),
    }
}

/// Whether a call was approved cannot be told: the closed answer to doubt.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
pub(super) fn unavailable(error: ApprovalError) -> EngineError {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "whether a call is approved cannot be told: it is not made"
    );
    EngineError::ApprovalsUnavailable
}
