//! A `subscriptions/listen`, and what of the news of a session it is about.

use serde_json::{Map, Value};

use super::introduction::Introduction;
use crate::json::{Edits, Members, quote};
use crate::message::{Envelope, Kind};
use crate::modern::meta_key;

/// Most resources that one subscription follows.
const MOST_RESOURCES: usize = 256;

/// What is listened to: what the client wants, as far as the server can tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    tools: bool,
    prompts: bool,
    resources: bool,
    /// News of these resources.
    pub uris: Vec<String>,
}

impl Subscription {
    /// Of `params.notifications`.
    pub fn of(wanted: &Members<'_>, server: &Introduction) -> Self {
        let wants = |name: &str| wanted.get(name).is_some_and(|raw| raw.get() == "true");
        let uris = wanted
            .get("resourceSubscriptions")
            .filter(|_| server.subscribes)
            .and_then(|raw| serde_json::from_str::<Vec<String>>(raw.get()).ok())
            .unwrap_or_default();
        let mut kept: Vec<String> = Vec::new();
        for uri in uris {
            if kept.len() < MOST_RESOURCES && !kept.contains(&uri) {
                kept.push(uri);
            }
        }
        Self {
            tools: wants("toolsListChanged") && server.tools_change,
            prompts: wants("promptsListChanged") && server.prompts_change,
            resources: wants("resourcesListChanged") && server.resources_change,
            uris: kept,
        }
    }

    /// What is acknowledged.
    pub fn honoured(&self) -> Map<String, Value> {
        let mut honoured = Map::new();
        for (name, wanted) in [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ] {
            if wanted {
                honoured.insert(name.to_owned(), true.into());
            }
        }
        if !self.uris.is_empty() {
            honoured.insert(
                "resourceSubscriptions".to_owned(),
                self.uris.as_slice().into(),
            );
        }
        honoured
    }

    /// A notification of the session as it belongs to this subscription, whose request has this id;
    /// `None`: it is about something else.
    pub fn hears(&self, text: &str, id: &str) -> Option<String> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let Kind::Notification { method } = envelope.kind else {
            return None;
        };
        let params = envelope.params();
        let wanted = match method {
            "notifications/tools/list_changed" => self.tools,
            "notifications/prompts/list_changed" => self.prompts,
            "notifications/resources/list_changed" => self.resources,
            "notifications/resources/updated" => {
                let uri = params.and_then(|params| params.string("uri"))?;
                self.uris.iter().any(|one| uri == one.as_str())
            }
            _ => false,
        };
        if !wanted {
            return None;
        }
        let tag = format!("{}:{id}", quote(meta_key::SUBSCRIPTION_ID));
        let mut edits = Edits::of(text);
        match (
            envelope.raw_params(),
            params.and_then(|params| params.get("_meta")),
        ) {
            (Some(_), Some(raw)) => {
                let others = Members::of(raw)
                    .unwrap_or_default()
                    .rewrite(|name| name != meta_key::SUBSCRIPTION_ID);
                let comma = if others == "{}" { "" } else { "," };
                let rest = others.strip_prefix('{').unwrap_or("}");
                edits.replace(raw, format!("{{{tag}{comma}{rest}"));
            }
            (Some(raw), None) => edits.insert(raw, "_meta", &format!("{{{tag}}}")),
            (None, _) => edits.insert_top("params", &format!("{{\"_meta\":{{{tag}}}}}")),
        }
        Some(edits.finish())
    }
}
