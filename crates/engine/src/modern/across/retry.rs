//! The retry that brings a client's answers, and the sealed state by which it finds its call.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Purpose, ReplicaId};
use portcullis_mcp::eras::modern_client::Terms;
use portcullis_mcp::{Envelope, Members, Method, RpcError, code, string_of};
use portcullis_policy::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Asking;
use super::parked::LIFETIME;
use super::running::{Running, Underway};
use crate::call::Call;
use crate::error::EngineError;
use crate::exchange::Note;
use crate::filter::{AnswerFilter, state_binding};
use crate::gateway::Gateway;
use crate::modern::request::what_is_asked;
use crate::prepare::protocol;
use crate::snapshot::ServerEntry;

/// How long a person may take to open addresses: nothing waits for it.
const ADDRESSES_LIFETIME: Duration = Duration::from_hours(1);

/// What a retry leads to.
pub(super) enum Retried {
    /// The server did nothing so far: the call is made again.
    Anew,
    /// The call that was parked.
    GoesOn(Box<Underway>),
    /// The client's user does not want to; the answer that says so.
    Declined(String),
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
enum Waits {
    /// A call that this replica holds.
    Call { replica: String, number: u64 },
    /// Nothing: addresses are to be opened before the call can be made.
    Addresses,
}

impl Gateway {
    pub(super) fn seal_parked(
        &self,
        filter: &AnswerFilter,
        asked: &[u8; 32],
        number: u64,
    ) -> Result<String, EngineError> {
        let replica = self.replica_id().as_str().to_owned();
        self.seal_waits(filter, asked, &Waits::Call { replica, number }, LIFETIME)
    }

    pub(super) fn seal_addresses(
        &self,
        filter: &AnswerFilter,
        asked: &[u8; 32],
    ) -> Result<String, EngineError> {
        self.seal_waits(filter, asked, &Waits::Addresses, ADDRESSES_LIFETIME)
    }

    fn seal_waits(
        &self,
        filter: &AnswerFilter,
        asked: &[u8; 32],
        waits: &Waits,
        lifetime: Duration,
    ) -> Result<String, EngineError> {
        let plain = serde_json::to_vec(waits).map_err(|_| EngineError::KeyRing)?;
        let expires = self.clock.now().after(lifetime);
        let binding = filter.state_binding(asked);
        self.sealer
            .seal(Purpose::McpParkedState, &binding, expires, &plain)
            .map_err(|_| EngineError::KeyRing)
    }

    /// Whether a stateless request brings the answer to what one that is parked asked. It is none of its
    /// own: it goes on with that one, which is taken once, or is refused.
    pub(crate) fn goes_on(
        &self,
        call: &Call,
        entry: &ServerEntry,
        method: Method,
        subject: &str,
        envelope: &Envelope<'_>,
    ) -> bool {
        let state = envelope
            .params()
            .and_then(|params| params.get("requestState"));
        let Some(sealed) = state.and_then(string_of) else {
            return false;
        };
        let asked = what_is_asked(method, envelope);
        let binding = state_binding(&call.principal, entry, method, subject, &asked);
        let (purpose, now) = (Purpose::McpParkedState, self.clock.now());
        let opened = self.sealer.open(purpose, &binding, now, &sealed).ok();
        let waits = opened.and_then(|plain| serde_json::from_slice::<Waits>(&plain).ok());
        matches!(waits, Some(Waits::Call { .. }))
    }

    /// What a request leads to that comes with the state of an earlier one; `None`: it comes without.
    pub(super) async fn retried(
        self: &Arc<Self>,
        call: &mut Call,
        filter: &AnswerFilter,
        evidence: &Evidence,
        terms: &Terms,
        asking: &Asking<'_>,
    ) -> Result<Option<Retried>, EngineError> {
        let Some(params) = asking.envelope.params() else {
            return Ok(None);
        };
        let Some(raw) = params.get("requestState") else {
            return Ok(None);
        };
        let invalid = || protocol(code::INVALID_PARAMS, "invalid requestState");
        let sealed = string_of(raw).ok_or_else(invalid)?;
        let binding = filter.state_binding(&asking.asked);
        let now = self.clock.now();
        let waits = self
            .sealer
            .open(Purpose::McpParkedState, &binding, now, &sealed)
            .ok()
            .and_then(|plain| serde_json::from_slice::<Waits>(&plain).ok())
            .ok_or_else(invalid)?;
        let responses = params.get("inputResponses");
        let number = match waits {
            Waits::Addresses => return opened(responses, asking).map(Some),
            Waits::Call { replica, .. } if replica != self.replica_id().as_str() => {
                let replica = ReplicaId::read(&replica).ok_or_else(invalid)?;
                return Err(EngineError::Elsewhere(replica));
            }
            Waits::Call { number, .. } => number,
        };
        let gone = || {
            let text = "this call does not wait any more, or was answered already: make it anew";
            protocol(code::INVALID_PARAMS, text)
        };
        let mut taken = self
            .parked
            .take(number, &call.principal.id)
            .ok_or_else(gone)?;
        let answers = {
            let running = taken.running().ok_or_else(gone)?;
            // Whoever acts as somebody else at the server now has no part in that session.
            if running.evidence.acting() != evidence.acting()
                || !Arc::ptr_eq(&running.filter.entry.upstream, &filter.entry.upstream)
            {
                return Err(gone());
            }
            let given = running.conversation.answered(responses);
            given.map_err(EngineError::Protocol)?
        };
        let mut running = taken.goes_on().ok_or_else(gone)?;
        // What it took when it began, it has until it ends: this request has taken nothing of its own.
        call.held = std::mem::take(&mut running.held);
        let presented = std::mem::take(&mut running.filter.presented);
        running.filter = filter.clone();
        running.filter.presented = presented;
        running.evidence = evidence.clone();
        running.conversation.goes_on(terms.clone());
        running.source.waits_anew();
        // From here on, a client that leaves has cancelled.
        let mut underway = Underway::resumed(self, running);
        let answers = answers.into_iter().filter_map(|given| given.response);
        self.bring(call, &mut underway, answers.collect()).await?;
        Ok(Some(Retried::GoesOn(Box::new(underway))))
    }

    /// Brings the client's answers to the server, each with a credential of its own.
    async fn bring(
        &self,
        call: &mut Call,
        underway: &mut Underway,
        answers: Vec<String>,
    ) -> Result<(), EngineError> {
        let Some(running) = underway.running() else {
            return Ok(());
        };
        let Running {
            filter,
            evidence,
            session,
            ..
        } = running;
        for answer in answers {
            let mut note = Note::default();
            let told = {
                let telling =
                    Box::pin(self.tell_noting(&filter.entry, evidence, session, answer, &mut note));
                self.while_standing(&call.principal, &call.admission, telling)
                    .await
            };
            note.record(&mut call.audit);
            filter.presented.add(Some(told?));
        }
        Ok(())
    }
}

/// Whether the client's user opened the addresses, as far as the client says.
fn opened(responses: Option<&RawValue>, asking: &Asking<'_>) -> Result<Retried, EngineError> {
    let malformed = || {
        let text = "params.inputResponses: not an answer to an elicitation";
        protocol(code::INVALID_PARAMS, text)
    };
    let Some(responses) = responses else {
        return Ok(Retried::Anew);
    };
    let responses = Members::of(responses).map_err(|_| malformed())?;
    for (_, raw) in responses.iter() {
        let answer = Members::of(raw).map_err(|_| malformed())?;
        let word = match answer.string("action").as_deref() {
            Some("accept") => continue,
            Some("decline") => "declined",
            Some("cancel") => "cancelled",
            _ => return Err(malformed()),
        };
        let text = format!("The server did nothing: the user {word} what it asked for first.");
        let error = RpcError::new(code::INTERNAL_ERROR, text.as_str());
        let text = crate::consent::answered(Some(asking.method), true, asking.id, &text, &error);
        return Ok(Retried::Declined(text));
    }
    Ok(Retried::Anew)
}
