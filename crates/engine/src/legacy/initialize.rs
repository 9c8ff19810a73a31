//! `initialize`: on a named endpoint the server's own answer, on the aggregate ours.

use std::sync::Arc;

use http::StatusCode;
use portcullis_core::{ErrorKind, Timestamp};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Kind, Members, Method, PushPolicy, Revision, code,
};
use portcullis_policy::Operation;
use portcullis_upstream::SessionWish;
use serde_json::json;

use super::session::MAX_CAPABILITIES;
use super::{LegacyClient, SseSession, challenged};
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::error::EngineError;
use crate::exchange::Note;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::relay::error_answer;
use crate::snapshot::ServerEntry;
use crate::view::View;

impl Gateway {
    /// Opens a session for a legacy client.
    pub async fn legacy_initialize(
        self: &Arc<Self>,
        call: Call,
        view: &View,
        envelope: &Envelope<'_>,
    ) -> Answer {
        self.initialize_at(call, view, envelope, None).await
    }

    /// The same; `stream`: that of a client of HTTP+SSE, which is its session.
    pub(super) async fn initialize_at(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        envelope: &Envelope<'_>,
        stream: Option<&SseSession>,
    ) -> Answer {
        let Kind::Request { id, .. } = envelope.kind else {
            return Answer::json(StatusCode::BAD_REQUEST, "");
        };
        call.audit
            .method(CallerText::new(Method::Initialize.as_str()));
        let opened = self.open(&mut call, view, envelope, stream).await;
        let (status, outcome, body, session) = match opened {
            Ok((result, session)) => {
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                    id.as_json()
                );
                (StatusCode::OK, Outcome::Ok, body, session)
            }
            Err(error) => {
                let (_, outcome, body) = error_answer(&error, call.id, Some(id.as_json()));
                if let Some(challenge) = error.legacy_challenge() {
                    return challenged(call, outcome, body, id.as_json(), challenge).await;
                }
                (StatusCode::OK, outcome, body, None)
            }
        };
        let request = call.id;
        call.audit.add_response_bytes(body.len() as u64);
        if !call.close(outcome).await {
            let (status, _, body) =
                error_answer(&EngineError::AuditUnavailable, request, Some(id.as_json()));
            return Answer::json(status, body);
        }
        Answer::Json {
            status,
            body: body.into(),
            session,
        }
    }

    async fn open(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        envelope: &Envelope<'_>,
        stream: Option<&SseSession>,
    ) -> Result<(String, Option<String>), EngineError> {
        let params = envelope
            .params()
            .ok_or_else(|| protocol(code::INVALID_PARAMS, "params is missing"))?;
        let asked = params.string("protocolVersion").ok_or_else(|| {
            protocol(
                code::INVALID_PARAMS,
                "params.protocolVersion is missing or not a string",
            )
        })?;
        let declared = params.get("capabilities").map_or("{}", |raw| raw.get());
        if declared.len() > MAX_CAPABILITIES {
            return Err(protocol(
                code::INVALID_PARAMS,
                format!("params.capabilities is larger than {MAX_CAPABILITIES} bytes"),
            ));
        }
        let everything = PushPolicy {
            sampling: true,
            elicitation: true,
        };
        let capabilities = ClientCapabilities::narrowed(declared, everything).map_err(|_| {
            protocol(
                code::INVALID_PARAMS,
                "params.capabilities must be an object",
            )
        })?;
        let client = LegacyClient {
            revision: match stream {
                Some(_) => Revision::negotiate_over_sse(&asked),
                None => Revision::negotiate(&asked),
            },
            capabilities,
            digest: None,
            expires: Timestamp::from_millis(0),
            comes_back: stream.is_none(),
            in_batch: false,
            home: None,
        };
        call.audit.revision(client.revision.as_str());
        let result = match view.named() {
            Some(entry) => {
                call.audit.server(&entry.id);
                let permit = view.authorize(entry, Operation::Use)?;
                call.audit.allowed(permit.evidence().rule());
                let wish = client.wish(entry.upstream.server().push)?;
                let mut note = Note::of(&call.audit);
                let opened = match self.translates(entry, permit.evidence()).await {
                    Ok(true) => Ok(None),
                    Ok(false) => {
                        let opening = self.session(entry, permit.evidence(), &wish, &mut note);
                        let (principal, admission) = (&call.principal, &call.admission);
                        let opening = std::pin::pin!(opening);
                        self.while_standing(principal, admission, opening)
                            .await
                            .map(Some)
                    }
                    Err(error) => Err(error),
                };
                note.record(&mut call.audit);
                let hello = match opened {
                    Ok(Some(session)) => {
                        let result = without_tasks(session.initialize_result());
                        Ok(if session.revision() == client.revision {
                            result
                        } else {
                            under(client.revision, &result)
                        })
                    }
                    Ok(None) => {
                        self.stateless_hello(call, entry, permit.evidence(), &client)
                            .await
                    }
                    Err(error) => {
                        if self
                            .proved_stateless(entry, permit.evidence(), &error)
                            .await
                        {
                            self.stateless_hello(call, entry, permit.evidence(), &client)
                                .await
                        } else {
                            Err(error)
                        }
                    }
                };
                match hello {
                    Ok(hello) => hello,
                    // The client is let in, so that its user can be told where to connect.
                    Err(error) if error.kind() == ErrorKind::ConsentRequired => {
                        let outcome = Outcome::Kind(ErrorKind::ConsentRequired);
                        call.audit.server_outcome(&entry.id, outcome);
                        aggregate_result(view, client.revision, call.origin.as_deref())
                    }
                    Err(error) => return Err(error),
                }
            }
            None => aggregate_result(view, client.revision, call.origin.as_deref()),
        };
        let id = match stream {
            Some(session) => {
                self.begin_on_stream(call, view, session, client)?;
                None
            }
            None => Some(self.seal_session(&call.principal, view, &client)?),
        };
        Ok((result, id))
    }
}

impl LegacyClient {
    /// The upstream session that serves this client on a server with this policy.
    pub(crate) fn wish(&self, push: PushPolicy) -> Result<SessionWish, EngineError> {
        let capabilities = ClientCapabilities::narrowed(self.capabilities.as_json(), push)
            .map_err(|_| {
                protocol(
                    code::INVALID_PARAMS,
                    "the client's capabilities must be an object",
                )
            })?;
        Ok(SessionWish {
            revision: self.revision,
            capabilities,
            stateless: false,
        })
    }
}

/// A result of another revision with sessions under the client's own: it need not speak any other, what
/// is older it knows all, and what is newer depends on capabilities that it declares.
fn under(revision: Revision, result: &str) -> String {
    let Ok(members) = Members::parse(result) else {
        return result.to_owned();
    };
    let mut edits = Edits::of(result);
    if let Some(raw) = members.get("protocolVersion") {
        edits.replace(raw, format!("\"{revision}\""));
    }
    edits.finish()
}

/// The experimental tasks of 2025-11-25 are not offered: a server that we call with one service
/// credential cannot tell whose task it is.
fn without_tasks(result: &str) -> String {
    let Ok(members) = Members::parse(result) else {
        return result.to_owned();
    };
    let (Some(raw), Ok(Some(capabilities))) =
        (members.get("capabilities"), members.object("capabilities"))
    else {
        return result.to_owned();
    };
    if capabilities.get("tasks").is_none() {
        return result.to_owned();
    }
    let mut edits = Edits::of(result);
    edits.replace(raw, capabilities.rewrite(|name| name != "tasks"));
    edits.finish()
}

/// What the gateway says of itself as a whole.
pub(crate) fn aggregate_capabilities() -> serde_json::Value {
    json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {},
        "logging": {},
    })
}

pub(crate) fn server_info() -> serde_json::Value {
    json!({"name": "portcullis", "title": "Portcullis", "version": env!("CARGO_PKG_VERSION")})
}

/// The instructions of every server in view, each under its alias, and of those that are called with
/// people's own accounts where these are connected: before that, their tools are not listed. `origin` is
/// where we are reached, if that is known.
pub(crate) fn merged_instructions(view: &View, origin: Option<&str>) -> Option<String> {
    let parts: Vec<String> = view
        .servers()
        .filter_map(|entry| {
            let connecting = entry.connects_people().then(|| connecting(entry, origin));
            let own = entry.info.instructions.as_deref();
            let said: Vec<&str> = own.into_iter().chain(connecting.as_deref()).collect();
            (!said.is_empty()).then(|| format!("# {}\n{}", entry.label(), said.join("\n")))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn connecting(entry: &ServerEntry, origin: Option<&str>) -> String {
    let place = match origin {
        Some(origin) => format!("{origin}/connect/{}", entry.id),
        None => format!("/connect/{} on this gateway", entry.id),
    };
    format!(
        "This server is called with the user's own account. As long as it is not connected, its tools are missing: ask the user to open {place} in a browser, to sign in and to connect it."
    )
}

fn aggregate_result(view: &View, revision: Revision, origin: Option<&str>) -> String {
    let mut result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": aggregate_capabilities(),
        "serverInfo": server_info(),
    });
    let instructions = merged_instructions(view, origin);
    if let (Some(instructions), Some(object)) = (instructions, result.as_object_mut()) {
        object.insert("instructions".to_owned(), instructions.into());
    }
    result.to_string()
}
