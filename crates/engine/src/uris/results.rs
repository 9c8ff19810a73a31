//! The places of an answer where a URI of the server's stands, spelled for the aggregate endpoint.

use std::borrow::Cow;

use portcullis_mcp::{Edits, Envelope, Kind as MessageKind, Members, Method};
use serde_json::value::RawValue;

use super::{Abroad, spelled_elsewhere};
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Most places of one answer that are looked at: each costs a search, and a server decides how many
/// there are.
const MOST: usize = 1000;
/// News of one resource, in either era.
const UPDATED: &str = "notifications/resources/updated";

impl Abroad {
    /// Whether an answer could hold a URI at all.
    pub(crate) fn concerns(text: &str) -> bool {
        text.contains("\"uri\"")
    }

    /// Respells what stands in a result: links and embedded resources, and the URIs of what was read.
    pub(crate) fn result(
        &self,
        entry: &ServerEntry,
        method: Method,
        result: &Members<'_>,
        edits: &mut Edits<'_>,
    ) {
        match method {
            Method::ToolsCall => self.blocks(entry, blocks_of(result.get("content")), edits),
            Method::PromptsGet => {
                let messages = items(result.get("messages")).into_iter();
                let contents = messages.filter_map(|raw| Members::of(raw).ok()?.get("content"));
                self.blocks(entry, contents.flat_map(|raw| blocks_of(Some(raw))), edits);
            }
            Method::ResourcesRead => {
                let contents = items(result.get("contents")).into_iter();
                for content in contents.take(MOST) {
                    self.member(entry, Some(content), edits);
                }
            }
            // A resumed stream, whose answer may be that to any of them.
            Method::ToolsList => {
                for method in [Method::ToolsCall, Method::PromptsGet, Method::ResourcesRead] {
                    self.result(entry, method, result, edits);
                }
            }
            _ => {}
        }
    }

    /// Respells what an error is about (`error.data.uri`).
    pub(crate) fn error(&self, entry: &ServerEntry, error: &RawValue, edits: &mut Edits<'_>) {
        if let Ok(error) = Members::of(error) {
            self.member(entry, error.get("data"), edits);
        }
    }

    fn blocks<'r>(
        &self,
        entry: &ServerEntry,
        blocks: impl IntoIterator<Item = &'r RawValue>,
        edits: &mut Edits<'_>,
    ) {
        for block in blocks.into_iter().take(MOST) {
            let Ok(members) = Members::of(block) else {
                continue;
            };
            match members.string("type").as_deref() {
                Some("resource_link") => self.member(entry, Some(block), edits),
                Some("resource") => self.member(entry, members.get("resource"), edits),
                _ => {}
            }
        }
    }

    /// The `uri` of an object.
    fn member(&self, entry: &ServerEntry, object: Option<&RawValue>, edits: &mut Edits<'_>) {
        let spelled = |uri: &str| self.spelled(entry, uri);
        if let Some(members) = object.and_then(|raw| Members::of(raw).ok()) {
            respell(&members, "uri", spelled, edits);
        }
    }

    /// A notification as the client of this request knows its resource.
    pub(crate) fn notification<'t>(&self, entry: &ServerEntry, text: &'t str) -> Cow<'t, str> {
        updated(text, |uri| self.spelled(entry, uri))
    }
}

/// A notification of a server as a client of this view knows its resource.
pub(crate) fn news_for<'t>(view: &View, entry: &ServerEntry, text: &'t str) -> Cow<'t, str> {
    if view.named().is_some() {
        return Cow::Borrowed(text);
    }
    updated(text, |uri| spelled_elsewhere(view, entry, uri))
}

fn updated(text: &str, spelled: impl Fn(&str) -> Option<String>) -> Cow<'_, str> {
    if !text.contains("resources/updated") {
        return Cow::Borrowed(text);
    }
    let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut edits = Edits::of(text);
    if let MessageKind::Notification { method: UPDATED } = envelope.kind
        && let Some(params) = envelope.params()
    {
        respell(params, "uri", spelled, &mut edits);
    }
    if edits.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(edits.finish())
}

/// The resource that shows a tool (`_meta.ui.resourceUri`, MCP Apps).
pub(crate) fn shown_by(
    view: &View,
    entry: &ServerEntry,
    tool: &Members<'_>,
    edits: &mut Edits<'_>,
) {
    let Ok(Some(meta)) = tool.object("_meta") else {
        return;
    };
    let spelled = |uri: &str| spelled_elsewhere(view, entry, uri);
    respell(&meta, "ui/resourceUri", spelled, edits);
    if let Ok(Some(ui)) = meta.object("ui") {
        respell(&ui, "resourceUri", spelled, edits);
    }
}

fn respell(
    members: &Members<'_>,
    name: &str,
    spelled: impl Fn(&str) -> Option<String>,
    edits: &mut Edits<'_>,
) {
    if let (Some(raw), Some(uri)) = (members.get(name), members.string(name))
        && let Some(spelled) = spelled(&uri)
    {
        edits.replace(raw, serde_json::Value::from(spelled).to_string());
    }
}

/// Content blocks: a list of them, or one.
fn blocks_of(content: Option<&RawValue>) -> Vec<&RawValue> {
    match content {
        Some(one) if one.get().starts_with('{') => vec![one],
        content => items(content),
    }
}

fn items(list: Option<&RawValue>) -> Vec<&RawValue> {
    list.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}
