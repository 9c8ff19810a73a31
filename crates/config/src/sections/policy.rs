//! `policy.rules`: the operator's rules with conditions, compiled while they are read, so that a mistake
//! is told with its place like any other.

use std::collections::BTreeSet;

use portcullis_core::ServerId;
use portcullis_policy::{Effect, Rule, RuleText};

use crate::fields::{At, Fields};
use crate::model::Policy;
use crate::sections::{approval, drift};

/// More rules than this are no longer read by people.
const MOST_RULES: usize = 200;

const LONGEST_NAME: usize = 64;

pub(crate) fn read<'m>(fields: &Fields<'_, '_>, servers: impl Iterator<Item = &'m str>) -> Policy {
    let known: BTreeSet<&str> = servers.collect();
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for fields in fields.sections("rules") {
        rules.extend(rule(&fields, &known, &mut names));
    }
    if rules.len() > MOST_RULES {
        fields.findings.error(
            fields.place("rules"),
            format!("more than {MOST_RULES} rules, each asked about every call"),
            "join conditions with `||`, or list values: `x in [...]`",
        );
    }
    Policy {
        rules: rules.into_iter().collect(),
        approvals: approval::settings(fields),
        on_drift: drift::read(fields).unwrap_or_default(),
    }
}

fn rule(
    fields: &Fields<'_, '_>,
    known: &BTreeSet<&str>,
    names: &mut BTreeSet<String>,
) -> Option<Rule> {
    let name = fields.require("name", fields.text("name"));
    if let Some(At { value, place }) = &name {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if value.is_empty() || value.len() > LONGEST_NAME || !value.bytes().all(plain) {
            fields.findings.error(
                place.clone(),
                "not the name of a rule",
                format!("at most {LONGEST_NAME} letters, digits, `-`, `_` and `.`"),
            );
        } else if !names.insert(value.clone()) {
            let text = "two rules have this name, so the record could not tell them apart";
            fields
                .findings
                .error(place.clone(), text, "rename one of them");
        }
    }
    let effect = fields.require("effect", fields.choice("effect"));
    let effect = effect.map(|effect| match effect {
        "allow" => Effect::Allow,
        "require_approval" => Effect::RequireApproval,
        _ => Effect::Deny,
    });
    let servers = concerned(fields, "servers").map(|servers| {
        let mut ids = BTreeSet::new();
        for At { value, place } in servers {
            if !known.contains(value.as_str()) {
                fields.findings.error(
                    place,
                    format!("no server of this file is called `{value}`, so the rule would not concern it"),
                    "write the name of an entry of `mcp_servers`, not its alias",
                );
            }
            ids.insert(ServerId::from(value));
        }
        ids
    });
    let tools =
        concerned(fields, "tools").map(|tools| tools.into_iter().map(|tool| tool.value).collect());
    let when = fields.require("when", fields.text("when"))?;
    let place = when.place.clone();
    let compiled = Rule::compile(RuleText {
        name: name
            .as_ref()
            .map_or_else(String::new, |name| name.value.clone()),
        effect: effect.unwrap_or(Effect::Deny),
        servers,
        tools,
        when: when.value,
    });
    match compiled {
        Ok(rule) => (name.is_some() && effect.is_some()).then_some(rule),
        Err(invalid) => {
            let at = invalid.at.map_or_else(String::new, |(line, column)| {
                format!(" (line {line}, column {column} of the condition)")
            });
            fields
                .findings
                .error(place, format!("{invalid}{at}"), invalid.remedy);
            None
        }
    }
}

/// A list that is there and names nothing would make a rule that concerns nothing.
fn concerned(fields: &Fields<'_, '_>, key: &str) -> Option<Vec<At<String>>> {
    let listed = fields.texts(key)?;
    if listed.is_empty() {
        fields.findings.error(
            fields.place(key),
            "an empty list: the rule would concern nothing",
            "leave the key out to concern all, or remove the rule",
        );
    }
    Some(listed)
}
