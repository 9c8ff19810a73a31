//! What a caller is told who may do nothing at all on the one server of an endpoint: at its door, with
//! 403 in every era, so that no client takes a session or an empty list for a yes.

use std::sync::Arc;

use http::StatusCode;
use portcullis_mcp::{Envelope, Kind, Method, Revision};
use portcullis_policy::Denied;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::legacy::{answer, method_text, step_up};
use crate::prepare::note_subject;
use crate::relay::error_answer;

impl Gateway {
    /// Refuses whatever a message asks for; what that is goes on record.
    pub async fn refuse_barred(
        self: &Arc<Self>,
        mut call: Call,
        envelope: Option<&Envelope<'_>>,
        denied: Denied,
    ) -> Answer {
        let id = envelope.and_then(|envelope| {
            let (id, method) = match envelope.kind {
                Kind::Request { id, method } => (Some(id.as_json()), method),
                Kind::Notification { method } => (None, method),
                Kind::Response { .. } => return None,
            };
            let known = [Revision::V2026_07_28, Revision::V2025_11_25]
                .into_iter()
                .find_map(|revision| Some((revision, Method::lookup(method, revision)?)));
            let revision = known.map_or(Revision::V2026_07_28, |(revision, _)| revision);
            call.audit.method(method_text(method, revision));
            if let Some((_, known)) = known
                && let Ok(subject) = known.subject(envelope.params())
            {
                note_subject(&mut call, &subject);
            }
            id
        });
        call.audit.denied(denied.label());
        let error = EngineError::from(denied);
        let (_, outcome, text) = error_answer(&error, call.id, id);
        let id = id.unwrap_or("null");
        match error.required_scopes() {
            Some(required) => step_up(call, outcome, text, id, required).await,
            None => answer(call, StatusCode::FORBIDDEN, outcome, text, id).await,
        }
    }
}
