//! What a client with a session tells its server once, and a stateless server with each request: it
//! is answered here, and remembered.

use std::sync::Arc;

use http::StatusCode;
use portcullis_core::PrincipalId;
use portcullis_mcp::eras::modern_client::LogLevel;
use portcullis_mcp::{Envelope, Method, RpcError, code};
use portcullis_policy::Operation;
use serde_json::json;

use super::super::LegacyClient;
use super::hearing::Listener;
use super::request::Translated;
use super::state::SessionStates;
use crate::answer::Answer;
use crate::audit::Outcome;
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::legacy::answer;
use crate::prepare::protocol;
use crate::replicas::{AtServer, Setting};
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Whether a method is one of those.
pub(super) const fn is_local(method: Method) -> bool {
    matches!(
        method,
        Method::SetLevel | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    )
}

/// The level that a `logging/setLevel` names.
pub(in super::super) fn level_of(envelope: &Envelope<'_>) -> Result<LogLevel, EngineError> {
    envelope
        .params()
        .and_then(|params| LogLevel::parse(&params.string("level")?))
        .ok_or_else(|| protocol(code::INVALID_PARAMS, "params.level is not a log level"))
}

/// A subscription that was begun or ended before the server had its say; dropped, because that failed or
/// because the client did not wait for it, it is as it was: whoever asks again is not told that it is
/// done already.
struct Tentative<'a> {
    states: &'a SessionStates,
    principal: &'a PrincipalId,
    client: &'a LegacyClient,
    request: &'a Translated,
    was_subscribed: bool,
    holds: bool,
}

impl<'a> Tentative<'a> {
    const fn of(
        states: &'a SessionStates,
        principal: &'a PrincipalId,
        client: &'a LegacyClient,
        request: &'a Translated,
        was_subscribed: bool,
    ) -> Self {
        Self {
            states,
            principal,
            client,
            request,
            was_subscribed,
            holds: false,
        }
    }

    fn holds(mut self) {
        self.holds = true;
    }
}

impl Drop for Tentative<'_> {
    fn drop(&mut self) {
        if self.holds {
            return;
        }
        let (principal, client, uri) = (self.principal, self.client, &self.request.subject);
        let server = &self.request.entry.id;
        if self.was_subscribed {
            self.states.subscribe(principal, client, server, uri);
        } else if let Some(session) = &client.digest {
            self.states.unsubscribe(principal, session, server, uri);
        }
    }
}

impl Gateway {
    pub(super) async fn answered_here(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        client: &LegacyClient,
        id: &str,
        request: &Translated,
    ) -> Answer {
        let method = request.method.as_str();
        let (principal, admission) = (Arc::clone(&call.principal), call.admission.clone());
        let work = Box::pin(self.set_here(&mut call, view, client, request));
        let done = self.while_standing(&principal, &admission, work).await;
        match done {
            Ok(()) => {
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
                answer(call, StatusCode::OK, Outcome::Ok, text, id).await
            }
            Err(error) => self.legacy_failed(call, client, method, id, error).await,
        }
    }

    async fn set_here(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        client: &LegacyClient,
        request: &Translated,
    ) -> Result<(), EngineError> {
        let Some(session) = client.digest else {
            let text = "only a session has log levels and subscriptions: send initialize first";
            return Err(protocol(code::INVALID_REQUEST, text));
        };
        let states = &self.translation.states;
        let (principal, server) = (&call.principal.id.clone(), &request.entry.id);
        let uri = &request.subject;
        match request.method {
            Method::SetLevel => {
                let envelope = Envelope::parse(request.text.as_bytes());
                let level = level_of(&envelope.map_err(|_| EngineError::KeyRing)?)?;
                if !states.set_level(principal, client, level) {
                    return Err(EngineError::TooMany("sessions of yours with a log level"));
                }
            }
            Method::ResourcesSubscribe => {
                let full = || EngineError::TooMany("subscriptions of yours");
                let changing = states
                    .changing(principal, client, server)
                    .ok_or_else(full)?;
                let _one_at_a_time = changing.lock().await;
                let new = states
                    .subscribe(principal, client, server, uri)
                    .ok_or_else(full)?;
                if !new {
                    return Ok(());
                }
                let tentative = Tentative::of(states, principal, client, request, false);
                let listener = Listener::of(self, call, session, request);
                if !self.hear_anew(call, view, listener, Some(uri)).await? {
                    let error = RpcError::new(
                        code::RESOURCE_NOT_FOUND,
                        "the server does not let this resource be subscribed to",
                    );
                    return Err(EngineError::Protocol(error.with_data(&json!({"uri": uri}))));
                }
                tentative.holds();
            }
            _ => {
                let Some(changing) = states.changing(principal, client, server) else {
                    // There is nothing to end.
                    return Ok(());
                };
                let _one_at_a_time = changing.lock().await;
                if states.unsubscribe(principal, &session, server, uri) {
                    let tentative = Tentative::of(states, principal, client, request, true);
                    let listener = Listener::of(self, call, session, request);
                    self.hear_anew(call, view, listener, None).await?;
                    tentative.holds();
                }
            }
        }
        let envelope = Envelope::parse(request.text.as_bytes());
        let setting = Setting::of(
            request.method,
            &envelope.map_err(|_| EngineError::KeyRing)?,
            uri,
        );
        if let Some(setting) = setting {
            self.remember(principal, client, server.as_str(), &setting)
                .await;
        }
        Ok(())
    }

    /// Keeps what is set for a whole session, for each of its servers that is told by translation.
    pub(in super::super) async fn remember_translated(
        &self,
        view: &View,
        client: &LegacyClient,
        setting: &Setting,
    ) {
        let servers = view.servers();
        for entry in servers.filter(|entry| entry.upstream.opens_no_sessions()) {
            self.remember(&view.principal().id, client, entry.id.as_str(), setting)
                .await;
        }
    }

    /// What a client had set at a server, on a replica that its session moved to.
    pub(crate) fn set_again(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        client: &LegacyClient,
        entry: &Arc<ServerEntry>,
        at: &AtServer,
    ) -> Result<(), EngineError> {
        let permit = view.authorize(entry, Operation::Use)?;
        let (states, principal) = (&self.translation.states, &call.principal.id);
        if let Some(level) = at.level.as_deref().and_then(LogLevel::parse) {
            states.set_level(principal, client, level);
        }
        if !at.resources.is_empty() {
            view.authorize(entry, Operation::Read)?;
        }
        for uri in &at.resources {
            states.subscribe(principal, client, &entry.id, uri);
        }
        self.hear_if_wanted(call, client, entry, permit.evidence());
        Ok(())
    }
}
