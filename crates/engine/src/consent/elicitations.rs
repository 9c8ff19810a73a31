//! The form of 2025-11-25: an error that lists elicitations, and the news to the session that got it
//! once the account is connected, if its stream is open here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{ApprovalId, PrincipalId, ServerId, Sha256, hex};
use portcullis_mcp::{Revision, RpcError, code};
use serde_json::json;

use super::Opening;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::legacy::LegacyClient;

/// Most elicitations that are remembered, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 64;
/// As long as the address is good for.
const LIFETIME: Duration = Duration::from_mins(10);

/// Elicitations that sessions were told of and that nobody completed yet.
#[derive(Debug, Default)]
pub(crate) struct Elicitations(Mutex<HashMap<PrincipalId, Vec<Open>>>);

#[derive(Debug)]
pub(crate) struct Open {
    id: String,
    server: ServerId,
    /// The approval that is waited for, where it is no account.
    approval: Option<ApprovalId>,
    session: [u8; 32],
    since: Duration,
}

impl Elicitations {
    fn open(&self) -> MutexGuard<'_, HashMap<PrincipalId, Vec<Open>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What does not fit is not remembered: its session hears nothing, and asks again by itself.
    fn remember(&self, principal: &PrincipalId, one: Open) {
        let mut open = self.open();
        if !open.contains_key(principal) && open.len() >= MOST {
            return;
        }
        let own = open.entry(principal.clone()).or_default();
        if own.len() >= MOST_OF_ONE {
            own.remove(0);
        }
        own.push(one);
    }

    fn take(&self, principal: &PrincipalId, server: &ServerId) -> Vec<Open> {
        self.take_those(principal, |one| {
            one.approval.is_none() && one.server == *server
        })
    }

    /// Those about an approval.
    pub(crate) fn take_approval(&self, principal: &PrincipalId, id: &ApprovalId) -> Vec<Open> {
        self.take_those(principal, |one| one.approval.as_ref() == Some(id))
    }

    fn take_those(&self, principal: &PrincipalId, are: impl Fn(&Open) -> bool) -> Vec<Open> {
        let mut open = self.open();
        let Some(own) = open.get_mut(principal) else {
            return Vec::new();
        };
        let taken = own.extract_if(.., |one| are(one)).collect();
        if own.is_empty() {
            open.remove(principal);
        }
        taken
    }

    pub(crate) fn expire(&self, now: Duration) {
        self.open().retain(|_, own| {
            own.retain(|one| now.saturating_sub(one.since) < LIFETIME);
            !own.is_empty()
        });
    }
}

impl Gateway {
    /// `-32042` with an elicitation for each address; `None` where the client could not make anything
    /// of it.
    pub(crate) fn url_elicitations(
        &self,
        call: &Call,
        client: &LegacyClient,
        openings: Option<&[Opening]>,
        text: &str,
    ) -> Option<RpcError> {
        if client.revision != Revision::V2025_11_25 || !client.capabilities.opens_urls() {
            return None;
        }
        let openings = openings?;
        let mut elicitations = Vec::with_capacity(openings.len());
        for one in openings {
            let id = elicitation_id(&one.url);
            if let Some(session) = client.digest {
                let open = Open {
                    id: id.clone(),
                    server: one.server.clone(),
                    approval: one.approval.clone(),
                    session,
                    since: self.clock.monotonic(),
                };
                self.elicitations.remember(&call.principal.id, open);
            }
            elicitations.push(json!({
                "mode": "url",
                "elicitationId": id,
                "url": one.url,
                "message": one.reason,
            }));
        }
        let error = RpcError::new(code::URL_ELICITATION_REQUIRED, text);
        Some(error.with_data(&json!({"elicitations": elicitations})))
    }

    /// A principal's account at a server was connected, or disconnected: what was opened and learnt
    /// with another is forgotten, and the sessions of the principal that are listened to here are
    /// told.
    pub fn connection_changed(self: &Arc<Self>, principal: &PrincipalId, server: &ServerId) {
        let snapshot = self.snapshot();
        if let Some((_, entry)) = snapshot.named(server.as_str()) {
            entry.callers.forget(principal);
            entry.upstream.leave_sessions_of(principal);
        }
        for one in self.elicitations.take(principal, server) {
            self.elicitation_complete(principal, &one);
        }
        for list in ["tools", "prompts", "resources"] {
            let method = format!("notifications/{list}/list_changed");
            let text = json!({"jsonrpc": "2.0", "method": method});
            let text = text.to_string();
            self.listeners.tell(self, principal, server, None, &text);
        }
    }
}

impl Gateway {
    /// Tells the session that was sent to an address that what it is for is done (2025-11-25
    /// "Elicitation", "Completion Notifications for URL Mode Elicitation").
    pub(crate) fn elicitation_complete(&self, principal: &PrincipalId, one: &Open) {
        let text = json!({
            "jsonrpc": "2.0",
            "method": "notifications/elicitation/complete",
            "params": {"elicitationId": one.id},
        });
        let (session, text) = (Some(&one.session), text.to_string());
        self.listeners
            .tell(self, principal, &one.server, session, &text);
    }
}

/// Another for each address, and the same on every replica.
fn elicitation_id(url: &str) -> String {
    let digest = Sha256::new().part(b"elicitation").part(url.as_bytes());
    hex(&digest.finish())
}
