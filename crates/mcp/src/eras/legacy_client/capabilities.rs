//! What a client declared at `initialize`, as its every request declares it to a stateless server.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::Object;
use crate::capabilities::{ClientCapabilities, PushPolicy};
use crate::json::Members;
use crate::revision::Revision;

/// The client's capabilities in the form of 2026-07-28, as far as its own revision has them: what is
/// not declared here the server does not ask for. Tasks are not: they are another extension there.
pub fn declared(client: &ClientCapabilities, revision: Revision) -> ClientCapabilities {
    let mut stateless = Object::new();
    if let Ok(members) = Members::parse(client.as_json()) {
        for (name, value) in members.iter() {
            if let Some(value) = form_of(name, value, revision) {
                stateless.member(name, &value);
            }
        }
    }
    let everything = PushPolicy {
        sampling: true,
        elicitation: true,
    };
    ClientCapabilities::narrowed(&stateless.finish(), everything)
        .unwrap_or_else(|_| ClientCapabilities::none())
}

fn form_of<'a>(name: &str, value: &'a RawValue, revision: Revision) -> Option<Cow<'a, str>> {
    Members::of(value).ok()?;
    // Of the features of later revisions only the presence is told.
    match name {
        "sampling" | "elicitation" if revision >= Revision::V2025_11_25 => {
            Some(Cow::Borrowed(value.get()))
        }
        "experimental" => Some(Cow::Borrowed(value.get())),
        // That roots change cannot be told to a server that keeps no session.
        "roots" | "sampling" => Some(Cow::Borrowed("{}")),
        "elicitation" if revision >= Revision::V2025_06_18 => Some(Cow::Borrowed("{}")),
        _ => None,
    }
}
