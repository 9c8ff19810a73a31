//! A call that needs an approval: it is used if there is one, and asked for if there is none.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_core::{ApprovalId, ErrorKind, Principal, PrincipalKind, Sha256, Timestamp, hex};
use portcullis_credentials::Errand;
use portcullis_mcp::{Members, Method, code, digest_without};
use portcullis_policy::Approval;
use portcullis_store::{ApprovalRecord, ApprovalRoom, ApprovalState, Asked};
use serde_json::value::RawValue;

use super::behalf::Behalf;
use super::sealed::{Decision, Details, written};
use super::{ApprovalError, Held, Refused};
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::prepare::{Prepared, protocol};
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
pub(crate) struct Waiting<'a, 'b> {
    pub(crate) entry: &'b Arc<ServerEntry>,
    /// The tool, as its server spells it.
    pub(crate) tool: &'b str,
    /// As the caller wrote them.
    pub(crate) arguments: Option<&'a RawValue>,
    /// By which rule.
    pub(crate) rule: Cow<'static, str>,
    /// On whose behalf, where the caller alone does not say it.
    pub(crate) behalf: Option<Behalf>,
}

/// The approval that a call was found to have. It is used up by the last step before the call goes out, so
/// that whatever refuses the call before leaves it for the next attempt.
#[derive(Debug)]
pub(crate) struct Granted<'a> {
    record: ApprovalRecord,
    subject: [u8; 32],
    until: Timestamp,
    arguments: Option<&'a RawValue>,
    rule: Cow<'static, str>,
    behalf: Option<Behalf>,
}

impl Granted<'_> {
    /// What the policy is shown.
    pub(crate) fn approval(&self, call: &Call, waiting: &Waiting<'_, '_>) -> Approval {
        Approval {
            id: self.record.id.as_str().into(),
            principal: call.principal.id.clone(),
            server: waiting.entry.id.clone(),
            tool: waiting.tool.to_owned(),
        }
    }
}

impl Gateway {
    /// The approval of a call; or why there is none. One that nobody asked for yet is asked for.
    pub(crate) async fn approved<'a>(
        &self,
        call: &mut Call,
        waiting: &Waiting<'a, '_>,
    ) -> Result<Granted<'a>, EngineError> {
        let subject = subject(call, waiting)?;
        let now = self.clock.now();
        let found = self.approvals.store.find(&subject, now).await;
        let found = found.map_err(|error| unavailable(error.into()))?;
        require_the_one_meant(call, found.as_ref())?;
        let record = match found {
            Some(record) if record.state == ApprovalState::Granted => {
                let decision = self.decision_of(&record, &subject, now)?;
                if !decision.granted || decision.until <= now.as_millis() {
                    return Err(unavailable(ApprovalError::Damaged));
                }
                call.audit.approval(record.id.as_str());
                return Ok(Granted {
                    record,
                    subject,
                    until: Timestamp::from_millis(decision.until),
                    arguments: waiting.arguments,
                    rule: waiting.rule.clone(),
                    behalf: waiting.behalf.clone(),
                });
            }
            Some(record) => record,
            None => self.asked(call, waiting, &subject).await?,
        };
        Err(self.hold_back(call, waiting, &record, &subject))
    }

    /// Uses up the approval of a call that is about to go out, if it needs one and is the first to. Without a
    /// credential for the server it would not go out, and keeps its approval.
    pub(crate) async fn use_approval(
        &self,
        call: &mut Call,
        prepared: &Prepared<'_>,
    ) -> Result<(), EngineError> {
        match &prepared.granted {
            None => Ok(()),
            // Boxed: every call would carry its room otherwise.
            Some(granted) => Box::pin(self.redeem(call, prepared, granted)).await,
        }
    }

    async fn redeem(
        &self,
        call: &mut Call,
        prepared: &Prepared<'_>,
        granted: &Granted<'_>,
    ) -> Result<(), EngineError> {
        let Granted {
            record, subject, ..
        } = granted;
        let errand = Errand::Method(Method::ToolsCall.as_str());
        self.obtain(&prepared.entry, &prepared.evidence, errand)
            .await?;
        let now = self.clock.now();
        if now < granted.until {
            let redeemed = self.approvals.store.redeem(&record.id, subject, now).await;
            if redeemed.map_err(|error| unavailable(error.into()))? {
                return Ok(());
            }
        }
        // Another call was faster, and took it. This one does not go out.
        call.held.give_back(ErrorKind::RateLimited.into()).await;
        require_the_one_meant(call, None)?;
        let waiting = Waiting {
            entry: &prepared.entry,
            tool: &prepared.subject,
            arguments: granted.arguments,
            rule: granted.rule.clone(),
            behalf: granted.behalf.clone(),
        };
        let record = self.asked(call, &waiting, subject).await?;
        Err(self.hold_back(call, &waiting, &record, subject))
    }

    /// The call is not made now; what it waits for is on record, and told.
    fn hold_back(
        &self,
        call: &mut Call,
        waiting: &Waiting<'_, '_>,
        record: &ApprovalRecord,
        subject: &[u8; 32],
    ) -> EngineError {
        call.audit.approval(record.id.as_str());
        match self.held(call, waiting, record, subject) {
            Ok(held) => {
                match &held.refused {
                    None => call.audit.held(waiting.rule.clone()),
                    Some(_) => call.audit.denied("approval_denied"),
                }
                EngineError::ApprovalRequired(Box::new(held))
            }
            Err(error) => error,
        }
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
        waiting: &Waiting<'_, '_>,
        subject: &[u8; 32],
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
            rule: waiting.rule.to_string(),
            on_behalf: waiting.behalf.as_ref().map(Behalf::says),
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
        waiting: &Waiting<'_, '_>,
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
fn subject(call: &Call, waiting: &Waiting<'_, '_>) -> Result<[u8; 32], EngineError> {
    let invalid = || protocol(code::INVALID_PARAMS, "params.arguments must be an object");
    let arguments = match waiting.arguments {
        None => Members::default(),
        Some(raw) => Members::of(raw).map_err(|_| invalid())?,
    };
    let subject = Sha256::new()
        .part(b"approval")
        .part(call.principal.id.as_str().as_bytes())
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
    Ok(match &waiting.behalf {
        None => subject.finish(),
        Some(behalf) => subject.part(behalf.digest()).finish(),
    })
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
