//! The REST form of the tool path: the same registry, policy, credentials and door as MCP.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_mcp::{Edits, Envelope, Members, Method, Revision, code};
use portcullis_policy::{Operation, shows_tool};
use portcullis_upstream::UpstreamErrorKind;
use serde_json::value::RawValue;

use crate::aggregate::SHARE;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::catalog::{Kind, bad_answer, failed};
use crate::error::EngineError;
use crate::exchange::{Note, Speech, revealing};
use crate::filter::is_tool_error;
use crate::gateway::Gateway;
use crate::outcomes::{ServerResult, note, report, require_one};
use crate::prepare::protocol;
use crate::routing::listed_name;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// One tool as its server describes it, and whose it is.
#[derive(Debug)]
pub struct ListedTool {
    /// The server.
    pub server: Arc<ServerEntry>,
    /// The tool's own object, untouched.
    pub raw: Box<RawValue>,
}

/// Every tool in view, and how each server fared.
#[derive(Debug)]
pub struct ToolListing {
    /// The tools, servers in the operator's order.
    pub tools: Vec<ListedTool>,
    /// `{server: {status, http_status?}}`.
    pub outcomes: serde_json::Value,
    /// Whether every server answered.
    pub complete: bool,
}

impl Gateway {
    /// Lists what may be called.
    pub async fn list_tools(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
    ) -> Result<ToolListing, EngineError> {
        call.audit
            .method(CallerText::new(Method::ToolsList.as_str()));
        self.count(call).await?;
        call.audit.allowed("aggregate");
        let called = &*call;
        let listing = view.servers().map(|entry| async move {
            let limit = SHARE.min(entry.upstream.server().timeout);
            let result = tokio::time::timeout(limit, self.listing(view, entry, Kind::Tools, None))
                .await
                .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
            ServerResult {
                server: entry.id.clone(),
                result: result
                    .map(|listing| (Arc::clone(entry), listing))
                    .map_err(|error| self.inviting(called, error)),
            }
        });
        let results = futures_util::future::join_all(listing).await;
        note(&mut call.audit, &results);
        require_one(&results)?;
        let outcomes = report(&results);
        let complete = results.iter().all(|one| one.result.is_ok());
        let tools = results
            .iter()
            .filter_map(|one| one.result.as_ref().ok())
            .flat_map(|(entry, listing)| {
                listing
                    .items
                    .iter()
                    .filter(|item| {
                        shows_tool(view.caller(), &entry.policy, &item.name)
                            && !item.tasks_only
                            && self.pins.lists_read(entry, &item.name, &item.digest)
                    })
                    .map(|item| ListedTool {
                        server: Arc::clone(entry),
                        raw: item.raw.clone(),
                    })
            })
            .collect();
        Ok(ToolListing {
            tools,
            outcomes,
            complete,
        })
    }

    /// Calls one tool and returns its `CallToolResult` as the server wrote it. `name` may be
    /// exposed, or the server's own where only one server in view has it.
    pub async fn call_tool(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        name: &str,
        arguments: &str,
        headers: &HeaderMap,
    ) -> Result<String, EngineError> {
        let called = self.called(call, view, name, arguments, headers).await;
        called.map_err(|error| self.inviting_at_last(call, error))
    }

    async fn called(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        name: &str,
        arguments: &str,
        headers: &HeaderMap,
    ) -> Result<String, EngineError> {
        call.audit
            .method(CallerText::fixed(Method::ToolsCall.as_str()));
        self.count(call).await?;
        let (entry, own) = match self.resolve_name(view, Kind::Tools, name).await {
            Err(unknown @ EngineError::Unknown { .. }) => match view.named() {
                None => self.unprefixed(view, name).await?,
                // `server_id` beside a name as the aggregate lists it, as LiteLLM's clients send.
                Some(entry) => match self.own_name(view, entry, Kind::Tools, name).await? {
                    Some(own) => (Arc::clone(entry), own),
                    None => return Err(unknown),
                },
            },
            resolved => resolved?,
        };
        let view = view.only(&entry);
        // Discovery told which era this server prefers; the call itself is the caller's own.
        let permit = view.authorize(&entry, Operation::Use)?;
        let speech = self.own_speech(&entry, permit.evidence()).await?;
        let meta = match speech {
            Speech::Modern => format!(r#","_meta":{}"#, portcullis_upstream::own_meta_text()),
            Speech::Legacy(..) => String::new(),
        };
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{},"arguments":{arguments}{meta}}}}}"#,
            serde_json::Value::from(own.as_str()),
        );
        let envelope = Envelope::parse(text.as_bytes())
            .map_err(|_| protocol(code::INVALID_PARAMS, "arguments must be an object"))?;
        let prepared = self
            .prepare(call, &view, Method::ToolsCall, &envelope, None)
            .await?;
        let mut outward = HeaderMap::new();
        if matches!(speech, Speech::Modern) {
            call.audit.revision(Revision::V2026_07_28.as_str());
            let arguments: Option<&RawValue> = serde_json::from_str(arguments).ok();
            outward = mirrored(&view, &entry, &own, arguments);
            outward.insert("mcp-method", http::HeaderValue::from_static("tools/call"));
            outward.insert("mcp-name", portcullis_mcp::header_value::encode(&own));
        }
        if let Some(trace) = headers.get("traceparent") {
            outward.insert("traceparent", trace.clone());
        }
        self.use_approval(call, &prepared).await?;
        let mut note = Note::of(&call.audit);
        let edits = Edits::of(&text);
        let asking = async {
            let (evidence, note) = (&prepared.evidence, &mut note);
            let opened = self
                .exchange(&entry, evidence, &speech, &envelope, edits, outward, note)
                .await?;
            self.whole_answer(&entry, evidence, opened).await
        };
        let answer = self
            .while_standing(&call.principal, &call.admission, Box::pin(asking))
            .await;
        note.record(&mut call.audit);
        call.held.sent(note.sent);
        let answer = answer?;
        if note
            .presented
            .is_some_and(|credential| credential.appears_in(answer.as_bytes()))
        {
            return Err(revealing(&entry));
        }
        result_of(&entry, &answer)
    }

    /// The only server in view whose tool has this very name.
    async fn unprefixed(
        self: &Arc<Self>,
        view: &View,
        name: &str,
    ) -> Result<(Arc<ServerEntry>, String), EngineError> {
        let unknown = || EngineError::Unknown {
            what: "tool",
            name: name.to_owned(),
        };
        let mut found: Vec<&Arc<ServerEntry>> = Vec::new();
        let mut unasked = Vec::new();
        for (entry, asked) in self.who_lists(view, Kind::Tools, name).await {
            match asked {
                Ok(true) if shows_tool(view.caller(), &entry.policy, name) => found.push(entry),
                Ok(_) => {}
                Err(error) => unasked.push((entry, error)),
            }
        }
        let exposed = |entry: &ServerEntry| {
            listed_name(view, Kind::Tools, entry, name).unwrap_or_else(|| name.to_owned())
        };
        match (found.as_slice(), unasked.pop()) {
            ([only], None) => Ok((Arc::clone(only), name.to_owned())),
            ([], None) => Err(unknown()),
            ([], Some((_, error))) => Err(error),
            // Another server may have it too: taking this one would be a guess.
            ([only], Some((silent, _))) => Err(protocol(
                code::INVALID_REQUEST,
                format!(
                    "server {} cannot say whether it has a tool of this name too; say server_id, or {}",
                    silent.label(),
                    exposed(only)
                ),
            )),
            (several, _) => {
                let names: Vec<String> = several.iter().map(|entry| exposed(entry)).collect();
                Err(protocol(
                    code::INVALID_REQUEST,
                    format!(
                        "several servers have a tool of this name; say server_id, or one of: {}",
                        names.join(", ")
                    ),
                ))
            }
        }
    }
}

/// The headers that mirror a call's arguments (2026-07-28), from the tool's listed schema.
pub(crate) fn mirrored(
    view: &View,
    entry: &ServerEntry,
    tool: &str,
    arguments: Option<&RawValue>,
) -> HeaderMap {
    let mut out = HeaderMap::new();
    let Some(listing) = entry.catalog_of(view).seen(Kind::Tools) else {
        return out;
    };
    let Some(schema) = listing.get(tool).and_then(|item| item.headers.as_ref()) else {
        return out;
    };
    out.extend(schema.headers_for(arguments));
    out
}

/// The result of a tool call's answer; an error the server answered with becomes ours, without its
/// words.
fn result_of(entry: &ServerEntry, answer: &str) -> Result<String, EngineError> {
    let envelope = Envelope::parse(answer.as_bytes()).map_err(|_| bad_answer(entry))?;
    let Some(result) = envelope.result() else {
        return Err(bad_answer(entry));
    };
    let members = Members::of(result).map_err(|_| bad_answer(entry))?;
    if members
        .string("resultType")
        .is_some_and(|kind| kind == "input_required")
    {
        return Err(EngineError::PushNotAllowed {
            server: entry.id.clone(),
            method: "input from a client".to_owned(),
        });
    }
    Ok(result.get().to_owned())
}

impl ToolListing {
    /// The outcome of an answered call.
    pub fn outcome_of_call(result: &str) -> Outcome {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        if is_tool_error(&message) {
            Outcome::ToolError
        } else {
            Outcome::Ok
        }
    }
}
