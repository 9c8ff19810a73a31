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
use super::{LegacyClient, challenged};
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::error::EngineError;
use crate::exchange::Note;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::relay::error_answer;
use crate::view::View;

impl Gateway {
    /// Opens a session for a legacy client.
    pub async fn legacy_initialize(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        envelope: &Envelope<'_>,
    ) -> Answer {
        let Kind::Request { id, .. } = envelope.kind else {
            return Answer::json(StatusCode::BAD_REQUEST, "");
        };
        call.audit
            .method(CallerText::new(Method::Initialize.as_str()));
        let opened = self.open(&mut call, view, envelope).await;
        let (status, outcome, body, session) = match opened {
            Ok((result, session)) => {
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                    id.as_json()
                );
                (StatusCode::OK, Outcome::Ok, body, Some(session))
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
    ) -> Result<(String, String), EngineError> {
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
        let mut client = LegacyClient {
            revision: Revision::negotiate(&asked),
            capabilities,
            digest: None,
            expires: Timestamp::from_millis(0),
        };
        call.audit.revision(client.revision.as_str());
        let result = match view.named() {
            Some(entry) => {
                call.audit.server(&entry.id);
                let permit = view.authorize(entry, Operation::Use)?;
                call.audit.allowed(permit.evidence().rule());
                let wish = client.wish(entry.upstream.server().push)?;
                let mut note = Note::default();
                let opening = self.session(entry, permit.evidence(), &wish, &mut note);
                let session = self
                    .while_standing(&call.principal, &call.admission, std::pin::pin!(opening))
                    .await;
                note.record(&mut call.audit);
                match session {
                    Ok(session) => {
                        client.revision = session.revision();
                        without_tasks(session.initialize_result())
                    }
                    // The client is let in, so that its user can be told where to connect.
                    Err(error) if error.kind() == ErrorKind::ConsentRequired => {
                        let outcome = Outcome::Kind(ErrorKind::ConsentRequired);
                        call.audit.server_outcome(&entry.id, outcome);
                        aggregate_result(view, client.revision)
                    }
                    Err(error) => return Err(error),
                }
            }
            None => aggregate_result(view, client.revision),
        };
        let id = self.seal_session(&call.principal, view, &client)?;
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
        })
    }
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

/// The instructions of every server in view, each under its alias.
pub(crate) fn merged_instructions(view: &View) -> Option<String> {
    let parts: Vec<String> = view
        .servers()
        .filter_map(|entry| {
            Some(format!(
                "# {}\n{}",
                entry.alias,
                entry.info.instructions.as_deref()?
            ))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn aggregate_result(view: &View, revision: Revision) -> String {
    let mut result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": aggregate_capabilities(),
        "serverInfo": server_info(),
    });
    if let (Some(instructions), Some(object)) = (merged_instructions(view), result.as_object_mut())
    {
        object.insert("instructions".to_owned(), instructions.into());
    }
    result.to_string()
}
