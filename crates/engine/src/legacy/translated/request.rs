//! Which requests are translated, and how their answers begin.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use portcullis_mcp::Method;
use portcullis_mcp::eras::legacy_client;
use portcullis_policy::{Evidence, Operation};
use portcullis_upstream::UpstreamErrorKind;
use tokio::sync::oneshot;

use super::super::LegacyClient;
use super::conversation::Conversation;
use super::delivery::Delivery;
use super::recording::Recording;
use super::tapes::Tapes;
use super::told::Told;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::EngineError;
use crate::exchange::Note;
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::presented::Presented;
use crate::relay::error_answer;
use crate::snapshot::ServerEntry;
use crate::uris::Abroad;
use crate::view::View;

/// A request that policy let through, for a server that opens no sessions.
#[derive(Debug)]
pub(in super::super) struct Translated {
    pub(in super::super) entry: Arc<ServerEntry>,
    pub(in super::super) evidence: Evidence,
    pub(in super::super) method: Method,
    /// The client's message, with the server's own names in it.
    pub(in super::super) text: String,
    /// What it asks for, as the server spells it.
    pub(in super::super) subject: String,
    /// The aggregate that the answer is for; `None` on the server's own endpoint.
    pub(in super::super) abroad: Option<Arc<Abroad>>,
    /// What of the client's headers goes along.
    pub(in super::super) headers: HeaderMap,
}

/// How the answer to a client's POST begins.
#[derive(Debug)]
pub(super) enum Beginning {
    /// With all of it.
    Whole(Answer),
    /// With a stream of what happens until it is there.
    Stream,
}

impl Gateway {
    /// Whether this server is known to open no sessions, and to serve requests without.
    pub(crate) async fn translates(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
    ) -> Result<bool, EngineError> {
        Ok(entry.upstream.opens_no_sessions() && self.speaks_modern(entry, evidence).await?)
    }

    /// Whether a session was not opened because of that. Nothing was done then.
    pub(crate) async fn proved_stateless(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        error: &EngineError,
    ) -> bool {
        matches!(error, EngineError::Upstream(error) if error.kind == UpstreamErrorKind::Era)
            && self.speaks_modern(entry, evidence).await.unwrap_or(false)
    }

    /// Answers a request by translation.
    pub(in super::super) async fn translated(
        self: &Arc<Self>,
        call: Call,
        view: &View,
        client: &LegacyClient,
        id: &str,
        request: Translated,
    ) -> Answer {
        if super::local::is_local(request.method) {
            return self.answered_here(call, view, client, id, &request).await;
        }
        let translation = &self.translation;
        let place = translation
            .running
            .admit(&call.principal.id, client.digest, id);
        let Some(place) = place else {
            let error = EngineError::TooMany("calls of yours under way");
            return self
                .legacy_failed(call, client, request.method.as_str(), id, error)
                .await;
        };
        self.hear_if_wanted(&call, client, &request.entry, &request.evidence);
        let push = request.entry.upstream.server().push;
        let declared = match client.wish(push) {
            Ok(wish) => legacy_client::declared(&wish.capabilities, client.revision),
            Err(error) => {
                return self
                    .legacy_failed(call, client, request.method.as_str(), id, error)
                    .await;
            }
        };
        let filter = AnswerFilter {
            method: request.method,
            modern: true,
            entry: Arc::clone(&request.entry),
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            listens: Operation::Use,
            subject: request.subject.clone(),
            presented: Presented::default(),
            declared: None,
            watched: Vec::new(),
            asked: None,
            abroad: request.abroad.clone(),
        };
        let comes_back = client.digest.filter(|_| client.resumes());
        let recording = Recording::new(self, comes_back);
        let delivery = Delivery {
            gateway: Arc::clone(self),
            reading: recording.tape.read_after(None),
            // Whoever has no session of its own cannot come back for the answer.
            cancels: comes_back.is_none().then(|| place.cancelled.clone()),
            resumed: None,
        };
        let (begun, begins) = oneshot::channel();
        let request_id = call.id;
        let conversation = Conversation {
            gateway: Arc::clone(self),
            call: Some(call),
            view: view.clone(),
            client: client.clone(),
            client_id: id.to_owned(),
            request,
            declared,
            filter,
            place,
            recording,
            begun: Some(begun),
            told: Told::default(),
            note: Note::default(),
        };
        self.tracker.spawn(conversation.run());
        match begins.await {
            Ok(Beginning::Whole(answer)) => answer,
            Ok(Beginning::Stream) => Answer::Stream(delivery.into_stream()),
            // The task unwound, which is on record.
            Err(_) => {
                let (_, _, text) = error_answer(&EngineError::KeyRing, request_id, Some(id));
                Answer::json(StatusCode::OK, text)
            }
        }
    }

    /// The rest of the stream of an earlier call, after one of our events. `Err`: it is not ours, and
    /// the call goes on.
    pub(in super::super) fn replay(
        self: &Arc<Self>,
        call: Call,
        view: &View,
        client: &LegacyClient,
        last_event_id: &str,
    ) -> Result<Answer, Box<Call>> {
        let found = client.digest.and_then(|session| {
            let (tapes, here) = (&self.translation.tapes, self.replica_id());
            tapes.find(here, &session, last_event_id)
        });
        let Some((tape, number)) = found else {
            return Err(Box::new(call));
        };
        let watch = self.watch(&call, view.named());
        let delivery = Delivery {
            gateway: Arc::clone(self),
            reading: tape.read_after(Some(number)),
            cancels: None,
            resumed: Some((call, watch)),
        };
        Ok(Answer::Stream(delivery.into_stream()))
    }
}

/// Whether an event id is of a stream of ours.
pub(in super::super) fn is_ours(event_id: &str) -> bool {
    Tapes::knows(event_id)
}
