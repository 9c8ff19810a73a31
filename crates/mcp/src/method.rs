//! Which methods exist, in which era, and what each acts on. What is not listed here is not
//! forwarded: an unknown method answers -32601.

use std::borrow::Cow;

use crate::json::Members;
use crate::revision::Revision;

/// A client's request or notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the variants are the protocol's own method names"
)]
pub enum Method {
    Initialize,
    Ping,
    Discover,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    ResourceTemplatesList,
    ResourcesRead,
    ResourcesSubscribe,
    ResourcesUnsubscribe,
    ResourcesDirectoryRead,
    Complete,
    SetLevel,
    Listen,
    TasksGet,
    TasksUpdate,
    TasksCancel,
    TasksList,
    TasksResult,
    SkillsList,
    SkillsGet,
    Initialized,
    Cancelled,
    Progress,
    RootsListChanged,
    TasksStatus,
}

/// What a request acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Nothing in particular.
    None,
    /// A tool, by name.
    Tool(Cow<'a, str>),
    /// A prompt, by name.
    Prompt(Cow<'a, str>),
    /// A resource, by URI.
    Uri(Cow<'a, str>),
    /// A task, by handle.
    Task(Cow<'a, str>),
}

const LEGACY: u8 = 1;
const MODERN: u8 = 2;
const BOTH: u8 = LEGACY | MODERN;

const TABLE: [(&str, Method, u8); 28] = [
    ("tools/call", Method::ToolsCall, BOTH),
    ("tools/list", Method::ToolsList, BOTH),
    ("initialize", Method::Initialize, LEGACY),
    ("ping", Method::Ping, LEGACY),
    ("server/discover", Method::Discover, MODERN),
    ("prompts/list", Method::PromptsList, BOTH),
    ("prompts/get", Method::PromptsGet, BOTH),
    ("resources/list", Method::ResourcesList, BOTH),
    (
        "resources/templates/list",
        Method::ResourceTemplatesList,
        BOTH,
    ),
    ("resources/read", Method::ResourcesRead, BOTH),
    ("resources/subscribe", Method::ResourcesSubscribe, LEGACY),
    (
        "resources/unsubscribe",
        Method::ResourcesUnsubscribe,
        LEGACY,
    ),
    (
        "resources/directory/read",
        Method::ResourcesDirectoryRead,
        BOTH,
    ),
    ("completion/complete", Method::Complete, BOTH),
    ("logging/setLevel", Method::SetLevel, LEGACY),
    ("subscriptions/listen", Method::Listen, MODERN),
    ("tasks/get", Method::TasksGet, BOTH),
    ("tasks/update", Method::TasksUpdate, MODERN),
    ("tasks/cancel", Method::TasksCancel, BOTH),
    ("tasks/list", Method::TasksList, LEGACY),
    ("tasks/result", Method::TasksResult, LEGACY),
    ("skills/list", Method::SkillsList, BOTH),
    ("skills/get", Method::SkillsGet, BOTH),
    ("notifications/initialized", Method::Initialized, LEGACY),
    ("notifications/cancelled", Method::Cancelled, LEGACY),
    ("notifications/progress", Method::Progress, LEGACY),
    (
        "notifications/roots/list_changed",
        Method::RootsListChanged,
        LEGACY,
    ),
    ("notifications/tasks/status", Method::TasksStatus, LEGACY),
];

impl Method {
    /// The method of this name that exists in the era of `revision`. Names compare byte by byte.
    pub fn lookup(name: &str, revision: Revision) -> Option<Self> {
        let era = if revision.is_modern() { MODERN } else { LEGACY };
        TABLE
            .iter()
            .find(|(known, _, eras)| *known == name && eras & era != 0)
            .map(|(_, method, _)| *method)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        TABLE
            .iter()
            .find(|(_, method, _)| *method == self)
            .map_or("", |(name, _, _)| name)
    }

    /// The list whose pages this method turns, with the result member that holds the items.
    pub const fn list_member(self) -> Option<&'static str> {
        match self {
            Self::ToolsList => Some("tools"),
            Self::PromptsList => Some("prompts"),
            Self::ResourcesList => Some("resources"),
            Self::ResourceTemplatesList => Some("resourceTemplates"),
            Self::SkillsList => Some("skills"),
            Self::TasksList => Some("tasks"),
            _ => None,
        }
    }

    /// What the request acts on; `Err` names the member that is missing or not a string.
    pub fn subject<'a>(self, params: Option<&Members<'a>>) -> Result<Subject<'a>, &'static str> {
        let member = |name: &'static str| params.and_then(|params| params.string(name)).ok_or(name);
        Ok(match self {
            Self::ToolsCall => Subject::Tool(member("name")?),
            Self::PromptsGet => Subject::Prompt(member("name")?),
            Self::ResourcesRead
            | Self::ResourcesSubscribe
            | Self::ResourcesUnsubscribe
            | Self::ResourcesDirectoryRead
            | Self::SkillsGet => Subject::Uri(member("uri")?),
            Self::TasksGet | Self::TasksUpdate | Self::TasksCancel | Self::TasksResult => {
                Subject::Task(member("taskId")?)
            }
            Self::Complete => completion_subject(params)?,
            _ => Subject::None,
        })
    }
}

fn completion_subject<'a>(params: Option<&Members<'a>>) -> Result<Subject<'a>, &'static str> {
    let reference = params
        .and_then(|params| params.object("ref").ok().flatten())
        .ok_or("ref")?;
    match reference.string("type").as_deref() {
        Some("ref/prompt") => Ok(Subject::Prompt(reference.string("name").ok_or("ref.name")?)),
        Some("ref/resource") => Ok(Subject::Uri(reference.string("uri").ok_or("ref.uri")?)),
        _ => Err("ref.type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_exists_only_in_its_own_era_and_spelling() {
        let modern = Revision::V2026_07_28;
        let legacy = Revision::V2025_11_25;
        for removed in [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "tasks/list",
        ] {
            assert!(Method::lookup(removed, legacy).is_some(), "{removed}");
            assert!(Method::lookup(removed, modern).is_none(), "{removed}");
        }
        assert!(Method::lookup("server/discover", legacy).is_none());
        for unknown in ["Tools/Call", "tools/call ", "tools", "", "vendor/extension"] {
            assert!(Method::lookup(unknown, modern).is_none(), "{unknown}");
        }
    }

    #[test]
    fn every_name_leads_back_to_itself() {
        for (name, method, _) in TABLE {
            assert_eq!(method.as_str(), name);
        }
    }

    #[test]
    fn a_call_without_a_proper_name_names_what_is_missing() {
        let params = Members::parse(r#"{"name":5}"#).unwrap();
        assert_eq!(Method::ToolsCall.subject(Some(&params)), Err("name"));
        assert_eq!(Method::ToolsCall.subject(None), Err("name"));
        let params = Members::parse(r#"{"ref":{"type":"ref/prompt","name":"p"}}"#).unwrap();
        assert_eq!(
            Method::Complete.subject(Some(&params)),
            Ok(Subject::Prompt("p".into()))
        );
    }
}
