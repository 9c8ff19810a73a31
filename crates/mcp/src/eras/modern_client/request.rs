//! The request as a server of sessions reads it, and what it is told that the client can do.

use crate::capabilities::{ClientCapabilities, PushPolicy};
use crate::json::{Edits, JsonError, Members};
use crate::message::Envelope;
use crate::revision::Revision;

/// Keys of `_meta` that only 2026-07-28 knows.
const RESERVED: &str = "io.modelcontextprotocol/";
/// Members of `params` that are for the gateway alone, or mean something else in a session: `task`
/// is ignored in 2026-07-28 and would make the server answer with a task.
const FOREIGN: [&str; 3] = ["inputResponses", "requestState", "task"];

/// The request without what only its own era knows; every other byte stays.
pub fn request(text: &str) -> Option<String> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let (Some(raw), Some(params)) = (envelope.raw_params(), envelope.params()) else {
        return Some(text.to_owned());
    };
    let meta = match envelope.meta().ok()? {
        Some(meta) => meta.rewrite(|name| !name.starts_with(RESERVED)),
        None => "{}".to_owned(),
    };
    let rest = params.rewrite(|name| name != "_meta" && !FOREIGN.contains(&name));
    let mut with_meta = Edits::of(&rest);
    if meta != "{}" {
        with_meta.insert_top("_meta", &meta);
    }
    let mut edits = Edits::of(text);
    edits.replace(raw, with_meta.finish());
    Some(edits.finish())
}

/// What a session of this revision is opened with for a client that declares `raw`, less what the
/// operator withholds.
///
/// Only what a server may ask for is told, always in the same words, so that clients that can do the
/// same share a session.
pub fn capabilities(
    raw: &str,
    push: PushPolicy,
    revision: Revision,
) -> Result<ClientCapabilities, JsonError> {
    let declared = Members::parse(raw)?;
    let object = |name: &str| {
        declared
            .get(name)
            .filter(|raw| raw.get().starts_with('{'))
            .and_then(|raw| Members::of(raw).ok())
    };
    let mut told: Vec<String> = Vec::new();
    if object("roots").is_some() {
        told.push(r#""roots":{}"#.to_owned());
    }
    let newest = revision >= Revision::V2025_11_25;
    if let Some(sampling) = object("sampling") {
        let parts = named(&sampling, &["context", "tools"], newest);
        told.push(format!(r#""sampling":{{{parts}}}"#));
    }
    if let Some(modes) = object("elicitation") {
        // An empty object means forms.
        let forms = modes.get("form").is_some() || modes.get("url").is_none();
        if newest {
            let form = if forms { r#""form":{}"# } else { "" };
            let url = named(&modes, &["url"], true);
            let comma = if form.is_empty() || url.is_empty() {
                ""
            } else {
                ","
            };
            told.push(format!(r#""elicitation":{{{form}{comma}{url}}}"#));
        } else if forms && revision >= Revision::V2025_06_18 {
            told.push(r#""elicitation":{}"#.to_owned());
        }
    }
    ClientCapabilities::narrowed(&format!("{{{}}}", told.join(",")), push)
}

fn named(members: &Members<'_>, names: &[&str], known: bool) -> String {
    let there = names.iter().filter(|name| {
        known
            && members
                .get(name)
                .is_some_and(|raw| raw.get().starts_with('{'))
    });
    let parts: Vec<String> = there.map(|name| format!(r#""{name}":{{}}"#)).collect();
    parts.join(",")
}
