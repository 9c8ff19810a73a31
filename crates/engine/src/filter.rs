//! What must change in an upstream's answer before the caller may have it. Everything else stays
//! the bytes it was.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Principal, Purpose, Sha256};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Members, Method, answers_with_tasks_only, is_presentable,
};
use serde_json::value::RawValue;

use crate::call::Admission;
use crate::catalog::{bad_answer, param_headers};
use crate::error::EngineError;
use crate::exchange::revealing;
use crate::gateway::Gateway;
use crate::presented::Presented;
use crate::snapshot::ServerEntry;
use crate::tasks;
use crate::uris::Abroad;
use portcullis_policy::{Caller, Operation, shows_tool};

/// What a subscription's stream must begin with.
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
/// News of one resource, in either era.
const RESOURCE_UPDATED: &str = "notifications/resources/updated";
/// How long a client may take to answer an `input_required` result.
const STATE_LIFETIME: Duration = Duration::from_hours(1);

/// What the answers of one request are checked against.
#[derive(Clone, Debug)]
pub(crate) struct AnswerFilter {
    pub(crate) method: Method,
    pub(crate) modern: bool,
    pub(crate) entry: Arc<ServerEntry>,
    pub(crate) principal: Arc<Principal>,
    /// How the caller was let in.
    pub(crate) admission: Admission,
    /// As what it may be listened to, and may go on.
    pub(crate) listens: Operation<'static>,
    /// The name or URI asked for, as the server spells it.
    pub(crate) subject: String,
    /// What we presented, which must not come back to the caller.
    pub(crate) presented: Presented,
    /// What a stateless client said that it can answer; a session has it elsewhere.
    pub(crate) declared: Option<ClientCapabilities>,
    /// The server's own handles of the tasks that a `subscriptions/listen` asked for.
    pub(crate) watched: Vec<String>,
    /// The digest of what a stateless client asks, where a server may ask back on a stream.
    pub(crate) asked: Option<[u8; 32]>,
    /// The aggregate that the answer is for; `None` on the server's own endpoint.
    pub(crate) abroad: Option<Arc<Abroad>>,
}

/// The digest of what a stateless client asks, made only where a server asks back before it answers.
pub(crate) type Asks<'a> = &'a (dyn Fn() -> Option<[u8; 32]> + Sync);

/// What the state of one request is bound to.
pub(crate) fn state_binding(
    principal: &Principal,
    entry: &ServerEntry,
    method: Method,
    subject: &str,
    asked: &[u8; 32],
) -> [u8; 32] {
    let binding = Sha256::new()
        .part(principal.id.as_str().as_bytes())
        .part(entry.id.as_str().as_bytes())
        .part(method.as_str().as_bytes())
        .part(subject.as_bytes())
        .part(asked);
    binding.finish()
}

impl AnswerFilter {
    /// What `requestState` is bound to: nobody else, no other server, no other call, and not this
    /// one with other arguments either, may present it.
    pub(crate) fn state_binding(&self, asked: &[u8; 32]) -> [u8; 32] {
        state_binding(
            &self.principal,
            &self.entry,
            self.method,
            &self.subject,
            asked,
        )
    }

    /// Whether an answer to this method can need a change at all.
    fn concerns(&self) -> bool {
        self.modern || self.method == Method::ToolsList
    }

    /// Whether a message repeats our credential: some servers put what they were sent into their
    /// errors.
    pub(crate) fn reveals(&self, text: &str) -> bool {
        let reveals = self.presented.appears_in(text.as_bytes());
        if reveals {
            tracing::warn!(mcp.server.id = %self.entry.id, "server repeated our credential: message withheld");
        }
        reveals
    }

    /// The answer as the caller may have it.
    pub(crate) fn answer(&self, gateway: &Gateway, text: String) -> Result<String, EngineError> {
        self.answer_to(&|| self.asked, gateway, text)
    }

    /// The same, to what the caller asks.
    pub(crate) fn answer_to(
        &self,
        asks: Asks<'_>,
        gateway: &Gateway,
        text: String,
    ) -> Result<String, EngineError> {
        if self.reveals(&text) {
            return Err(revealing(&self.entry));
        }
        let abroad = self.respelling(&text);
        if !self.concerns() && abroad.is_none() {
            return Ok(text);
        }
        let edited = {
            let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(&self.entry))?;
            let Some(raw) = envelope.result() else {
                return Ok(self.error_respelled(&text).unwrap_or(text));
            };
            let result = Members::of(raw).map_err(|_| bad_answer(&self.entry))?;
            let mut edits = Edits::of(&text);
            if self.method == Method::ToolsList {
                self.hide_tools(gateway, &result, &mut edits)?;
            }
            if let Some(abroad) = abroad {
                abroad.result(&self.entry, self.method, &result, &mut edits);
            }
            if self.modern {
                self.modern_result(asks, gateway, raw, &result, &mut edits)?;
            }
            (!edits.is_empty()).then(|| edits.finish())
        };
        Ok(edited.unwrap_or(text))
    }

    /// An answer without the tools that the caller must not see, and with the URIs that the caller
    /// knows, for whoever changes the rest of it.
    pub(crate) fn shown<'t>(
        &self,
        gateway: &Gateway,
        text: &'t str,
    ) -> Result<Cow<'t, str>, EngineError> {
        let abroad = self.respelling(text);
        if self.method != Method::ToolsList && abroad.is_none() {
            return Ok(Cow::Borrowed(text));
        }
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(&self.entry))?;
        let Some(raw) = envelope.result() else {
            return Ok(self
                .error_respelled(text)
                .map_or(Cow::Borrowed(text), Cow::Owned));
        };
        let result = Members::of(raw).map_err(|_| bad_answer(&self.entry))?;
        let mut edits = Edits::of(text);
        if self.method == Method::ToolsList {
            self.hide_tools(gateway, &result, &mut edits)?;
        }
        if let Some(abroad) = abroad {
            abroad.result(&self.entry, self.method, &result, &mut edits);
        }
        Ok(Cow::Owned(edits.finish()))
    }

    /// For which aggregate URIs in this text have to be respelled, if there are any.
    fn respelling(&self, text: &str) -> Option<&Abroad> {
        self.abroad.as_deref().filter(|_| Abroad::concerns(text))
    }

    /// An error about a resource, as the caller knows it.
    fn error_respelled(&self, text: &str) -> Option<String> {
        let abroad = self.respelling(text)?;
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let mut edits = Edits::of(text);
        abroad.error(&self.entry, envelope.error()?, &mut edits);
        Some(edits.finish())
    }

    /// Drops the tools that the policy does not admit, those that a client must not use, and those that
    /// wait for somebody to approve what became of them.
    fn hide_tools(
        &self,
        gateway: &Gateway,
        result: &Members<'_>,
        edits: &mut Edits<'_>,
    ) -> Result<(), EngineError> {
        let Some(list) = result.get("tools") else {
            return Ok(());
        };
        let tools: Vec<&RawValue> =
            serde_json::from_str(list.get()).map_err(|_| bad_answer(&self.entry))?;
        let mut showing = gateway.pins.showing(&self.entry, &self.principal.id);
        let kept: Vec<&str> = tools
            .iter()
            .filter(|tool| {
                let name = self.admits(tool);
                name.is_some_and(|name| showing.lists(&name, tool))
            })
            .map(|tool| tool.get())
            .collect();
        showing.end();
        if kept.len() < tools.len() {
            edits.replace(list, format!("[{}]", kept.join(",")));
        }
        Ok(())
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            side: self.admission.side,
        }
    }

    /// The name of a listed tool, if it may be shown: the same decision that a call of it gets.
    pub(crate) fn admits<'t>(&self, tool: &'t RawValue) -> Option<Cow<'t, str>> {
        let members = Members::of(tool).ok()?;
        let name = members.string("name")?;
        let is_usable = if self.modern {
            param_headers(&members).is_ok()
        } else {
            // The tasks of a server of sessions are not offered.
            !answers_with_tasks_only(&members)
        };
        (shows_tool(self.caller(), &self.entry.policy, &name) && is_usable).then_some(name)
    }

    fn modern_result(
        &self,
        asks: Asks<'_>,
        gateway: &Gateway,
        raw: &RawValue,
        result: &Members<'_>,
        edits: &mut Edits<'_>,
    ) -> Result<(), EngineError> {
        // What is behind a grant is not for shared caches (SEP-2549: `public` may be served to anyone).
        if let Some(scope) = result
            .get("cacheScope")
            .filter(|scope| scope.get() != r#""private""#)
        {
            edits.replace(scope, r#""private""#);
        }
        self.check_inputs(result)?;
        // A client takes its absence for `complete` from a server of an earlier revision only; we have
        // told it that we are of this one.
        if result.get("resultType").is_none() {
            edits.insert(raw, "resultType", r#""complete""#);
        }
        match result.string("resultType").as_deref() {
            Some("input_required") => {
                if let (Some(raw), Some(state)) =
                    (result.get("requestState"), result.string("requestState"))
                {
                    let asked = asks().ok_or_else(|| bad_answer(&self.entry))?;
                    let binding = self.state_binding(&asked);
                    let expires = gateway.clock.now().after(STATE_LIFETIME);
                    let sealed = gateway
                        .sealer
                        .seal(
                            Purpose::McpRequestState,
                            &binding,
                            expires,
                            state.as_bytes(),
                        )
                        .map_err(|_| EngineError::KeyRing)?;
                    edits.replace(raw, format!("\"{sealed}\""));
                }
            }
            _ if result.get("taskId").is_some() => {
                tasks::wrap_member(
                    &*gateway.handles,
                    &self.principal.id,
                    &self.entry.id,
                    raw,
                    edits,
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// A server may ask the client only for what the operator lets it and the client can answer,
    /// whether in a result of its own kind or with the state of a task.
    fn check_inputs(&self, result: &Members<'_>) -> Result<(), EngineError> {
        let Some(inputs) = result
            .object("inputRequests")
            .map_err(|_| bad_answer(&self.entry))?
        else {
            return Ok(());
        };
        for (_, input) in inputs.iter() {
            let input = Members::of(input).map_err(|_| bad_answer(&self.entry))?;
            let method = input.string("method").unwrap_or_default();
            let declared = self
                .declared
                .as_ref()
                .is_some_and(|declared| declared.answers(&method));
            let presentable = is_presentable(&method, input.get("params"));
            if !declared || !presentable || !self.entry.upstream.server().push.admits(&method) {
                return Err(EngineError::PushNotAllowed {
                    server: self.entry.id.clone(),
                    method: method.chars().take(64).collect(),
                });
            }
        }
        Ok(())
    }

    /// Whether the rules of today let the caller read from this server: news of a resource needs what
    /// reading it needs, whatever else the stream that brings it is for.
    fn may_still_read(&self, gateway: &Gateway) -> bool {
        let (principal, admission) = (&self.principal, &self.admission);
        gateway.still_serves(principal, admission, &self.entry, Operation::Read)
    }

    /// A notification as the caller may have it, if at all; also learns from it that lists changed.
    pub(crate) fn notification(&self, gateway: &Gateway, text: String) -> Option<String> {
        if self.reveals(&text) {
            return None;
        }
        let edited = {
            let envelope = Envelope::parse(text.as_bytes()).ok()?;
            let portcullis_mcp::Kind::Notification { method } = envelope.kind else {
                return None;
            };
            self.entry.changed(method);
            if method == RESOURCE_UPDATED && !self.may_still_read(gateway) {
                return None;
            }
            match method {
                "notifications/tasks" if self.modern => {
                    Some(self.task_status(gateway, &text, envelope.raw_params()?)?)
                }
                ACKNOWLEDGED if self.modern => Some(self.acknowledgement(gateway, &text)?),
                RESOURCE_UPDATED => self.abroad.as_ref().map(|abroad| {
                    let respelled = abroad.notification(&self.entry, &text);
                    respelled.into_owned()
                }),
                _ => None,
            }
        };
        Some(edited.unwrap_or(text))
    }

    /// News of a task that was asked for, under the handle that the caller has; of others none, even
    /// from a server that tells everybody everything.
    fn task_status(&self, gateway: &Gateway, text: &str, params: &RawValue) -> Option<String> {
        let members = Members::of(params).ok()?;
        let task = members.string("taskId")?;
        if !self.watched.iter().any(|watched| *watched == task) {
            tracing::debug!(mcp.server.id = %self.entry.id, "news of a task that was not asked for: withheld");
            return None;
        }
        if let Err(error) = self.check_inputs(&members) {
            tracing::warn!(mcp.server.id = %self.entry.id, error = %error, "a task's question withheld");
            return None;
        }
        let mut edits = Edits::of(text);
        let (mac, whose) = (&*gateway.handles, &self.principal.id);
        tasks::wrap_member(mac, whose, &self.entry.id, params, &mut edits);
        Some(edits.finish())
    }

    /// What the server honours of a subscription, its task handles as the caller has them.
    fn acknowledgement(&self, gateway: &Gateway, text: &str) -> Option<String> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let honoured = envelope.params()?.object("notifications").ok()??;
        let mut edits = Edits::of(text);
        if let Some(list) = honoured.get("taskIds") {
            let tasks: Vec<String> = serde_json::from_str(list.get()).ok()?;
            let (mac, whose) = (&*gateway.handles, &self.principal.id);
            let handles: Vec<String> = tasks
                .iter()
                .filter(|task| self.watched.contains(task))
                .map(|task| tasks::wrap(mac, whose, &self.entry.id, task))
                .collect();
            edits.replace(list, serde_json::Value::from(handles).to_string());
        }
        if let (Some(list), Some(abroad)) = (honoured.get("resourceSubscriptions"), &self.abroad) {
            let uris: Vec<String> = serde_json::from_str(list.get()).ok()?;
            edits.replace(list, abroad.all(&self.entry, uris).to_string());
        }
        Some(edits.finish())
    }
}

/// Whether a tool's answer says that the tool itself failed.
pub(crate) fn is_tool_error(text: &str) -> bool {
    // Only the few answers that mention the member are parsed.
    text.contains("\"isError\"")
        && Envelope::parse(text.as_bytes())
            .ok()
            .and_then(|envelope| Members::of(envelope.result()?).ok())
            .and_then(|result| result.get("isError"))
            .is_some_and(|raw| raw.get() == "true")
}
