//! What one request can see: the grants of its caller, narrowed by path and headers. Lists and
//! calls use the same view, so that what is not listed cannot be called.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::{Brought, ForwardedHeaders, LevelKind, Principal};
use portcullis_credentials::{Addressed, Forwarding};
use portcullis_policy::{
    Acting, Approval, Caller, Denied, Operation, Permit, authorize, authorize_approved, is_let_in,
    sees,
};

use crate::approvals::Behalf;
use crate::call::{Admission, Call};
use crate::names::REQUEST_WIDE;
use crate::selection::Selection;
use crate::snapshot::{ServerEntry, Snapshot};

/// Most names in a selector.
const MAX_NAMES: usize = 32;

/// Which servers a request addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The aggregate endpoint, narrowed by `x-mcp-servers` and `x-mcp-access-groups` if present.
    Aggregate {
        /// `x-mcp-servers`: names, comma-separated.
        servers: Option<&'a str>,
        /// `x-mcp-access-groups`, likewise.
        groups: Option<&'a str>,
    },
    /// `/mcp/{name}` or `/{name}/mcp`: a server, a comma list, an access group or a toolset.
    Path(&'a str),
    /// `/toolset/{name}/mcp`: a toolset, whatever else is called so.
    Toolset(&'a str),
}

/// The target does not exist, or must look as if it did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTarget {
    /// Nothing of this name that the caller can see.
    #[error("no such server, access group or toolset")]
    NotFound,
    /// Not a list of names at all.
    #[error("not a list of at most {MAX_NAMES} names")]
    Malformed,
}

/// The servers of one request.
#[derive(Clone, Debug)]
pub struct View {
    snapshot: Arc<Snapshot>,
    principal: Arc<Principal>,
    admission: Admission,
    brought: Arc<Brought>,
    shape: Shape,
    /// The request itself addresses one server, not many of which one is looked at.
    single: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    /// One server, names untouched.
    Named(Arc<ServerEntry>),
    /// Everything the grants cover.
    All,
    /// These positions, each covered by the grants.
    Some(BTreeSet<usize>),
}

impl View {
    /// Resolves the target of a call.
    pub fn of(
        snapshot: &Arc<Snapshot>,
        call: &Call,
        target: Target<'_>,
    ) -> Result<Self, UnknownTarget> {
        let mut selection = Selection::of(snapshot, call);
        let caller = call.caller();
        let shape = match target {
            Target::Aggregate {
                servers: None,
                groups: None,
            } => Shape::All,
            Target::Aggregate { servers, groups } => {
                for name in names(servers)? {
                    selection.add(name)?;
                }
                for group in names(groups)? {
                    selection.add_group(group)?;
                }
                Shape::Some(selection.positions())
            }
            Target::Toolset(name) => {
                selection.add_toolset(name)?;
                Shape::Some(selection.positions())
            }
            Target::Path(path) => match snapshot.named(path) {
                Some((_, server)) if sees(caller, &server.policy).is_some() => {
                    Shape::Named(Arc::clone(server))
                }
                Some(_) => return Err(UnknownTarget::NotFound),
                None => {
                    for name in names(Some(path))? {
                        selection.add(name)?;
                    }
                    Shape::Some(selection.positions())
                }
            },
        };
        let single = match &shape {
            Shape::Named(_) => true,
            Shape::All => false,
            Shape::Some(positions) => positions.len() == 1,
        };
        Ok(Self {
            snapshot: Arc::clone(snapshot),
            principal: selection.narrowing(&call.principal),
            admission: call.admission.clone(),
            brought: Arc::clone(&call.brought),
            shape,
            single,
        })
    }

    /// Who sees this, and no more of it than is addressed.
    pub(crate) const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// How the caller was let in.
    pub(crate) const fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Asks the policy. What the caller brought, and the caller's name, go along only as far as the
    /// server's settings ask for them.
    pub(crate) fn authorize(
        &self,
        entry: &ServerEntry,
        operation: Operation<'_>,
    ) -> Result<Permit<()>, Denied> {
        let circumstances = self.admission.circumstances();
        let permit = authorize(self.caller(), &entry.policy, operation, circumstances, ())?;
        Ok(self.carrying(entry, operation, permit))
    }

    /// The same for a call with an approval, which is used up by it.
    pub(crate) fn authorize_approved(
        &self,
        entry: &ServerEntry,
        operation: Operation<'_>,
        approval: &Approval,
    ) -> Result<Permit<()>, Denied> {
        let circumstances = self.admission.circumstances();
        let (caller, policy) = (self.caller(), &entry.policy);
        let permit = authorize_approved(caller, policy, operation, circumstances, approval, ())?;
        Ok(self.carrying(entry, operation, permit))
    }

    /// A permit with what goes along.
    fn carrying(
        &self,
        entry: &ServerEntry,
        operation: Operation<'_>,
        mut permit: Permit<()>,
    ) -> Permit<()> {
        if entry.auth.reads_login_assertion() {
            let signed_in_as = self.brought.login_assertion.clone();
            permit = permit.on_behalf(signed_in_as, &self.principal.scopes);
        } else if entry.auth.reads_subject() {
            permit = permit.on_behalf(self.brought.on_behalf.clone(), &self.principal.scopes);
        }
        if entry.auth.tells_errands() {
            permit = permit.naming(&self.principal, operation);
        }
        permit.forwarding(self.handed_to(entry))
    }

    /// On whose behalf a server is asked, where the caller alone does not say it.
    pub(crate) fn behalf(&self, entry: &ServerEntry) -> Option<Behalf> {
        let reads_subject = entry.auth.reads_subject() && !entry.auth.reads_login_assertion();
        let brought = self.brought.on_behalf.as_deref();
        Behalf::of(brought, reads_subject, self.handed_to(entry).as_deref())
    }

    /// What of the caller's request a server is handed.
    fn handed_to(&self, entry: &ServerEntry) -> Option<Arc<ForwardedHeaders>> {
        if self.brought.is_empty() {
            return None;
        }
        let headers = self.brought.headers.iter();
        let addressed = Addressed {
            headers: headers
                .filter_map(|header| {
                    let (server, name) = self.snapshot.addressed(&header.name)?;
                    (server.id == entry.id).then_some((name, header))
                })
                .collect(),
            request_wide: self.brought.header(REQUEST_WIDE).filter(|_| self.single),
        };
        Forwarding::select(&entry.auth, &self.brought, &addressed)
    }

    /// Whether the caller brought nothing that any server could be handed.
    pub(crate) fn brings_nothing(&self) -> bool {
        self.brought.is_empty()
    }

    /// Who acts on a server when this caller asks; `None` where the caller may not.
    pub(crate) fn acting(&self, entry: &ServerEntry) -> Option<Acting> {
        let permit = self.authorize(entry, Operation::Use).ok()?;
        Some(permit.evidence().acting().clone())
    }

    /// The one server of a named endpoint.
    pub fn named(&self) -> Option<&Arc<ServerEntry>> {
        match &self.shape {
            Shape::Named(server) => Some(server),
            Shape::All | Shape::Some(_) => None,
        }
    }

    /// The same view narrowed to one server that is in it, its names untouched.
    #[must_use]
    pub(crate) fn only(&self, server: &Arc<ServerEntry>) -> Self {
        Self {
            snapshot: Arc::clone(&self.snapshot),
            principal: Arc::clone(&self.principal),
            admission: self.admission.clone(),
            brought: Arc::clone(&self.brought),
            shape: Shape::Named(Arc::clone(server)),
            single: self.single,
        }
    }

    /// Why the one server of a named endpoint lets this caller do nothing at all; `None` where it does
    /// something, or where the question is one for each call.
    pub fn barred(&self) -> Option<Denied> {
        let server = self.named()?;
        is_let_in(self.caller(), &server.policy).err()
    }

    /// Every server in view, in the operator's order.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<ServerEntry>> {
        self.snapshot
            .servers()
            .iter()
            .enumerate()
            .filter(|(position, server)| self.contains(*position, server))
            .map(|(_, server)| server)
    }

    /// No alias is longer, in bytes.
    pub(crate) fn longest_alias(&self) -> usize {
        self.snapshot.longest_alias()
    }

    /// The server whose exposed names start with this alias, if it is in view.
    pub(crate) fn aliased(&self, alias: &str) -> Option<(usize, &Arc<ServerEntry>)> {
        self.snapshot
            .aliased(alias)
            .filter(|(position, server)| self.contains(*position, server))
    }

    /// The server of this id or alias, if it is in view.
    pub fn server(&self, name: &str) -> Option<&Arc<ServerEntry>> {
        let (position, server) = self.snapshot.named(name)?;
        self.contains(position, server).then_some(server)
    }

    /// Whom the view is for.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            side: self.admission.side,
        }
    }

    /// Names the view, so that a session opened on one endpoint is not used on another.
    pub(crate) fn label(&self) -> String {
        match &self.shape {
            Shape::Named(server) => format!("n:{}", server.id),
            Shape::All => "a".to_owned(),
            Shape::Some(positions) => {
                let ids: Vec<&str> = positions
                    .iter()
                    .filter_map(|position| {
                        Some(self.snapshot.servers().get(*position)?.id.as_str())
                    })
                    .collect();
                let addressed = self.principal.levels.iter();
                let toolsets = addressed.filter(|level| level.kind == LevelKind::Request);
                let mut named = String::new();
                for level in toolsets {
                    named.push_str(";t:");
                    named.push_str(level.id.as_ref());
                }
                format!("s:{}{named}", ids.join(","))
            }
        }
    }

    fn contains(&self, position: usize, server: &ServerEntry) -> bool {
        match &self.shape {
            Shape::Named(only) => only.id == server.id,
            Shape::All => sees(self.caller(), &server.policy).is_some(),
            Shape::Some(positions) => positions.contains(&position),
        }
    }
}

fn names(list: Option<&str>) -> Result<Vec<&str>, UnknownTarget> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    let plausible = |name: &str| {
        !name.is_empty()
            && name.len() <= 128
            && name.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ')
            })
    };
    if names.len() > MAX_NAMES || !names.iter().all(|name| plausible(name)) {
        return Err(UnknownTarget::Malformed);
    }
    Ok(names)
}
