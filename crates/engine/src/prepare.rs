//! Resolve and authorize: the steps that every request takes before anything leaves the house.

use std::sync::Arc;

use portcullis_mcp::{Edits, Envelope, Members, Method, RpcError, Subject, code};
use portcullis_policy::{
    Approval, Denied, DeniedRule, Described, Evidence, Operation, has_tools_only,
};
use serde_json::value::RawValue;

use crate::aggregate::Asker;
use crate::approvals::{Granted, Waiting};
use crate::audit::Target;
use crate::call::Call;
use crate::catalog::Kind;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::limits::Going;
use crate::snapshot::ServerEntry;
use crate::tasks;
use crate::uris::Abroad;
use crate::view::View;

/// A request that may go out, and where to.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) entry: Arc<ServerEntry>,
    pub(crate) evidence: Evidence,
    /// The server's own names put in place of ours.
    pub(crate) edits: Edits<'a>,
    /// What is asked for, as the server spells it; empty when nothing in particular.
    pub(crate) subject: String,
    /// Whether the subject's spelling changed, so that headers must follow.
    pub(crate) renamed: bool,
    /// The aggregate that the answer is for; `None` on the server's own endpoint.
    pub(crate) abroad: Option<Arc<Abroad>>,
    /// Whether it only brings an answer to a request that is parked, whose places and price it goes on with:
    /// it has taken none, and must not go out by itself.
    pub(crate) goes_on: bool,
    /// The approval that it was found to have, still to be used.
    pub(crate) granted: Option<Box<Granted<'a>>>,
}

pub(crate) fn protocol(code: i64, message: impl Into<String>) -> EngineError {
    EngineError::Protocol(RpcError::new(code, message))
}

/// What a `subscriptions/listen` is to the policy: news of resources is read from them as much as
/// their content is; that lists changed, and how own tasks go on, is not.
pub(crate) fn listening(envelope: &Envelope<'_>) -> Operation<'static> {
    let wanted = envelope
        .params()
        .and_then(|params| params.object("notifications").ok().flatten());
    let harmless = |name: &str| name.ends_with("ListChanged") || name == "taskIds";
    if wanted.is_some_and(|wanted| wanted.iter().any(|(name, _)| !harmless(name))) {
        Operation::Read
    } else {
        Operation::Use
    }
}

impl Gateway {
    /// Counts the request, finds the server, asks the policy, and takes what the request needs of what is
    /// limited; what was decided stands in the audit event. `asker`: the client, where a server may show it
    /// more than it shows us.
    pub(crate) async fn prepare<'a>(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        method: Method,
        envelope: &Envelope<'a>,
        asker: Option<Asker<'_>>,
    ) -> Result<Prepared<'a>, EngineError> {
        self.count(call).await?;
        let params = envelope.params();
        let subject = method.subject(params).map_err(|member| {
            protocol(
                code::INVALID_PARAMS,
                format!("params.{member} is missing or not a string"),
            )
        })?;
        note_subject(call, &subject);
        let (entry, own) = self.resolve(call, view, method, &subject, asker).await?;
        call.audit.server(&entry.id);

        let arguments = params.and_then(|params| params.get("arguments"));
        if method == Method::ToolsCall
            && let Some(raw) = arguments
        {
            call.audit.arguments(raw.get().as_bytes());
        }
        let operation = |described: Described| match method {
            Method::ToolsCall => Operation::CallTool {
                tool: &own,
                arguments: arguments.map(RawValue::get),
                described,
            },
            Method::PromptsGet
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesDirectoryRead
            | Method::SkillsGet
            | Method::Complete => Operation::Read,
            Method::Listen => listening(envelope),
            // Whoever has single tools of the server is not told what else there is.
            Method::PromptsList | Method::ResourcesList | Method::ResourceTemplatesList
                if has_tools_only(view.caller(), &entry.policy) =>
            {
                Operation::Read
            }
            _ => Operation::Use,
        };
        let mut described = match method {
            Method::ToolsCall => entry.described(view, &own),
            _ => Described::default(),
        };
        let mut decided = view.authorize(&entry, operation(described));
        match method {
            // Nobody is asked to approve a call that is refused anyway.
            Method::ToolsCall if may_come_to_a_call(&decided) => {
                let pinned = self.require_pinned(call, view, &entry, &own).await?;
                // What was held against its pin decides whether somebody has to approve the call, not what
                // was listed before.
                if let Some(pinned) = pinned.filter(|pinned| *pinned != described) {
                    described = pinned;
                    decided = view.authorize(&entry, operation(described));
                }
            }
            Method::ToolsList if decided.is_ok() => {
                self.know_what_is_pinned(view, &entry).await;
            }
            _ => {}
        }
        let goes_on = matches!(asker, Some(Asker::Stateless(_)))
            && self.goes_on(call, &entry, method, &own, envelope);
        let mut granted = None;
        let decided = match decided {
            Err(denied) if denied.rule == DeniedRule::ApprovalRequired => {
                require_an_answer(view, &entry, &own)?;
                let approval = if goes_on && method == Method::ToolsCall {
                    answering(call, &entry, &own)
                } else {
                    let waiting = Waiting {
                        entry: &entry,
                        tool: &own,
                        arguments,
                        rule: denied.label(),
                        behalf: view.behalf(&entry),
                    };
                    // Boxed: every call would carry its room otherwise.
                    let found = Box::pin(self.approved(call, &waiting)).await?;
                    let approval = found.approval(call, &waiting);
                    granted = Some(Box::new(found));
                    approval
                };
                view.authorize_approved(&entry, operation(described), &approval)
            }
            decided => decided,
        };
        let permit = decided.map_err(|denied| refused(call, &subject, denied))?;
        call.audit.allowed(permit.evidence().rule());
        if matches!(subject, Subject::Tool(_)) {
            require_an_answer(view, &entry, &own)?;
        }
        let going = match method {
            Method::ToolsCall => Going::Tool(&own),
            Method::Listen => Going::Listening,
            _ => Going::Request,
        };
        if !goes_on {
            self.reserve(call, &entry, going).await?;
        }

        let mut edits = Edits::of(envelope.text);
        let given = match &subject {
            Subject::None => "",
            Subject::Tool(name)
            | Subject::Prompt(name)
            | Subject::Uri(name)
            | Subject::Task(name) => name,
        };
        let renamed = own != given;
        if renamed
            && let Some(raw) = params.and_then(|params| subject_value(method, &subject, params))
        {
            edits.replace(raw, serde_json::Value::from(own.as_str()).to_string());
        }
        let asked = match &subject {
            Subject::Uri(given) => vec![(own.clone(), given.clone().into_owned())],
            _ => Vec::new(),
        };
        let evidence = permit.evidence().clone();
        Ok(Prepared {
            abroad: Abroad::of(view, asked),
            entry,
            evidence,
            edits,
            subject: own,
            renamed,
            goes_on,
            granted,
        })
    }

    async fn resolve(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        method: Method,
        subject: &Subject<'_>,
        asker: Option<Asker<'_>>,
    ) -> Result<(Arc<ServerEntry>, String), EngineError> {
        match subject {
            Subject::Tool(name) => {
                match (self.resolve_name(view, Kind::Tools, name).await, asker) {
                    // Boxed: every call would carry its room otherwise.
                    (Err(unknown @ EngineError::Unknown { .. }), Some(asker)) => {
                        let shown = Box::pin(self.resolve_in_session(view, asker, name)).await;
                        shown.ok_or(unknown)
                    }
                    (resolved, _) => resolved,
                }
            }
            Subject::Prompt(name) => match view.named() {
                Some(entry) => Ok((Arc::clone(entry), name.clone().into_owned())),
                None => self.resolve_name(view, Kind::Prompts, name).await,
            },
            Subject::Uri(uri) => self.resolve_uri(view, uri).await,
            Subject::Task(handle) => {
                let unknown = || EngineError::Unknown {
                    what: "task",
                    name: handle.clone().into_owned(),
                };
                let (server, task) = tasks::unwrap(&*self.handles, &call.principal.id, handle)
                    .ok_or_else(unknown)?;
                let entry = view.server(server).ok_or_else(unknown)?;
                Ok((Arc::clone(entry), task.to_owned()))
            }
            Subject::None => match view.named() {
                Some(entry) => Ok((Arc::clone(entry), String::new())),
                None => Err(protocol(
                    code::METHOD_NOT_FOUND,
                    format!(
                        "{} is only available on a server's own endpoint",
                        method.as_str()
                    ),
                )),
            },
        }
    }
}

/// Whether the caller may call this, as far as it is known to them: at once, or with an approval.
fn may_come_to_a_call<P>(decided: &Result<P, Denied>) -> bool {
    match decided {
        Ok(_) => true,
        Err(denied) => denied.rule == DeniedRule::ApprovalRequired,
    }
}

/// What the policy said no to, as the caller may know it, and on record.
fn refused(call: &mut Call, subject: &Subject<'_>, denied: Denied) -> EngineError {
    call.audit.denied(denied.label());
    // A tool that the lists do not show is answered like one that does not exist.
    match subject {
        Subject::Tool(name) if denied.kind() == portcullis_core::ErrorKind::NotFound => {
            EngineError::Unknown {
                what: "tool",
                name: name.clone().into_owned(),
            }
        }
        _ => denied.into(),
    }
}

/// What the answer to a question of a call that runs goes with: the call was approved when it began.
fn answering(call: &Call, entry: &ServerEntry, tool: &str) -> Approval {
    Approval {
        id: "of-the-call-that-asked".into(),
        principal: call.principal.id.clone(),
        server: entry.id.clone(),
        tool: tool.to_owned(),
    }
}

/// A tool that answers with tasks only is for nobody: the tasks of servers with sessions are not
/// offered. The lists do not show it.
fn require_an_answer(view: &View, entry: &ServerEntry, tool: &str) -> Result<(), EngineError> {
    let listing = entry.catalog_of(view).seen(Kind::Tools);
    let tasks_only = listing.is_some_and(|listing| {
        let item = listing.get(tool);
        item.is_some_and(|item| item.tasks_only)
    });
    if tasks_only {
        let text = "the tool answers with tasks only (execution.taskSupport: required), and tasks of servers with sessions are not offered here";
        return Err(protocol(code::INVALID_PARAMS, text));
    }
    Ok(())
}

pub(crate) fn note_subject(call: &mut Call, subject: &Subject<'_>) {
    match subject {
        Subject::Tool(name) => call.audit.target(Target::tool(name)),
        Subject::Prompt(name) => call.audit.target(Target::prompt(name)),
        Subject::Uri(uri) => call.audit.target(Target::resource(uri)),
        Subject::Task(_) | Subject::None => {}
    }
}

/// The raw value that holds the subject's name: of this very member, whatever stands beside it.
fn subject_value<'a>(
    method: Method,
    subject: &Subject<'_>,
    params: &Members<'a>,
) -> Option<&'a RawValue> {
    let member = match subject {
        Subject::Tool(_) | Subject::Prompt(_) => "name",
        Subject::Uri(_) => "uri",
        Subject::Task(_) => "taskId",
        Subject::None => return None,
    };
    match method {
        Method::Complete => params.object("ref").ok().flatten()?.get(member),
        _ => params.get(member),
    }
}
