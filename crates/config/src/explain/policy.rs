//! The operator's rules.

use portcullis_policy::Effect;

use super::page::{Page, quoted};
use crate::model::Policy;

pub(super) fn policy(page: &mut Page<'_>, policy: &Policy) {
    let mut rules = policy.rules.iter().peekable();
    if rules.peek().is_none() {
        return;
    }
    page.heading(0, "policy");
    page.heading(2, "rules");
    for rule in rules {
        let text = rule.text();
        page.value(4, "- name", &text.name);
        let effect = match text.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        page.value(6, "effect", effect);
        if let Some(servers) = &text.servers {
            page.restriction(6, "servers", servers);
        }
        if let Some(tools) = &text.tools {
            page.restriction(6, "tools", tools);
        }
        page.value(6, "when", quoted(&text.when));
    }
}
