//! One page of a list over many servers: asked at once, in the operator's order, each within its
//! own time, and a server that fails is reported beside the others instead of spoiling them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use portcullis_mcp::eras::modern_client::tool;
use portcullis_mcp::{Edits, Envelope, Members, Method, code, meta_key};
use portcullis_policy::{Evidence, Operation, authorize_service, has_tools_only};
use portcullis_upstream::UpstreamErrorKind;
use serde_json::json;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::catalog::{Kind, Page, bad_answer, failed, own_params, rpc_code};
use crate::cursor::{self, Position};
use crate::error::EngineError;
use crate::exchange::{Note, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::legacy::{LegacyClient, server_info};
use crate::outcomes::{META_KEY, ServerResult, note, report, require_one};
use crate::pins::Showing;
use crate::prepare::protocol;
use crate::presented::Presented;
use crate::routing::listed_name;
use crate::snapshot::ServerEntry;
use crate::uris::{listed_uri, shown_by};
use crate::view::View;

/// One server's share of a page may take this long at most.
pub(crate) const SHARE: Duration = Duration::from_secs(10);

/// Who asks for a list.
#[derive(Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// A client with a session, or in its place.
    Session(&'a LegacyClient),
    /// A stateless client that declares these capabilities.
    Stateless(&'a RawValue),
}

/// A server and where its list continues.
type Asked = (Arc<ServerEntry>, Option<String>);

/// One server's page, items already under their exposed names.
struct Share {
    items: Vec<String>,
    next: Option<String>,
    ttl_ms: Option<u64>,
}

impl Gateway {
    /// The `result` of an aggregated list request.
    pub(crate) async fn aggregate_page(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        method: Method,
        envelope: &Envelope<'_>,
        asker: Asker<'_>,
    ) -> Result<String, EngineError> {
        self.count(call).await?;
        let modern = matches!(asker, Asker::Stateless(_));
        let asked: Vec<Asked> = match envelope.params().and_then(|params| params.get("cursor")) {
            None => view
                .servers()
                .map(|entry| (Arc::clone(entry), None))
                .collect(),
            Some(raw) => self.positions(call, view, method, raw)?,
        };
        call.audit.allowed("aggregate");
        self.know_owners(view, method).await;
        let (principal, called) = (view.principal(), &*call);
        let shares = asked.iter().map(|(entry, cursor)| async move {
            let limit = SHARE.min(entry.upstream.server().timeout);
            let share = self.share(
                Arc::clone(principal),
                view,
                entry,
                method,
                cursor.as_deref(),
                asker,
                called,
            );
            let result = tokio::time::timeout(limit, share)
                .await
                .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
            ServerResult {
                server: entry.id.clone(),
                result: result.map_err(|error| self.inviting(called, error)),
            }
        });
        let results = futures_util::future::join_all(shares).await;
        note(&mut call.audit, &results);
        require_one(&results)?;
        self.compose(call, view, method, modern, &results)
    }

    /// What a page needs to know of the servers in view beside what is on it.
    async fn know_owners(self: &Arc<Self>, view: &View, method: Method) {
        match method {
            Method::ToolsList => self.know_rivals(view, Kind::Tools).await,
            Method::PromptsList => self.know_rivals(view, Kind::Prompts).await,
            Method::ResourcesList | Method::ResourceTemplatesList => {
                self.know_resources(view).await;
            }
            _ => {}
        }
    }

    fn positions(
        &self,
        call: &Call,
        view: &View,
        method: Method,
        raw: &RawValue,
    ) -> Result<Vec<Asked>, EngineError> {
        let invalid = || protocol(code::INVALID_PARAMS, "invalid cursor");
        let cursor = portcullis_mcp::string_of(raw).ok_or_else(invalid)?;
        let now = self.clock.now();
        let positions = cursor::open(
            &*self.sealer,
            now,
            &call.principal,
            method,
            &view.label(),
            &cursor,
        )?;
        Ok(positions
            .into_iter()
            // A server that left the view between two pages is simply no longer listed.
            .filter_map(|at| Some((Arc::clone(view.server(&at.server)?), Some(at.cursor))))
            .collect())
    }

    async fn share(
        self: &Arc<Self>,
        principal: Arc<portcullis_core::Principal>,
        view: &View,
        entry: &Arc<ServerEntry>,
        method: Method,
        cursor: Option<&str>,
        asker: Asker<'_>,
        call: &Call,
    ) -> Result<Share, EngineError> {
        let mut permit = view.authorize(entry, Operation::Use)?;
        if entry.auth.discovery.is_some() {
            // The caller may use it; what it lists, it is asked in our own name.
            permit = authorize_service(&entry.id);
        }
        if method == Method::ToolsList {
            self.know_what_is_pinned(view, entry).await;
        }
        let evidence = permit.evidence();
        let own = self.speech_for(entry, evidence, asker).await?;
        let note = || Note::of(&call.audit);
        let asked = self.ask_page(entry, evidence, &own, method, cursor, note());
        let asked = asked.await;
        let (text, speech) = match asked {
            // It opens no sessions: it is asked in the one era that it speaks.
            Err(EngineError::Upstream(error)) if error.kind == UpstreamErrorKind::Era => {
                let speech = Speech::Modern;
                let text = self.ask_page(entry, evidence, &speech, method, cursor, note());
                (text.await?, speech)
            }
            asked => (asked?, own),
        };
        let Some(page) = Page::read(&text, method) else {
            return if rpc_code(&text) == Some(code::METHOD_NOT_FOUND) {
                Ok(Share {
                    items: Vec::new(),
                    next: None,
                    ttl_ms: None,
                })
            } else {
                Err(bad_answer(entry))
            };
        };
        let stateless = matches!(speech, Speech::Modern);
        let modern = matches!(asker, Asker::Stateless(_));
        let filter = AnswerFilter {
            method,
            // Of a stateless server we are a client, which drops the tools that a client must not use.
            modern: modern || stateless,
            entry: Arc::clone(entry),
            principal,
            admission: view.admission().clone(),
            listens: Operation::Use,
            subject: String::new(),
            presented: Presented::default(),
            declared: None,
            watched: Vec::new(),
            asked: None,
            abroad: None,
        };
        let mut showing = self.pins.showing(entry, &view.principal().id);
        let items = page
            .items
            .into_iter()
            .filter_map(|raw| show(view, &filter, &mut showing, raw))
            .filter_map(|item| match method {
                Method::ToolsList if modern && !stateless => tool(&item),
                _ => Some(item),
            })
            .collect();
        showing.end();
        Ok(Share {
            items,
            next: page.next,
            ttl_ms: page.ttl_ms,
        })
    }

    async fn ask_page(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        speech: &Speech,
        method: Method,
        cursor: Option<&str>,
        note: Note,
    ) -> Result<String, EngineError> {
        let params = own_params(matches!(speech, Speech::Modern), cursor);
        self.ask_noting(entry, evidence, speech, method, &params, None, note)
            .await
    }

    /// In which era a server is asked for this client: in the client's where it speaks that, else in
    /// its own. That a server opens no sessions, it says when it is to open one.
    async fn speech_for(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        asker: Asker<'_>,
    ) -> Result<Speech, EngineError> {
        match asker {
            Asker::Session(client) => {
                if entry.upstream.opens_no_sessions() && self.speaks_modern(entry, evidence).await?
                {
                    return Ok(Speech::Modern);
                }
                let wish = client.wish(entry.upstream.server().push)?;
                Ok(Speech::Legacy(wish, client.digest))
            }
            Asker::Stateless(capabilities) => {
                if self.speaks_modern(entry, evidence).await? {
                    return Ok(Speech::Modern);
                }
                let wish = crate::modern::wish(entry, capabilities)?;
                Ok(Speech::Legacy(wish, None))
            }
        }
    }

    fn compose(
        &self,
        call: &Call,
        view: &View,
        method: Method,
        modern: bool,
        results: &[ServerResult<Share>],
    ) -> Result<String, EngineError> {
        let shares = || {
            results
                .iter()
                .filter_map(|one| Some((&one.server, one.result.as_ref().ok()?)))
        };
        let items: Vec<&str> = shares()
            .flat_map(|(_, share)| share.items.iter().map(String::as_str))
            .collect();
        let next: Vec<Position> = shares()
            .filter_map(|(server, share)| {
                Some(Position {
                    server: server.to_string(),
                    cursor: share.next.clone()?,
                })
            })
            .collect();
        let member = method.list_member().unwrap_or("items");
        let mut result = format!("{{\"{member}\":[{}]", items.join(","));
        if !next.is_empty() {
            let now = self.clock.now();
            let cursor = cursor::seal(
                &*self.sealer,
                now,
                &call.principal,
                method,
                &view.label(),
                &next,
            )?;
            let _ = write!(result, ",\"nextCursor\":\"{cursor}\"");
        }
        let mut meta = json!({META_KEY: report(results)});
        if modern {
            // A list with a hole in it must not be kept.
            let complete = results.iter().all(|one| one.result.is_ok());
            let ttl = shares()
                .map(|(_, share)| share.ttl_ms.unwrap_or(0))
                .min()
                .filter(|_| complete)
                .unwrap_or(0);
            let _ = write!(
                result,
                ",\"resultType\":\"complete\",\"ttlMs\":{ttl},\"cacheScope\":\"private\""
            );
            if let Some(meta) = meta.as_object_mut() {
                meta.insert(meta_key::SERVER_INFO.to_owned(), server_info());
            }
        }
        let _ = write!(result, ",\"_meta\":{meta}}}");
        Ok(result)
    }
}

/// An item as the aggregate lists it; `None` when it is hidden, or what it is called belongs to another
/// server.
fn show(
    view: &View,
    filter: &AnswerFilter,
    showing: &mut Showing<'_>,
    raw: &RawValue,
) -> Option<String> {
    let kind = match filter.method {
        Method::ToolsList => Kind::Tools,
        Method::PromptsList => Kind::Prompts,
        Method::ResourcesList => Kind::Resources,
        Method::ResourceTemplatesList => Kind::Templates,
        _ => return Some(raw.get().to_owned()),
    };
    let is_shown = match kind {
        Kind::Tools => filter
            .admits(raw)
            .is_some_and(|name| showing.lists(&name, raw)),
        _ => !has_tools_only(view.caller(), &filter.entry.policy),
    };
    if !is_shown {
        return None;
    }
    let (entry, members) = (&filter.entry, Members::of(raw).ok()?);
    let own = members.string(kind.key())?;
    let listed = match kind {
        Kind::Tools | Kind::Prompts => listed_name(view, kind, entry, &own),
        Kind::Resources | Kind::Templates => listed_uri(view, kind, entry, &own),
    };
    let Some(listed) = listed else {
        tracing::warn!(mcp.server.id = %entry.id, name = %own, "belongs to another server: not listed");
        return None;
    };
    let mut edits = Edits::of(raw.get());
    if listed != own {
        let listed = serde_json::Value::from(listed);
        edits.replace(members.get(kind.key())?, listed.to_string());
    }
    if kind == Kind::Tools {
        shown_by(view, entry, &members, &mut edits);
    }
    Some(edits.finish())
}
