//! Which OAuth scopes a server's tools need. Scopes compare exactly; a server that asks for any
//! refuses what it asks for nothing in particular.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_core::{Principal, PrincipalKind, ScopeSet};

use crate::KeyRule;

/// What one server asks of its callers beyond a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeRules {
    /// What single tools need; beats `others`.
    pub tools: BTreeMap<String, ScopeSet>,
    /// What everything else of the server needs; `None`: everything else is refused.
    pub others: Option<ScopeSet>,
}

/// Why scopes keep a principal out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// The operator did not say what this needs: no scope would help.
    Mapping,
    /// Some scope is missing.
    Scopes(MissingScopes),
}

/// Scopes that would have opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingScopes {
    /// All that the operation needs.
    pub required: ScopeSet,
    /// Those of them that the principal does not have.
    pub missing: ScopeSet,
}

/// The scopes of a principal that count: its own, and of them only what the key that is used for it
/// lets through.
pub(crate) struct Counting<'a> {
    kind: PrincipalKind,
    scopes: Cow<'a, ScopeSet>,
}

impl<'a> Counting<'a> {
    pub(crate) fn of(principal: &'a Principal, key: Option<&KeyRule>) -> Self {
        Self {
            kind: principal.kind,
            scopes: match key {
                None => Cow::Borrowed(&principal.scopes),
                Some(key) => Cow::Owned(principal.scopes.intersection(&key.scopes)),
            },
        }
    }
}

impl ScopeRules {
    /// Whether the principal has what this tool needs; `None` is what is no tool.
    pub(crate) fn admits(
        &self,
        principal: &Counting<'_>,
        tool: Option<&str>,
    ) -> Result<(), Lacking> {
        let required = tool
            .and_then(|tool| self.tools.get(tool))
            .or(self.others.as_ref())
            .ok_or(Lacking::Mapping)?;
        // It mints keys with any scope, so it would only be asked to make itself one.
        if principal.kind == PrincipalKind::MasterKey || principal.scopes.covers(required) {
            return Ok(());
        }
        Err(Lacking::Scopes(MissingScopes {
            missing: principal.scopes.missing(required),
            required: required.clone(),
        }))
    }
}
