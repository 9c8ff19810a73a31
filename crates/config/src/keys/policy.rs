//! The operator's rules with conditions.

use super::servers::ON_DRIFT;
use super::{Key, Kind, Section};

/// `effect` of a rule.
pub(crate) const EFFECTS: &[&str] = &["allow", "deny", "require_approval"];

pub(crate) static POLICY: Section = Section {
    name: "policy",
    doc: "Rules about calls and readings, beside grants, tool lists and scopes. They open nothing that those close.",
    keys: &[
        Key::new(
            "rules",
            Kind::Sections(&RULE),
            "One that denies beats all others. Where any rule that allows concerns what is asked, one of them must hold.",
        ),
        Key::new(
            "approvals",
            Kind::Section(&APPROVALS),
            "How long approvals last, and who may give them.",
        ),
        Key::new(
            "on_drift",
            Kind::Choice(ON_DRIFT),
            "What happens, on servers that do not say it themselves, when a tool is not what it was when it was first seen, or last approved: `allow`, `warn` or `block`.",
        )
        .default("warn"),
    ],
};

pub(crate) static APPROVALS: Section = Section {
    name: "approvals",
    doc: "Approvals of single calls, where `require_approval` of a server or of a rule asks for them.",
    keys: &[
        Key::new(
            "wait",
            Kind::Span,
            "How long a call waits for somebody to decide, and how long a refusal stands. At most a day.",
        )
        .default("10m"),
        Key::new(
            "use_within",
            Kind::Span,
            "How soon after it was approved the call must be made. At most a day.",
        )
        .default("5m"),
        Key::new(
            "allow_own_decisions",
            Kind::Flag,
            "Lets approvers and administrators decide about their own calls: one person is enough then.",
        )
        .default("false"),
    ],
};

pub(crate) static RULE: Section = Section {
    name: "rule",
    doc: "One rule, asked about every call of a tool, and every reading of a prompt or a resource, that it concerns. A rule that cannot be evaluated denies.",
    keys: &[
        Key::new(
            "name",
            Kind::Text,
            "How it is called on record, and to callers that it refuses. Required; letters, digits, `-`, `_` and `.`.",
        ),
        Key::new(
            "effect",
            Kind::Choice(EFFECTS),
            "`deny`: where the condition holds, it is refused. `allow`: where the condition does not hold, it is refused, unless another rule allows it. `require_approval`: where the condition holds, and nothing forbids it, a call is made only once somebody has approved it; readings need no approval. Required.",
        ),
        Key::new("servers", Kind::Texts, "It concerns these servers only.").restricts(),
        Key::new(
            "tools",
            Kind::Texts,
            "It concerns calls of these tools only, as their servers spell them.",
        )
        .restricts(),
        Key::new(
            "when",
            Kind::Prose,
            "The condition, in CEL, over `principal`, `server`, `operation`, `tool`, `arguments`, `client` and `time`. Required; `true` always holds.",
        ),
    ],
};
