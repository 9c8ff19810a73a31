//! `require_approval` of a server, and `policy.approvals`.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_policy::{ApprovalNeed, ApprovalRules};
use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::model::Approvals;

const KEY: &str = "require_approval";
const FORMS: &str = "write `always`, `never`, `destructive`, or `{always: {tool_names: [delete_file]}, never: {tool_names: [read_file]}}`";

/// No approval is waited for, or can be used, for longer.
const LONGEST: Duration = Duration::from_hours(24);

/// Which tools of a server are called with an approval only. LiteLLM and `OpenAI` write it so.
pub(crate) fn read(fields: &Fields<'_, '_>) -> ApprovalRules {
    let read = match fields.anything(KEY) {
        None => return ApprovalRules::default(),
        Some(Value::String(word)) => by_word(&word),
        Some(Value::Object(filters)) => by_name(fields, &filters),
        Some(_) => None,
    };
    read.unwrap_or_else(|| {
        fields
            .findings
            .error(fields.place(KEY), "not a way to require approvals", FORMS);
        ApprovalRules::default()
    })
}

fn by_word(word: &str) -> Option<ApprovalRules> {
    let needs = [
        ApprovalNeed::Never,
        ApprovalNeed::Destructive,
        ApprovalNeed::Always,
    ];
    let otherwise = needs.into_iter().find(|need| need.as_str() == word)?;
    Some(ApprovalRules {
        otherwise,
        ..ApprovalRules::default()
    })
}

/// Who lists what never needs one says that everything else does.
fn by_name(fields: &Fields<'_, '_>, filters: &Map<String, Value>) -> Option<ApprovalRules> {
    let mut rules = ApprovalRules::default();
    for (name, filter) in filters {
        let tools = tool_names(filter)?;
        match name.as_str() {
            "always" => rules.always = tools,
            "never" => {
                rules.never = tools;
                rules.otherwise = ApprovalNeed::Always;
            }
            _ => return None,
        }
    }
    for tool in rules.always.intersection(&rules.never) {
        fields.findings.error(
            fields.place(KEY),
            format!("`{tool}` always needs an approval here, and never"),
            "remove it from one of the lists",
        );
    }
    (!filters.is_empty()).then_some(rules)
}

fn tool_names(filter: &Value) -> Option<BTreeSet<String>> {
    let filter = filter.as_object()?;
    let names = filter.get("tool_names").filter(|_| filter.len() == 1)?;
    let names = names.as_array().filter(|names| !names.is_empty())?;
    let name = |name: &Value| {
        name.as_str()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    };
    names.iter().map(name).collect()
}

/// How long approvals last, and who may give them.
pub(crate) fn settings(fields: &Fields<'_, '_>) -> Approvals {
    let standard = Approvals::default();
    let Some(fields) = fields.section("approvals") else {
        return standard;
    };
    let span = |name: &str, standard: Duration| {
        let span = fields.span(name).unwrap_or(standard);
        if span < Duration::from_secs(1) || span > LONGEST {
            fields
                .findings
                .error(fields.place(name), "from a second to a day", ());
        }
        span
    };
    let own = fields.flag("allow_own_decisions").unwrap_or(standard.own);
    if own {
        fields.findings.relaxed(
            fields.place("allow_own_decisions"),
            "whoever may decide about approvals may approve their own calls",
        );
    }
    Approvals {
        waiting: span("wait", standard.waiting),
        usable: span("use_within", standard.usable),
        own,
    }
}
