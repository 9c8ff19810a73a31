//! Which calls wait until somebody has approved them, and what an approval is good for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::{PrincipalId, ServerId};

/// Which tools of a server are called with an approval only (`require_approval`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalRules {
    /// These tools, whatever else is said.
    pub always: BTreeSet<String>,
    /// Never these.
    pub never: BTreeSet<String>,
    /// All others.
    pub otherwise: ApprovalNeed,
}

/// When a tool needs an approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalNeed {
    /// It needs none.
    #[default]
    Never,
    /// Unless its server marks it as one that only reads (`readOnlyHint`). A tool of which that cannot
    /// be told needs one.
    Destructive,
    /// For each call.
    Always,
}

impl ApprovalNeed {
    /// The stable name, as it is written in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Destructive => "destructive",
            Self::Always => "always",
        }
    }
}

impl ApprovalRules {
    /// By which of its words a call of this tool needs an approval; `None`: it needs none.
    pub(crate) fn needed(&self, tool: &str, described: Described) -> Option<&'static str> {
        let need = if self.always.contains(tool) {
            ApprovalNeed::Always
        } else if self.never.contains(tool) {
            ApprovalNeed::Never
        } else {
            self.otherwise
        };
        match need {
            ApprovalNeed::Never => None,
            ApprovalNeed::Destructive if described.read_only => None,
            ApprovalNeed::Destructive => Some("require_approval:destructive"),
            ApprovalNeed::Always => Some("require_approval:always"),
        }
    }
}

/// What is known of a tool by what its server lists. What is not known is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its server says that it only reads (`annotations.readOnlyHint`, MCP "Tool annotations").
    pub read_only: bool,
}

/// An approval that was given and is used up for this one call. Whoever makes one has redeemed it in the
/// store, for exactly the arguments that are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Which one, for the record.
    pub id: Arc<str>,
    /// Whose call it is for.
    pub principal: PrincipalId,
    /// On which server.
    pub server: ServerId,
    /// Of which tool, as its server spells it.
    pub tool: String,
}

impl Approval {
    pub(crate) fn covers(&self, principal: &PrincipalId, server: &ServerId, tool: &str) -> bool {
        self.principal == *principal && self.server == *server && self.tool == tool
    }

    /// What goes on record as the rule that allowed the call.
    pub(crate) fn label(&self) -> Cow<'static, str> {
        format!("approval:{}", self.id).into()
    }
}
