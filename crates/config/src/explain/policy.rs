//! The operator's rules.

use portcullis_policy::{Effect, OnDrift};

use super::page::{Page, quoted};
use crate::model::{Approvals, Policy};

pub(super) fn policy(page: &mut Page<'_>, policy: &Policy) {
    let mut rules = policy.rules.iter().peekable();
    let has_rules = rules.peek().is_some();
    let has_approvals = policy.approvals != Approvals::default();
    let has_drift = policy.on_drift != OnDrift::default();
    if !has_rules && !has_approvals && !has_drift {
        return;
    }
    page.heading(0, "policy");
    if has_drift {
        page.value(2, "on_drift", policy.on_drift.as_str());
    }
    if has_approvals {
        let Approvals {
            waiting,
            usable,
            own,
        } = policy.approvals;
        page.heading(2, "approvals");
        page.value(4, "wait", format!("{}s", waiting.as_secs()));
        page.value(4, "use_within", format!("{}s", usable.as_secs()));
        page.value(4, "allow_own_decisions", own);
    }
    if has_rules {
        page.heading(2, "rules");
    }
    for rule in rules {
        let text = rule.text();
        page.value(4, "- name", &text.name);
        let effect = match text.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
            Effect::RequireApproval => "require_approval",
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
