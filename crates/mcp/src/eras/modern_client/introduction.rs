//! Who a server is and what it offers, from its `InitializeResult`.

use serde_json::json;
use serde_json::value::RawValue;

use crate::json::{Edits, Members};
use crate::modern::meta_key;
use crate::revision::{Revision, SUPPORTED_REVISIONS};

/// What of an `InitializeResult` later answers need.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// `serverInfo`, as the server wrote it.
    pub(super) server_info: Option<String>,
    /// It takes `logging/setLevel`.
    pub logs: bool,
    /// It takes `resources/subscribe`.
    pub subscribes: bool,
    /// It says when these lists change.
    pub tools_change: bool,
    /// Likewise.
    pub prompts_change: bool,
    /// Likewise.
    pub resources_change: bool,
}

impl Introduction {
    /// Reads it; what cannot be read is not there.
    pub fn of(initialize_result: &str) -> Self {
        let Ok(result) = Members::parse(initialize_result) else {
            return Self::default();
        };
        let capabilities = result.object("capabilities").ok().flatten();
        let capabilities = capabilities.unwrap_or_default();
        let says = |kind: &str, what: &str| {
            let kind = capabilities.object(kind).ok().flatten();
            kind.and_then(|kind| kind.get(what))
                .is_some_and(|raw| raw.get() == "true")
        };
        Self {
            server_info: object(&result, "serverInfo").map(|raw| raw.get().to_owned()),
            logs: object(&capabilities, "logging").is_some(),
            subscribes: says("resources", "subscribe"),
            tools_change: says("tools", "listChanged"),
            prompts_change: says("prompts", "listChanged"),
            resources_change: says("resources", "listChanged"),
        }
    }

    /// The `DiscoverResult` of a server that answered `initialize` with this; `None` when that is not
    /// an object.
    ///
    /// Tasks are left out: those of 2025-11-25 are others than the extension's. It is not to be kept,
    /// because the server said nothing of how long it holds.
    pub fn discover(initialize_result: &str) -> Option<String> {
        let result = Members::parse(initialize_result).ok()?;
        let capabilities = match object(&result, "capabilities") {
            Some(raw) => Members::of(raw)
                .ok()?
                .rewrite(|name| !matches!(name, "tasks" | "extensions")),
            None => "{}".to_owned(),
        };
        let versions: Vec<&str> = SUPPORTED_REVISIONS
            .iter()
            .copied()
            .map(Revision::as_str)
            .collect();
        let discovered = json!({
            "resultType": "complete",
            "supportedVersions": versions,
            "ttlMs": 0,
            "cacheScope": "private",
        })
        .to_string();
        let mut edits = Edits::of(&discovered);
        edits.insert_top("capabilities", &capabilities);
        if let Some(raw) = result.get("instructions").filter(|raw| is_string(raw)) {
            edits.insert_top("instructions", raw.get());
        }
        if let Some(raw) = object(&result, "serverInfo") {
            let meta = format!("{{\"{}\":{}}}", meta_key::SERVER_INFO, raw.get());
            edits.insert_top("_meta", &meta);
        }
        Some(edits.finish())
    }
}

fn object<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.get(name).filter(|raw| raw.get().starts_with('{'))
}

fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}
