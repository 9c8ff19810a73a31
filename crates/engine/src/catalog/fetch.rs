//! Asking a server for its lists: as ourselves or as the caller, page after page, within bounds.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Members, Method, ParamHeaders, Revision,
    answers_with_tasks_only, code, digest_of, string_of,
};
use portcullis_policy::Evidence;
use portcullis_upstream::{SessionWish, UpstreamErrorKind};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Item, Kind, Lister, bad_answer, failed};
use crate::error::EngineError;
use crate::exchange::{Note, Speech, revealing};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// Most pages, items, and bytes in all pages together, that a server's list may have.
const MAX_PAGES: usize = 1000;
const MAX_ITEMS: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl Gateway {
    /// A server's whole list. Boundless in time: the caller bounds it.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        lister: &Lister,
        kind: Kind,
    ) -> Result<Vec<Item>, EngineError> {
        let (entry, evidence) = (&lister.entry, &lister.evidence);
        let speech = self.own_speech(entry, evidence).await?;
        let modern = matches!(speech, Speech::Modern);
        let mut items: Vec<Item> = Vec::new();
        let mut bytes = 0_usize;
        let mut cursor: Option<String> = None;
        let mut refused = false;
        for _ in 0..MAX_PAGES {
            let page = self
                .ask(
                    entry,
                    evidence,
                    &speech,
                    kind.method(),
                    &own_params(modern, cursor.as_deref()),
                    None,
                )
                .await?;
            bytes = bytes.saturating_add(page.len());
            if bytes > MAX_BYTES {
                return Err(failed(entry, UpstreamErrorKind::TooLarge));
            }
            let Some(page) = Page::read(&page, kind.method()) else {
                match rpc_code(&page) {
                    // A server without this capability has nothing of the kind.
                    Some(code::METHOD_NOT_FOUND) => return Ok(items),
                    // We speak one stateless revision and cannot choose another, but behind one
                    // address there may be servers of several: once more.
                    Some(code::UNSUPPORTED_VERSION) if modern && !refused => {
                        refused = true;
                        continue;
                    }
                    _ => return Err(bad_answer(entry)),
                }
            };
            for raw in page.items {
                if items.len() >= MAX_ITEMS {
                    return Err(bad_answer(entry));
                }
                if let Some(item) = item(kind, raw, modern, entry) {
                    items.push(item);
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(items),
            }
        }
        Err(bad_answer(entry))
    }

    /// The wire of a request that we make ourselves: stateless where the server speaks it.
    pub(crate) async fn own_speech(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
    ) -> Result<Speech, EngineError> {
        if self.speaks_modern(entry, evidence).await? {
            return Ok(Speech::Modern);
        }
        let revision = match entry.upstream.server().protocol {
            portcullis_upstream::ProtocolChoice::Pinned(revision) => revision,
            portcullis_upstream::ProtocolChoice::Auto => Revision::V2025_11_25,
        };
        let wish = SessionWish {
            revision,
            capabilities: ClientCapabilities::none(),
            stateless: false,
        };
        Ok(Speech::Legacy(wish, None))
    }

    /// Makes one request of our own and returns the whole answer message.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        speech: &Speech,
        method: Method,
        params: &str,
        named: Option<(&str, HeaderMap)>,
    ) -> Result<String, EngineError> {
        let note = Note::default();
        self.ask_noting(entry, evidence, speech, method, params, named, note)
            .await
    }

    /// The same because of somebody's request.
    pub(crate) async fn ask_noting(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        speech: &Speech,
        method: Method,
        params: &str,
        named: Option<(&str, HeaderMap)>,
        mut note: Note,
    ) -> Result<String, EngineError> {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{params}}}"#,
            method.as_str()
        );
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(entry))?;
        let mut headers = HeaderMap::new();
        if matches!(speech, Speech::Modern) {
            if let Some((name, more)) = named {
                headers = more;
                headers.insert(
                    HeaderName::from_static("mcp-name"),
                    portcullis_mcp::header_value::encode(name),
                );
            }
            headers.insert(
                HeaderName::from_static("mcp-method"),
                HeaderValue::from_static(method.as_str()),
            );
        }
        let opened = self
            .exchange(
                entry,
                evidence,
                speech,
                &envelope,
                Edits::of(&text),
                headers,
                &mut note,
            )
            .await?;
        let text = self.whole_answer(entry, evidence, opened).await?;
        if note
            .presented
            .is_some_and(|credential| credential.appears_in(text.as_bytes()))
        {
            return Err(revealing(entry));
        }
        Ok(text)
    }
}

/// One page of a list.
pub(crate) struct Page<'a> {
    pub(crate) items: Vec<&'a RawValue>,
    pub(crate) next: Option<String>,
    pub(crate) ttl_ms: Option<u64>,
}

impl<'a> Page<'a> {
    /// Reads an answer message; `None` when it is an error or not a page of this list.
    pub(crate) fn read(text: &'a str, method: Method) -> Option<Self> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let result = Members::of(envelope.result()?).ok()?;
        let items = serde_json::from_str(result.get(method.list_member()?)?.get()).ok()?;
        let next = result
            .get("nextCursor")
            .and_then(string_of)
            .map(std::borrow::Cow::into_owned);
        let ttl_ms = result.get("ttlMs").and_then(|raw| raw.get().parse().ok());
        Some(Self {
            items,
            next,
            ttl_ms,
        })
    }
}

/// The params of a list request of our own.
pub(crate) fn own_params(modern: bool, cursor: Option<&str>) -> String {
    let mut params = if modern {
        json!({"_meta": portcullis_upstream::own_meta()})
    } else {
        json!({})
    };
    if let (Some(cursor), Some(params)) = (cursor, params.as_object_mut()) {
        params.insert("cursor".to_owned(), cursor.into());
    }
    params.to_string()
}

/// A listed item, unless a client must not use it: nameless, or a tool whose `x-mcp-header`
/// annotations break the rules ("HTTP clients MUST drop" it, 2026-07-28).
fn item(kind: Kind, raw: &RawValue, modern: bool, entry: &ServerEntry) -> Option<Item> {
    let members = Members::of(raw).ok()?;
    let name = members.string(kind.key())?;
    let headers = if kind == Kind::Tools {
        match param_headers(&members) {
            Ok(headers) => headers,
            // What a server of sessions writes there means nothing to it, nor to its own clients.
            Err(_) if !modern => None,
            Err(reason) => {
                tracing::warn!(mcp.server.id = %entry.id, mcp.tool.name = %name, %reason, "tool dropped");
                return None;
            }
        }
    } else {
        None
    };
    Some(Item {
        tasks_only: kind == Kind::Tools && !modern && answers_with_tasks_only(&members),
        read_only: kind == Kind::Tools && is_read_only(&members),
        name: name.into(),
        raw: raw.to_owned(),
        digest: if kind == Kind::Tools {
            digest_of(raw)
        } else {
            [0; 32]
        },
        headers,
    })
}

/// Whether a tool is marked as one that does not change anything (MCP "Tool annotations"). What stands
/// twice or is no object marks nothing.
fn is_read_only(tool: &Members<'_>) -> bool {
    let annotations = tool.object("annotations").ok().flatten();
    annotations
        .and_then(|annotations| annotations.get("readOnlyHint"))
        .is_some_and(|hint| hint.get() == "true")
}

/// The header annotations of a tool.
pub(crate) fn param_headers(
    tool: &Members<'_>,
) -> Result<Option<ParamHeaders>, portcullis_mcp::InvalidAnnotation> {
    let Some(schema) = tool
        .get("inputSchema")
        .filter(|raw| raw.get().contains("x-mcp-header"))
    else {
        return Ok(None);
    };
    let schema: serde_json::Value = serde_json::from_str(schema.get()).unwrap_or_default();
    ParamHeaders::from_schema(&schema).map(Some)
}

/// The code of an answer that is an error.
pub(crate) fn rpc_code(text: &str) -> Option<i64> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    Members::of(envelope.error()?)
        .ok()?
        .get("code")?
        .get()
        .parse()
        .ok()
}
