//! News of a stateless server on the stream of a client with a session: one `subscriptions/listen`
//! stands for the client's open stream and for its `resources/subscribe` requests.

use std::collections::BTreeSet;

use serde_json::json;

use super::object::Object;
use super::{NotLegible, Stamp, plain};
use crate::message::{Envelope, Kind};

const LISTS: [(&str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "notifications/prompts/list_changed"),
    (
        "resourcesListChanged",
        "notifications/resources/list_changed",
    ),
];
const UPDATED: &str = "notifications/resources/updated";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// What a server lets a client listen to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listened {
    lists: [bool; LISTS.len()],
    /// Resources of whose changes it tells.
    pub resources: BTreeSet<String>,
}

/// The request that listens to every list and to these resources.
pub fn listen(stamp: &Stamp<'_>, resources: &BTreeSet<String>) -> String {
    let mut wanted: serde_json::Map<String, serde_json::Value> = LISTS
        .iter()
        .map(|(member, _)| ((*member).to_owned(), true.into()))
        .collect();
    if !resources.is_empty() {
        wanted.insert("resourceSubscriptions".to_owned(), json!(resources));
    }
    let mut meta = Object::new();
    stamp.put(&mut meta);
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"subscriptions/listen","params":{{"_meta":{},"notifications":{}}}}}"#,
        stamp.id,
        meta.finish(),
        serde_json::Value::Object(wanted),
    )
}

/// What the server honours of it, which is the first thing that it says.
pub fn acknowledged(text: &str) -> Result<Listened, NotLegible> {
    let not = NotLegible("no acknowledgement");
    let envelope = Envelope::parse(text.as_bytes()).map_err(|_| not)?;
    if !matches!(envelope.kind, Kind::Notification { method } if method == ACKNOWLEDGED) {
        return Err(not);
    }
    let honoured = envelope
        .params()
        .and_then(|params| params.object("notifications").ok().flatten())
        .ok_or(not)?;
    let resources = match honoured.get("resourceSubscriptions") {
        None => BTreeSet::new(),
        Some(list) => serde_json::from_str(list.get()).map_err(|_| not)?,
    };
    let lists =
        LISTS.map(|(member, _)| honoured.get(member).is_some_and(|raw| raw.get() == "true"));
    Ok(Listened { lists, resources })
}

/// A message of the stream as the client may have it: news of what was listened to, and nothing else.
pub fn news(text: &str, listened: &Listened) -> Option<String> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let Kind::Notification { method } = envelope.kind else {
        return None;
    };
    let wanted = if method == UPDATED {
        let uri = envelope.params()?.string("uri")?;
        listened.resources.contains(&*uri)
    } else {
        let mut lists = LISTS.iter().zip(listened.lists);
        lists.any(|((_, list), heard)| heard && *list == method)
    };
    wanted.then(|| plain(text)).flatten()
}

/// What may have happened while nobody listened: nothing is replayed, so all of it is said.
pub fn changes(listened: &Listened) -> Vec<String> {
    let lists = LISTS.iter().zip(listened.lists);
    let lists = lists
        .filter(|(_, heard)| *heard)
        .map(|((_, method), _)| json!({"jsonrpc": "2.0", "method": method}));
    let resources = listened
        .resources
        .iter()
        .map(|uri| json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri}}));
    lists
        .chain(resources)
        .map(|news| news.to_string())
        .collect()
}
