//! What the operator decided about one server.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{ServerId, Side};

use crate::{ApprovalRules, ArgumentSchema, Described, KeyRules, Rules, ScopeRules};

/// The rules of one server.
#[derive(Clone, Debug)]
pub struct ServerPolicy {
    /// The server.
    pub id: ServerId,
    /// Groups that a grant may name instead of the server.
    pub access_groups: BTreeSet<String>,
    /// Any authenticated principal sees it (LiteLLM's `allow_all_keys`).
    pub allow_all_keys: bool,
    /// The same where the list of a team, an organization, a person or an end user leaves it out
    /// (`compat: litellm`). A level that lets no server through lets none through.
    pub allow_all_keys_uncapped: bool,
    /// Nobody outside the operator's network sees it (`available_on_public_internet: false`).
    pub inside_only: bool,
    /// It judges its callers itself, known to us or not (`delegate_auth_to_upstream`).
    pub delegation: Delegation,
    /// Only these tools, when given. Names compare byte by byte.
    pub allowed_tools: Option<BTreeSet<String>>,
    /// Never these tools; beats `allowed_tools`.
    pub disallowed_tools: BTreeSet<String>,
    /// For a tool listed here, only these top-level arguments.
    pub allowed_params: BTreeMap<String, BTreeSet<String>>,
    /// For a tool listed here, what its arguments may hold.
    pub argument_schemas: BTreeMap<String, ArgumentSchema>,
    /// Which scopes a call needs; `None`: the server asks for none. They decide about calls only: a
    /// tool is listed without them, so that a client can ask for what it lacks.
    pub scopes: Option<ScopeRules>,
    /// Which of its own keys it is called with for whom; `None`: what is presented does not depend on
    /// the caller's name. Who has none may do nothing here.
    pub keys: Option<KeyRules>,
    /// The operator's rules with conditions. They decide about calls and readings, as scopes do.
    pub rules: Rules,
    /// Which of its tools are called with an approval only.
    pub approval: ApprovalRules,
}

/// Who may come to a server without being known to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// Nobody.
    #[default]
    None,
    /// Whoever may see the server from where they are.
    SameSide,
    /// Anybody, also to a server that callers from outside do not see (LiteLLM).
    Everywhere,
}

impl ServerPolicy {
    /// Whether a stranger on this side who addresses these servers is let through to it.
    pub fn delegates(&self, side: Side, addressed: &BTreeSet<ServerId>) -> Option<&'static str> {
        let hidden = self.inside_only && side == Side::Outside;
        let open = match self.delegation {
            Delegation::None => false,
            Delegation::SameSide => !hidden,
            Delegation::Everywhere => true,
        };
        (open && addressed.contains(&self.id)).then_some("delegated")
    }

    /// Whether the server's own lists let this tool through to anybody; who may have it is
    /// [`shows_tool`](crate::shows_tool).
    pub fn admits_tool(&self, tool: &str) -> bool {
        !self.disallowed_tools.contains(tool)
            && self
                .allowed_tools
                .as_ref()
                .is_none_or(|allowed| allowed.contains(tool))
    }
}

/// What a caller wants to do on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// `tools/call`.
    CallTool {
        /// The tool, as its server spells it.
        tool: &'a str,
        /// `params.arguments` as they were written (JSON); `None`: there are none.
        arguments: Option<&'a str>,
        /// What is known of it by what its server lists.
        described: Described,
    },
    /// Something else that a server holds: a prompt, a resource, a completion.
    Read,
    /// Any other request of the protocol: lists, tasks that were begun, session upkeep.
    Use,
}
