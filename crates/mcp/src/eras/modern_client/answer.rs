//! A server's answer as 2026-07-28 has it.

use serde_json::value::RawValue;

use super::introduction::Introduction;
use crate::capabilities::ClientCapabilities;
use crate::error::code;
use crate::json::{Edits, Members, quote};
use crate::message::Envelope;
use crate::method::Method;
use crate::modern::meta_key;
use crate::task_support::answers_with_tasks_only;

/// Codes that 2026-07-28 keeps for what is between a client and whom it speaks to. A server of an
/// earlier revision means something else by them.
const OF_THE_HOP: std::ops::RangeInclusive<i64> = -32099..=-32020;

/// A result under the client's id; `None` when it is not an object.
pub(super) fn result(
    method: Method,
    envelope: &Envelope<'_>,
    id: &RawValue,
    client_id: &str,
    server: &Introduction,
) -> Option<String> {
    let raw = envelope.result()?;
    let result = Members::of(raw).ok()?;
    let mut edits = Edits::of(envelope.text);
    edits.replace(id, client_id);
    let mut added: Vec<String> = Vec::new();
    let mut says = |name: &str, value: &str| match result.get(name) {
        Some(there) => edits.replace(there, value),
        None => added.push(format!("{}:{value}", quote(name))),
    };
    says("resultType", r#""complete""#);
    if keeps(method) {
        says("ttlMs", "0");
        says("cacheScope", r#""private""#);
    }
    if let Some(info) = &server.server_info {
        let info = format!("{}:{info}", quote(meta_key::SERVER_INFO));
        let others = match result.object("_meta").ok().flatten() {
            Some(meta) => meta.rewrite(|name| name != meta_key::SERVER_INFO),
            None => "{}".to_owned(),
        };
        let comma = if others == "{}" { "" } else { "," };
        let rest = others.strip_prefix('{').unwrap_or("}");
        says("_meta", &format!("{{{info}{comma}{rest}"));
    }
    if result.is_empty() {
        edits.replace(raw, format!("{{{}}}", added.join(",")));
    } else {
        edits.insert_members(raw, &added.join(","));
    }
    if method == Method::ToolsList
        && let Some(list) = result.get("tools")
    {
        let tools: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        let tools: Vec<String> = tools
            .into_iter()
            .filter_map(|raw| tool(raw.get()))
            .collect();
        edits.replace(list, format!("[{}]", tools.join(",")));
    }
    Some(edits.finish())
}

/// An error under the client's id, and the code that it has now.
pub(super) fn error(
    envelope: &Envelope<'_>,
    id: &RawValue,
    client_id: &str,
    subject: &str,
    declared: &ClientCapabilities,
) -> Option<(String, i64)> {
    let raw = envelope.error()?;
    let error = Members::of(raw).ok()?;
    let raw_code = error.get("code")?;
    let given: i64 = raw_code.get().parse().ok()?;
    let mut edits = Edits::of(envelope.text);
    edits.replace(id, client_id);
    let now = match given {
        code::RESOURCE_NOT_FOUND => {
            let uri = format!("{{\"uri\":{}}}", quote(subject));
            match error.get("data") {
                Some(data) => match Members::of(data) {
                    Ok(members) if members.get("uri").is_some() => {}
                    Ok(_) => edits.insert(data, "uri", &quote(subject)),
                    Err(_) => edits.replace(data, uri),
                },
                None => edits.insert(raw, "data", &uri),
            }
            code::INVALID_PARAMS
        }
        // The session was opened with what the client declares: what is missing there is missing here.
        code::MISSING_CAPABILITY if names_missing(&error, declared) => given,
        given if OF_THE_HOP.contains(&given) => code::INTERNAL_ERROR,
        given => given,
    };
    if now != given {
        edits.replace(raw_code, now.to_string());
    }
    Some((edits.finish(), now))
}

/// Whether an error asks for capabilities, and for none that the client has declared.
fn names_missing(error: &Members<'_>, declared: &ClientCapabilities) -> bool {
    let Ok(declared) = Members::parse(declared.as_json()) else {
        return false;
    };
    let data = error.object("data").ok().flatten();
    let required = data.and_then(|data| data.object("requiredCapabilities").ok().flatten());
    required.is_some_and(|required| {
        !required.is_empty()
            && required
                .iter()
                .all(|(name, _)| declared.get(name).is_none())
    })
}

/// What a client may keep, and so must be told for how long (SEP-2549).
const fn keeps(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourceTemplatesList
            | Method::ResourcesRead
    )
}

/// A listed tool; `None` for one that answers with tasks of 2025-11-25 only, which no client of
/// 2026-07-28 can ask for.
pub fn tool(raw: &str) -> Option<String> {
    let members = Members::parse(raw).ok()?;
    let Some(execution) = members.get("execution") else {
        return Some(raw.to_owned());
    };
    if answers_with_tasks_only(&members) {
        return None;
    }
    let execution = Members::of(execution).unwrap_or_default();
    let rest = execution.rewrite(|name| name != "taskSupport");
    if rest == "{}" {
        return Some(members.rewrite(|name| name != "execution"));
    }
    let mut edits = Edits::of(raw);
    edits.replace(members.get("execution")?, rest);
    Some(edits.finish())
}
