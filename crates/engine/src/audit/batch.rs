//! Batches: one HTTP request, hence one event, which says of each message what an event of its own
//! would.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::ServerId;
use portcullis_credentials::CredentialKind;
use serde::Serialize;

use super::event::{credential_kind, decision, hex_bytes, outcome};
use super::{AuditEvent, CallerText, Decision, Outcome, Target};

/// One message of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct BatchedMessage {
    /// How it ended.
    #[serde(serialize_with = "outcome")]
    pub outcome: Outcome,
    /// The JSON-RPC method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<CallerText>,
    /// The server it resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// What was asked for there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What policy said.
    #[serde(serialize_with = "decision")]
    pub decision: Decision,
    /// Which rule said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'static, str>>,
    /// The approval that it waits for, or that it used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<str>>,
    /// What kind of credential was presented upstream.
    #[serde(
        serialize_with = "credential_kind",
        skip_serializing_if = "Option::is_none"
    )]
    pub credential: Option<CredentialKind>,
    /// The upstream's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// Keyed MAC of the arguments.
    #[serde(serialize_with = "hex_bytes", skip_serializing_if = "Option::is_none")]
    pub arguments_hash: Option<[u8; 32]>,
}

impl From<AuditEvent> for BatchedMessage {
    fn from(event: AuditEvent) -> Self {
        Self {
            outcome: event.outcome,
            method: event.method,
            server: event.server,
            target: event.target,
            decision: event.decision,
            rule: event.rule,
            approval: event.approval,
            credential: event.credential,
            upstream_status: event.upstream_status,
            arguments_hash: event.arguments_hash,
        }
    }
}

/// The messages of a batch that have ended, in the order in which they stand in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts(Arc<Mutex<Vec<Option<BatchedMessage>>>>);

/// Where one of them is noted.
#[derive(Debug)]
pub(super) struct Part {
    parts: Parts,
    place: usize,
}

impl Parts {
    pub(super) fn next(&self) -> Part {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(None);
        Part {
            parts: self.clone(),
            place: messages.len() - 1,
        }
    }

    fn take(&self) -> Vec<BatchedMessage> {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *messages)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Puts them into the event of the whole: what they have in common stands there too. A batch of
    /// which one message was denied was denied; it ended well if they all did, else like the first
    /// that did not.
    pub(super) fn sum_up(&self, event: &mut AuditEvent) {
        let messages = self.take();
        if event.outcome == Outcome::Ok
            && let Some(failed) = messages.iter().find(|one| one.outcome != Outcome::Ok)
        {
            event.outcome = failed.outcome;
        }
        let mut servers = messages.iter().filter_map(|one| one.server.as_ref());
        if let Some(first) = servers.next()
            && servers.all(|other| other == first)
        {
            event.server = Some(first.clone());
        }
        let decided = [Decision::Deny, Decision::RequireApproval, Decision::Allow]
            .into_iter()
            .find_map(|wanted| messages.iter().find(|one| one.decision == wanted));
        if let Some(decided) = decided {
            event.decision = decided.decision;
            event.rule.clone_from(&decided.rule);
        }
        event.batch = messages;
    }
}

impl Part {
    /// What is known of it while it runs.
    pub(super) fn so_far(&self, event: AuditEvent) {
        let mut messages = self.parts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = messages.get_mut(self.place) {
            *place = Some(event.into());
        }
    }

    /// What it came to.
    pub(super) fn note(self, event: AuditEvent) {
        self.so_far(event);
    }
}
