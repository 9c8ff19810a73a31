//! Why something is denied, by which rule.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_core::{ErrorKind, Level};

use crate::MissingScopes;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("denied by {rule}", rule = .rule.as_str())]
pub struct Denied {
    /// The rule that decided.
    pub rule: DeniedRule,
    /// Arguments that are not allowed, for [`DeniedRule::AllowedParams`] and
    /// [`DeniedRule::ArgumentSchemas`]: names, and never what they hold.
    pub arguments: Vec<String>,
    /// The keyword that they do not keep to, for [`DeniedRule::ArgumentSchemas`].
    pub keyword: Option<Arc<str>>,
    /// How the operator called the rule, for [`DeniedRule::PolicyRule`] and
    /// [`DeniedRule::PolicyRuleFailed`]; for what levels decide, which of them it was: `credential`, or
    /// `team:…`, `organization:…`, `user:…`, `end_user:…`, absent where no level in particular did; by
    /// what an approval is needed, for [`DeniedRule::ApprovalRequired`].
    pub named: Option<Arc<str>>,
    /// What would help, for [`DeniedRule::InsufficientScope`].
    pub scopes: Option<MissingScopes>,
}

/// The rules that deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedRule {
    /// No grant covers the server, or it is hidden from where the caller is: it must look absent.
    NotGranted,
    /// The caller's credential, or a level above it, blocks the tool.
    BlockedTools,
    /// The caller's credential, or a level above it, lists tools of the server, and not this one.
    ToolPermissions,
    /// The caller has tools of the server by a toolset, and nothing else of it.
    ToolsOnly,
    /// The tool is on the server's deny list.
    DisallowedTools,
    /// The tool is not on the server's allow list.
    AllowedTools,
    /// The server asks for scopes, and the operator did not say which this needs.
    UnmappedScope,
    /// A scope is missing.
    InsufficientScope,
    /// An argument is not on the tool's list.
    AllowedParams,
    /// The arguments cannot be read in one way only, or are too much to be looked into, where a rule
    /// asks what they are.
    UnreadableArguments,
    /// An argument holds what the tool's schema does not allow.
    ArgumentSchemas,
    /// A rule of the operator's denies it.
    PolicyRule,
    /// A rule of the operator's could not be evaluated: the closed answer to doubt.
    PolicyRuleFailed,
    /// Rules of the operator's say what is allowed here, and none of them holds.
    NoRuleAllows,
    /// Nothing forbids it, and somebody has to approve it first.
    ApprovalRequired,
    /// None of the server's keys was set apart for the caller.
    NoUpstreamKey,
    /// Several were, and none of them is the one that was meant.
    AmbiguousUpstreamKey,
}

impl DeniedRule {
    /// The rule's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not_granted",
            Self::BlockedTools => "blocked_tools",
            Self::ToolPermissions => "tool_permissions",
            Self::ToolsOnly => "tools_only",
            Self::DisallowedTools => "disallowed_tools",
            Self::AllowedTools => "allowed_tools",
            Self::UnmappedScope => "unmapped_scope",
            Self::InsufficientScope => "insufficient_scope",
            Self::AllowedParams => "allowed_params",
            Self::UnreadableArguments => "unreadable_arguments",
            Self::ArgumentSchemas => "argument_schemas",
            Self::PolicyRule => "policy_rule",
            Self::PolicyRuleFailed => "policy_rule_failed",
            Self::NoRuleAllows => "no_rule_allows",
            Self::ApprovalRequired => "approval_required",
            Self::NoUpstreamKey => "no_upstream_key",
            Self::AmbiguousUpstreamKey => "ambiguous_upstream_key",
        }
    }
}

impl Denied {
    pub(crate) const fn by(rule: DeniedRule) -> Self {
        Self {
            rule,
            arguments: Vec::new(),
            keyword: None,
            named: None,
            scopes: None,
        }
    }

    /// A rule of which this level decided.
    pub(crate) fn at(rule: DeniedRule, level: &Level) -> Self {
        Self {
            named: Some(level.to_string().into()),
            ..Self::by(rule)
        }
    }

    /// A rule of which the credential itself decided.
    pub(crate) fn of_credential(rule: DeniedRule) -> Self {
        Self {
            named: Some("credential".into()),
            ..Self::by(rule)
        }
    }

    /// What goes on record: the rule, and which one of the operator's it was.
    pub fn label(&self) -> Cow<'static, str> {
        match &self.named {
            Some(name) => format!("{}:{name}", self.rule.as_str()).into(),
            None => self.rule.as_str().into(),
        }
    }

    /// What a surface reports: whatever the caller cannot see, a hidden server or a tool that its
    /// list does not show, does not exist; what it sees and may not do is forbidden.
    pub const fn kind(&self) -> ErrorKind {
        match self.rule {
            DeniedRule::NotGranted
            | DeniedRule::BlockedTools
            | DeniedRule::ToolPermissions
            | DeniedRule::DisallowedTools
            | DeniedRule::AllowedTools => ErrorKind::NotFound,
            DeniedRule::ApprovalRequired => ErrorKind::ApprovalRequired,
            DeniedRule::UnreadableArguments => ErrorKind::Invalid,
            DeniedRule::ToolsOnly
            | DeniedRule::UnmappedScope
            | DeniedRule::InsufficientScope
            | DeniedRule::AllowedParams
            | DeniedRule::ArgumentSchemas
            | DeniedRule::PolicyRule
            | DeniedRule::PolicyRuleFailed
            | DeniedRule::NoRuleAllows
            | DeniedRule::NoUpstreamKey
            | DeniedRule::AmbiguousUpstreamKey => ErrorKind::Forbidden,
        }
    }
}
