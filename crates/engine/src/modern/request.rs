//! One stateless message.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::{ErrorKind, Purpose};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Kind, Members, Method, ModernMeta, RpcError, code,
    digest_without, header_value,
};
use portcullis_upstream::{EventStream, Reply, Restored};
use serde_json::json;
use serde_json::value::RawValue;

use super::across::{Across, Asking, Crossing, News, Underway};
use super::discover::aggregate_result;
use crate::aggregate::Asker;
use crate::answer::{Answer, Elsewhere};
use crate::audit::Outcome;
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::changes::Changes;
use crate::consent::{Resumed, openings};
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::legacy::{accepted, answer, challenged, limited, method_text, step_up};
use crate::prepare::{Prepared, listening, protocol};
use crate::presented::Presented;
use crate::pulse::Pulse;
use crate::relay::{Relay, Side, error_answer, modern_message, outcome_of};
use crate::snapshot::ServerEntry;
use crate::tasks::Watched;
use crate::view::View;
use portcullis_policy::Operation;

enum Done {
    Text(StatusCode, Outcome, String),
    Stream(Box<(AnswerFilter, portcullis_policy::Evidence, EventStream)>),
    Listen(Vec<super::listen::Source>),
    /// What a server of sessions has begun to answer, and the digest of what is asked.
    Crossing(Box<(Underway, News)>, Method, [u8; 32]),
}

impl Gateway {
    /// Takes one message whose `_meta` and headers were found in order.
    pub async fn modern_message(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
        headers: &HeaderMap,
    ) -> Answer {
        call.audit.revision(meta.revision.as_str());
        call.audit.traced_by(envelope);
        let Kind::Request { id, method } = envelope.kind else {
            // No client notification exists on this wire that a server could use.
            return accepted(call).await;
        };
        call.audit.method(method_text(method, meta.revision));
        let client_id = id.as_json();
        let known = Method::lookup(method, meta.revision);
        let resumed = self.resumed(&call, view, known, envelope);
        let again = match resumed {
            Ok(None) => return self.modern_call(call, view, envelope, meta, headers).await,
            Ok(Some(Resumed::Request(text))) => text,
            Ok(Some(Resumed::Declined(declined))) => {
                let text = Self::declined(&call, known, &declined, client_id);
                let outcome = Outcome::Kind(declined.kind);
                return answer(call, StatusCode::OK, outcome, text, client_id).await;
            }
            Err(error) => {
                let (status, outcome, text) = error_answer(&error, call.id, Some(client_id));
                return answer(call, status, outcome, text, client_id).await;
            }
        };
        // Boxed: every call would carry its room otherwise.
        Box::pin(self.modern_call_again(call, view, &again, client_id, headers)).await
    }

    /// A request as it was before its client was asked to open something.
    async fn modern_call_again(
        self: &Arc<Self>,
        call: Call,
        view: &View,
        text: &str,
        client_id: &str,
        headers: &HeaderMap,
    ) -> Answer {
        let read = Envelope::parse(text.as_bytes())
            .map_err(|_| EngineError::KeyRing)
            .and_then(|envelope| match ModernMeta::read(&envelope, headers) {
                Ok(meta) => Ok((envelope, meta)),
                Err(rejection) => Err(EngineError::Protocol(rejection.0)),
            });
        match read {
            Ok((envelope, meta)) => {
                self.modern_call(call, view, &envelope, &meta, headers)
                    .await
            }
            Err(error) => {
                let (status, outcome, text) = error_answer(&error, call.id, Some(client_id));
                answer(call, status, outcome, text, client_id).await
            }
        }
    }

    async fn modern_call(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
        headers: &HeaderMap,
    ) -> Answer {
        let Kind::Request { id, method } = envelope.kind else {
            return accepted(call).await;
        };
        let client_id = id.as_json();
        let known = Method::lookup(method, meta.revision);
        let done = self
            .modern_request(&mut call, view, envelope, meta, headers)
            .await;
        let (status, outcome, text) = match done {
            Ok(Done::Text(status, outcome, text)) => (status, outcome, text),
            Ok(Done::Stream(parts)) => {
                let (filter, evidence, source) = *parts;
                let relay = Relay {
                    changes: Changes::since_now(self, &filter.entry, &evidence),
                    gateway: Arc::clone(self),
                    call: Some(call),
                    filter,
                    evidence,
                    source,
                    side: Side::Modern,
                    client_id: client_id.to_owned(),
                    event_prefix: None,
                    resumable: false,
                    comes_back: false,
                    pulse: Pulse::started(self.clock.monotonic()),
                };
                return Answer::Stream(relay.into_stream());
            }
            Ok(Done::Crossing(begun, method, asked)) => {
                let (underway, first) = *begun;
                let crossing = Crossing::of(underway, call, method, client_id, asked, first);
                return Answer::Stream(crossing.into_stream());
            }
            Ok(Done::Listen(sources)) => {
                let named = view.named();
                return Answer::Stream(self.merge_listens(call, sources, client_id, named));
            }
            Err(EngineError::Elsewhere(owner)) => {
                return Elsewhere::new(call, owner, None, Some(client_id)).into();
            }
            Err(error) => {
                let error = match self.inviting_at_last(&mut call, error) {
                    // What the server can do is not known before it is connected; that it can be
                    // talked to is. A client that learns nothing here goes away, and its user is never
                    // asked (2026-07-28 has no question in answer to `server/discover`).
                    EngineError::ConsentRequired(_) if known == Some(Method::Discover) => {
                        let outcome = Outcome::Kind(ErrorKind::ConsentRequired);
                        let result = aggregate_result(view, call.origin.as_deref());
                        let text = result_text(client_id, &result);
                        return answer(call, StatusCode::OK, outcome, text, client_id).await;
                    }
                    EngineError::ConsentRequired(wanted) => {
                        let openings = openings(&wanted);
                        let openings = openings.as_deref();
                        let asked =
                            self.modern_question(&call, view, known, envelope, meta, openings);
                        match asked {
                            Ok(result) => {
                                let text = match result {
                                    Some(result) => result_text(client_id, &result),
                                    None => Self::modern_consent(&call, known, &wanted, client_id),
                                };
                                let outcome = Outcome::Kind(ErrorKind::ConsentRequired);
                                return answer(call, StatusCode::OK, outcome, text, client_id)
                                    .await;
                            }
                            Err(error) => error,
                        }
                    }
                    EngineError::ApprovalRequired(held) => {
                        let opening = held.opening();
                        let openings = opening.as_ref().map(std::slice::from_ref);
                        let asked =
                            self.modern_question(&call, view, known, envelope, meta, openings);
                        match asked {
                            Ok(result) => {
                                let text = match result {
                                    Some(result) => result_text(client_id, &result),
                                    None => Self::told(&call, &held, true, client_id),
                                };
                                let outcome = Outcome::Kind(held.kind());
                                return answer(call, StatusCode::OK, outcome, text, client_id)
                                    .await;
                            }
                            Err(error) => error,
                        }
                    }
                    other => other,
                };
                let told = error_answer(&error, call.id, Some(client_id));
                if let Some(required) = error.required_scopes() {
                    return step_up(call, told.1, told.2, client_id, required).await;
                }
                if let Some(challenge) = error.challenge() {
                    return challenged(call, told.1, told.2, client_id, challenge).await;
                }
                if let Some(reached) = error.limited() {
                    return limited(call, told.1, told.2, client_id, reached).await;
                }
                told
            }
        };
        answer(call, status, outcome, text, client_id).await
    }

    async fn modern_request(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
        headers: &HeaderMap,
    ) -> Result<Done, EngineError> {
        let Kind::Request { id, method: name } = envelope.kind else {
            return Err(EngineError::KeyRing);
        };
        let method = Method::lookup(name, meta.revision)
            .ok_or_else(|| protocol(code::METHOD_NOT_FOUND, "Method not found"))?;
        if is_task(method) && !declares_tasks(meta.capabilities) {
            return Err(EngineError::Protocol(missing_tasks()));
        }
        let plain = |result: &str| {
            let text = result_text(id.as_json(), result);
            Ok(Done::Text(StatusCode::OK, Outcome::Ok, text))
        };
        if view.named().is_none() {
            if method == Method::Discover {
                return plain(&aggregate_result(view, call.origin.as_deref()));
            }
            if method == Method::Listen {
                self.count(call).await?;
                return self
                    .open_listens(call, view, envelope, meta)
                    .await
                    .map(Done::Listen);
            }
            if method.list_member().is_some() {
                let (principal, admission) = (Arc::clone(&call.principal), call.admission.clone());
                let page = self.aggregate_page(
                    call,
                    view,
                    method,
                    envelope,
                    Asker::Stateless(meta.capabilities),
                );
                let page = self.while_standing(&principal, &admission, Box::pin(page));
                let result = page.await?;
                return plain(&result);
            }
        }
        let asker = Some(Asker::Stateless(meta.capabilities));
        let prepared = self.prepare(call, view, method, envelope, asker).await?;
        let modern = self
            .serves_modern(&prepared.entry, &prepared.evidence)
            .await?;
        if modern && prepared.goes_on {
            // It has taken nothing, because it was a call of a session that this server opens no more.
            return Err(protocol(code::INVALID_PARAMS, "invalid requestState"));
        }
        if method == Method::ToolsCall {
            self.require_mirrored(view, &prepared, envelope, headers)
                .await?;
        }
        let mut filter = AnswerFilter {
            method,
            modern: true,
            entry: Arc::clone(&prepared.entry),
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            listens: match method {
                Method::Listen => listening(envelope),
                _ => Operation::Use,
            },
            subject: prepared.subject.clone(),
            presented: Presented::default(),
            declared: ClientCapabilities::narrowed(
                meta.capabilities.get(),
                prepared.entry.upstream.server().push,
            )
            .ok(),
            watched: Vec::new(),
            asked: None,
            abroad: prepared.abroad.clone(),
        };
        if !modern && method == Method::Listen {
            let evidence = &prepared.evidence;
            let source = self.open_listen_across(call, filter, evidence, envelope, meta);
            return Ok(Done::Listen(vec![Box::pin(source).await?]));
        }
        if !modern {
            let asking = Asking {
                method,
                envelope,
                id: id.as_json(),
                meta,
                headers,
                asked: what_is_asked(method, envelope),
            };
            // Boxed: every call would carry its room otherwise.
            let across = Box::pin(self.across(call, &prepared, filter, &asking)).await?;
            return Ok(match across {
                Across::Text(status, outcome, text) => Done::Text(status, outcome, text),
                Across::Stream(underway, first) => {
                    Done::Crossing(Box::new((*underway, first)), method, asking.asked)
                }
            });
        }
        let (mut edits, headers) = self.outward(&prepared, &filter, envelope, meta, headers)?;
        if method == Method::Listen {
            let watched = Watched::by(&*self.handles, &call.principal.id, envelope)?;
            watched.require_within(std::iter::once(&filter.entry.id))?;
            filter.watched = watched.ask(&filter.entry.id, &mut edits);
        }
        self.use_approval(call, &prepared).await?;
        let mut note = Note::of(&call.audit);
        let exchange = self.exchange(
            &prepared.entry,
            &prepared.evidence,
            &Speech::Modern,
            envelope,
            edits,
            headers,
            &mut note,
        );
        let opened = self
            .while_standing(&call.principal, &call.admission, std::pin::pin!(exchange))
            .await;
        note.record(&mut call.audit);
        call.held.sent(note.sent);
        filter.presented.add(note.presented);
        match opened? {
            Opened::Modern(Reply::Message { status, body }) => {
                if status != StatusCode::OK {
                    call.audit.upstream_status(status.as_u16());
                }
                let text = std::str::from_utf8(&body).map_err(|_| bad_answer(&filter.entry))?;
                let Restored::Answer { text, .. } = modern_message(text, id.as_json()) else {
                    return Err(bad_answer(&filter.entry));
                };
                let asks = || Some(what_is_asked(method, envelope));
                let text = filter.answer_to(&asks, self, text)?;
                Ok(Done::Text(status, outcome_of(method, &text), text))
            }
            Opened::Modern(Reply::Stream(source)) => {
                filter.asked = Some(what_is_asked(method, envelope));
                Ok(Done::Stream(Box::new((filter, prepared.evidence, source))))
            }
            Opened::Modern(Reply::Accepted) | Opened::Legacy(..) => Err(bad_answer(&filter.entry)),
        }
    }

    /// Whether a request may go to this server as it is.
    pub(super) async fn serves_modern(
        &self,
        entry: &ServerEntry,
        evidence: &portcullis_policy::Evidence,
    ) -> Result<bool, EngineError> {
        match entry.upstream.known_modern(evidence) {
            Some(true) => Ok(true),
            _ => self.speaks_modern(entry, evidence).await,
        }
    }

    /// The request as it leaves: capabilities that the operator withholds taken out, sealed request
    /// state opened, and the headers of the revision, which must say what the body says.
    fn outward<'a>(
        &self,
        prepared: &Prepared<'a>,
        filter: &AnswerFilter,
        envelope: &Envelope<'a>,
        meta: &ModernMeta<'a>,
        inbound: &HeaderMap,
    ) -> Result<(Edits<'a>, HeaderMap), EngineError> {
        let mut edits = prepared.edits.clone();
        let push = prepared.entry.upstream.server().push;
        let declared = meta.capabilities.get();
        let narrowed = ClientCapabilities::narrowed(declared, push).map_err(|_| {
            protocol(
                code::INVALID_PARAMS,
                "the client's capabilities must be an object",
            )
        })?;
        if narrowed.as_json() != declared {
            edits.replace(meta.capabilities, narrowed.as_json());
        }
        if let Some(raw) = envelope
            .params()
            .and_then(|params| params.get("requestState"))
        {
            let invalid = || protocol(code::INVALID_PARAMS, "invalid requestState");
            let sealed = portcullis_mcp::string_of(raw).ok_or_else(invalid)?;
            let state = self
                .sealer
                .open(
                    Purpose::McpRequestState,
                    &filter.state_binding(&what_is_asked(filter.method, envelope)),
                    self.clock.now(),
                    &sealed,
                )
                .ok()
                .and_then(|state| String::from_utf8(state).ok())
                .ok_or_else(invalid)?;
            edits.replace(raw, serde_json::Value::from(state).to_string());
        }
        let mut headers = forwarded(inbound);
        headers.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static(filter.method.as_str()),
        );
        if prepared.renamed {
            headers.insert(
                HeaderName::from_static("mcp-name"),
                header_value::encode(&prepared.subject),
            );
        } else if let Some(name) = inbound.get("mcp-name") {
            headers.insert(HeaderName::from_static("mcp-name"), name.clone());
        }
        Ok((edits, headers))
    }
}

fn result_text(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// What a request asks for, without what its retry has besides (SEP-2322: the same parameters,
/// `inputResponses` and `requestState`) and without the name, whose spelling is the endpoint's.
pub(crate) fn what_is_asked(method: Method, envelope: &Envelope<'_>) -> [u8; 32] {
    let left_out: &[&str] = match method {
        Method::ToolsCall | Method::PromptsGet => {
            &["_meta", "inputResponses", "requestState", "name"]
        }
        _ => &["_meta", "inputResponses", "requestState"],
    };
    let none = Members::default();
    digest_without(envelope.params().unwrap_or(&none), left_out)
}

/// Of the client's headers these go on: the mirrored parameters, whether we know them or not
/// (SEP-2243: intermediaries MUST forward them), and the trace context.
fn forwarded(inbound: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(8);
    for (name, value) in inbound {
        if name.as_str().starts_with("mcp-param-")
            || matches!(name.as_str(), "traceparent" | "tracestate")
        {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

const fn is_task(method: Method) -> bool {
    matches!(
        method,
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel
    )
}

/// The extension behind task handles (SEP-2663): opted into by each request.
const TASKS: &str = "io.modelcontextprotocol/tasks";

fn declares_tasks(capabilities: &RawValue) -> bool {
    Members::of(capabilities)
        .and_then(|members| members.object("extensions"))
        .ok()
        .flatten()
        .is_some_and(|extensions| extensions.get(TASKS).is_some())
}

fn missing_tasks() -> RpcError {
    RpcError::new(
        code::MISSING_CAPABILITY,
        "the tasks extension was not declared",
    )
    .with_data(&json!({"requiredCapabilities": {"extensions": {TASKS: {}}}}))
}
