//! The operator's rules with conditions (`policy.rules`), in the Common Expression Language.
//!
//! A rule is asked about every call of a tool and every reading that it concerns. One that denies beats
//! all others. Rules that allow open nothing: where any of them concerns what is asked, one of them must
//! hold, beside everything else that is required. One that requires an approval is asked last, about calls
//! only. A rule that cannot be evaluated denies.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::{Context, Program, Value};
use portcullis_core::ServerId;

mod check;
mod facts;
mod functions;

pub use check::InvalidCondition;
pub(crate) use facts::{Facts, MOST_ARGUMENT_BYTES};

use crate::{Denied, DeniedRule};
use functions::Patterns;

/// What a rule does when its condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What it concerns is allowed, as far as nothing else forbids it.
    Allow,
    /// What it concerns is denied.
    Deny,
    /// A call that it concerns is made with an approval only.
    RequireApproval,
}

/// A rule as its operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// How it is called on record.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Only on these servers, when given.
    pub servers: Option<BTreeSet<ServerId>>,
    /// Only calls of these tools, as their servers spell them, when given.
    pub tools: Option<BTreeSet<String>>,
    /// The condition.
    pub when: String,
}

/// A rule, compiled.
#[derive(Clone)]
pub struct Rule {
    text: Arc<RuleText>,
    label: Arc<str>,
    program: Arc<Program>,
    patterns: Patterns,
    reads_arguments: bool,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.text).finish()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Rule {}

impl Rule {
    /// Compiles a rule.
    pub fn compile(text: RuleText) -> Result<Self, InvalidCondition> {
        let checked = check::compile(&text.when)?;
        Ok(Self {
            label: format!("policy_rule:{}", text.name).into(),
            text: Arc::new(text),
            program: Arc::new(checked.program),
            patterns: checked.patterns,
            reads_arguments: checked.reads_arguments,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &RuleText {
        &self.text
    }

    /// A reading is no call of any tool.
    fn concerns(&self, facts: &Facts<'_>) -> bool {
        let of_server = self.text.servers.as_ref();
        let of_tool = self.text.tools.as_ref();
        of_server.is_none_or(|servers| servers.contains(&facts.server.id))
            && of_tool.is_none_or(|tools| facts.tool().is_some_and(|tool| tools.contains(tool)))
    }

    /// Whether the condition holds. What the evaluation says of a failure could show arguments, so it
    /// is not handed on.
    fn holds(&self, context: &Context<'_, '_>) -> Result<bool, Denied> {
        let answer = catch_unwind(AssertUnwindSafe(|| self.program.execute(context)));
        match answer {
            Ok(Ok(Value::Bool(holds))) => Ok(holds),
            Ok(_) | Err(_) => Err(self.denies(DeniedRule::PolicyRuleFailed)),
        }
    }

    fn denies(&self, rule: DeniedRule) -> Denied {
        Denied {
            named: Some(self.text.name.as_str().into()),
            ..Denied::by(rule)
        }
    }
}

/// All rules, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Arc<[Rule]>,
    /// Those of all of them.
    patterns: Patterns,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Rules {}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let rules: Arc<[Rule]> = rules.into_iter().collect();
        let patterns = Patterns::all(rules.iter().map(|rule| &rule.patterns));
        Self { rules, patterns }
    }
}

impl Rules {
    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What the rules say.
    pub(crate) fn judge(&self, facts: &Facts<'_>) -> Result<Judged, Denied> {
        let mut room = Room {
            facts,
            patterns: &self.patterns,
            context: None,
            has_arguments: false,
        };
        let concerned = |effect: Effect| {
            let ours = move |rule: &&Rule| rule.text.effect == effect && rule.concerns(facts);
            self.rules.iter().filter(ours)
        };
        for rule in concerned(Effect::Deny) {
            if rule.holds(room.of(rule)?)? {
                return Err(rule.denies(DeniedRule::PolicyRule));
            }
        }
        let (mut required, mut judged) = (false, Judged::default());
        for rule in concerned(Effect::Allow) {
            if rule.holds(room.of(rule)?)? {
                judged.allowing = Some(Arc::clone(&rule.label));
                break;
            }
            required = true;
        }
        if required && judged.allowing.is_none() {
            return Err(Denied::by(DeniedRule::NoRuleAllows));
        }
        if facts.tool().is_none() {
            return Ok(judged);
        }
        for rule in concerned(Effect::RequireApproval) {
            if rule.holds(room.of(rule)?)? {
                judged.holding = Some(Arc::clone(&rule.label));
                break;
            }
        }
        Ok(judged)
    }
}

/// What rules that do not deny came to.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// The label of the one that allows, where one had to.
    pub(crate) allowing: Option<Arc<str>>,
    /// The label of the one that requires an approval.
    pub(crate) holding: Option<Arc<str>>,
}

/// What the conditions of one decision are evaluated in: made once, for the first rule that is asked, and
/// the arguments are read for the first one that asks about them.
struct Room<'a> {
    facts: &'a Facts<'a>,
    patterns: &'a Patterns,
    context: Option<Context<'static, 'static>>,
    has_arguments: bool,
}

impl Room<'_> {
    fn of(&mut self, rule: &Rule) -> Result<&Context<'static, 'static>, Denied> {
        let context = match &mut self.context {
            Some(context) => context,
            none => {
                let made = self.facts.context(self.patterns);
                none.insert(made.ok_or_else(|| rule.denies(DeniedRule::PolicyRuleFailed))?)
            }
        };
        if rule.reads_arguments && !self.has_arguments {
            context.add_variable_from_value("arguments", self.facts.arguments()?);
            self.has_arguments = true;
        }
        Ok(context)
    }
}

#[cfg(test)]
mod tests;
