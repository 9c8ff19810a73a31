//! Which of a server's own keys is used for whom. A server that knows a handful of keys and no
//! people is called with the key that its operator set apart for the caller; for whom none was set
//! apart, nothing is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::{Principal, ScopeSet};

use crate::{Denied, DeniedRule, MissingScopes};

/// Whom a key was set apart for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// Who has this `sub`.
    Subject(String),
    /// Who came by this client (`client_id`, or `azp`).
    Client(String),
    /// Whose token carries this scope.
    Scope(String),
}

/// What one key is for. Its value is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// How it is called.
    pub name: Arc<str>,
    /// The most that may be done with it: no other scope of a token counts.
    pub scopes: ScopeSet,
    /// What a token must carry before the key is used at all.
    pub requires: ScopeSet,
}

/// All keys of one server, each set apart for bearers of one issuer's tokens: the same `sub` of another
/// issuer is somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    issuer: String,
    rules: BTreeMap<Holder, KeyRule>,
}

impl KeyRules {
    /// These.
    pub fn new(issuer: &str, rules: impl IntoIterator<Item = (Holder, KeyRule)>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            rules: rules.into_iter().collect(),
        }
    }

    /// The key for a caller. Who is named as a person beats what is named as a client, and both beat
    /// what follows from scopes alone.
    pub fn of(&self, principal: &Principal) -> Result<&KeyRule, Denied> {
        if principal.issuer.as_deref() != Some(&self.issuer) {
            return Err(Denied::by(DeniedRule::NoUpstreamKey));
        }
        let rule = match self.named(principal) {
            Some(rule) => rule,
            None => self.by_scope(&principal.scopes)?,
        };
        if principal.scopes.covers(&rule.requires) {
            return Ok(rule);
        }
        Err(Denied {
            scopes: Some(MissingScopes {
                missing: principal.scopes.missing(&rule.requires),
                required: rule.requires.clone(),
            }),
            ..Denied::by(DeniedRule::InsufficientScope)
        })
    }

    /// Every scope that some key asks for or lets through.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.rules
            .values()
            .flat_map(|rule| rule.scopes.iter().chain(rule.requires.iter()))
    }

    fn named(&self, principal: &Principal) -> Option<&KeyRule> {
        let client = principal.client_id.as_deref();
        self.rules
            .get(&Holder::Subject(principal.subject.as_ref().to_owned()))
            .or_else(|| self.rules.get(&Holder::Client(client?.to_owned())))
    }

    /// Of several, the one that lets through all that the others do. Where none does, which one was
    /// meant is anybody's guess, and nothing is guessed.
    fn by_scope(&self, carried: &ScopeSet) -> Result<&KeyRule, Denied> {
        let candidates: Vec<&KeyRule> = carried
            .iter()
            .filter_map(|scope| self.rules.get(&Holder::Scope(scope.to_owned())))
            .collect();
        let widest = |rule: &&&KeyRule| {
            candidates
                .iter()
                .all(|other| rule.name == other.name || rule.scopes.covers(&other.scopes))
        };
        let mut widest = candidates.iter().filter(widest);
        match (widest.next(), widest.next()) {
            (Some(rule), None) => Ok(rule),
            (None, _) if candidates.is_empty() => Err(Denied::by(DeniedRule::NoUpstreamKey)),
            _ => Err(Denied::by(DeniedRule::AmbiguousUpstreamKey)),
        }
    }
}

#[cfg(test)]
mod tests;
