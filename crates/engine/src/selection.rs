//! What a request names: servers, access groups and toolsets, as far as its caller sees them.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::{Level, LevelKind, Principal, ServerGrants, ToolsByServer, Toolsets};
use portcullis_policy::{Caller, sees};

use crate::call::Call;
use crate::snapshot::Snapshot;
use crate::view::UnknownTarget;

/// The servers of a request that names them, whole or as far as toolsets hold their tools. What the caller
/// sees nothing of does not exist.
pub(crate) struct Selection<'c> {
    snapshot: &'c Snapshot,
    caller: Caller<'c>,
    toolsets: &'c Toolsets,
    whole: BTreeSet<usize>,
    /// Positions of servers, and which of their tools.
    partly: BTreeSet<usize>,
    tools: ToolsByServer,
    /// The toolsets that were named.
    named: BTreeSet<String>,
}

impl<'c> Selection<'c> {
    pub(crate) fn of(snapshot: &'c Snapshot, call: &'c Call) -> Self {
        Self {
            snapshot,
            caller: call.caller(),
            toolsets: &call.toolsets,
            whole: BTreeSet::new(),
            partly: BTreeSet::new(),
            tools: ToolsByServer::new(),
            named: BTreeSet::new(),
        }
    }

    /// Adds what is called so: a server, else an access group, else a toolset.
    pub(crate) fn add(&mut self, name: &str) -> Result<(), UnknownTarget> {
        match self.snapshot.named(name) {
            Some((position, server)) if sees(self.caller, &server.policy).is_some() => {
                self.whole.insert(position);
                Ok(())
            }
            Some(_) => Err(UnknownTarget::NotFound),
            None if self.snapshot.has_group(name) => self.add_group(name),
            None => self.add_toolset(name),
        }
    }

    /// Adds the servers of an access group.
    pub(crate) fn add_group(&mut self, group: &str) -> Result<(), UnknownTarget> {
        let servers = self.snapshot.servers().iter().enumerate();
        let seen: Vec<usize> = servers
            .filter(|(_, server)| {
                server.policy.access_groups.contains(group)
                    && sees(self.caller, &server.policy).is_some()
            })
            .map(|(position, _)| position)
            .collect();
        if seen.is_empty() {
            return Err(UnknownTarget::NotFound);
        }
        self.whole.extend(seen);
        Ok(())
    }

    /// Adds the tools of a toolset.
    pub(crate) fn add_toolset(&mut self, name: &str) -> Result<(), UnknownTarget> {
        let tools = self.toolsets.get(name).ok_or(UnknownTarget::NotFound)?;
        let mut seen = false;
        for (id, tools) in tools {
            let Some((position, server)) = self.snapshot.named(id.as_str()) else {
                continue;
            };
            // A toolset names servers by their ids alone.
            if server.id != *id || sees(self.caller, &server.policy).is_none() {
                continue;
            }
            seen = true;
            self.partly.insert(position);
            let known = self.tools.entry(id.clone()).or_default();
            known.extend(tools.iter().cloned());
        }
        if !seen {
            return Err(UnknownTarget::NotFound);
        }
        self.named.insert(name.to_owned());
        Ok(())
    }

    /// The servers, whole or partly.
    pub(crate) fn positions(&self) -> BTreeSet<usize> {
        self.whole.union(&self.partly).copied().collect()
    }

    /// The same principal with no more tools than are addressed.
    pub(crate) fn narrowing(&self, principal: &Arc<Principal>) -> Arc<Principal> {
        if self.named.is_empty() {
            return Arc::clone(principal);
        }
        let servers = self.snapshot.servers();
        let whole = self.whole.iter();
        let whole = whole.filter_map(|position| Some(servers.get(*position)?.id.clone()));
        let names: Vec<&str> = self.named.iter().map(String::as_str).collect();
        let level = Level {
            kind: LevelKind::Request,
            id: names.join(",").into(),
            grants: ServerGrants {
                servers: whole.collect(),
                toolsets: self.named.clone(),
                toolset_tools: Arc::new(self.tools.clone()),
                ..ServerGrants::default()
            },
        };
        let mut narrowed = Principal::clone(principal);
        narrowed.levels.push(Arc::new(level));
        Arc::new(narrowed)
    }
}
