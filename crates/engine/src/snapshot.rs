//! One immutable picture of what the operator configured; a request runs on the one it began with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use portcullis_core::{ForwardedHeaders, Principal, ServerId, Side, Toolsets};
use portcullis_credentials::ServerAuth;
use portcullis_mcp::Method;
use portcullis_policy::{
    Caller, Described, Evidence, OnDrift, Operation, ServerLimits, ServerPolicy, sees,
};
use portcullis_upstream::Upstream;

use crate::approvals::ApprovalSettings;
use crate::catalog::{CallerCatalogs, Catalog};
use crate::metrics::ServerMeters;
use crate::names::HandedOn;
use crate::view::View;

/// What is shown of a server and decides nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInfo {
    /// For people.
    pub description: Option<String>,
    /// For models; merged into the aggregate's instructions.
    pub instructions: Option<String>,
    /// The operator's `auth_type`, as written.
    pub auth_type: String,
    /// LiteLLM's free `mcp_info`, as a JSON object.
    pub mcp_info: Option<String>,
}

/// One server with everything that a call on it needs.
#[derive(Debug)]
pub struct ServerEntry {
    /// Its id: the key in `mcp_servers`.
    pub id: ServerId,
    /// What its tools are prefixed with on the aggregate endpoint.
    pub alias: Arc<str>,
    /// The operator's rules.
    pub policy: ServerPolicy,
    /// What we present.
    pub auth: ServerAuth,
    /// The connections; shared with earlier snapshots in which the server was the same.
    pub upstream: Arc<Upstream>,
    /// What all callers together may ask of it.
    pub limits: ServerLimits,
    /// What happens to its tools when they change.
    pub on_drift: OnDrift,
    /// For display.
    pub info: ServerInfo,
    /// Counts what is asked of it.
    pub meters: ServerMeters,
    /// What the server offers, as last seen.
    pub(crate) catalog: Arc<Catalog>,
    /// What it offers to each caller, where it knows callers only.
    pub(crate) callers: Arc<CallerCatalogs>,
}

impl ServerEntry {
    /// An entry with nothing known of what the server offers.
    pub fn new(
        alias: &str,
        policy: ServerPolicy,
        auth: ServerAuth,
        upstream: Arc<Upstream>,
        info: ServerInfo,
        meters: ServerMeters,
    ) -> Self {
        Self {
            id: policy.id.clone(),
            alias: alias.into(),
            policy,
            auth,
            upstream,
            limits: ServerLimits::default(),
            on_drift: OnDrift::default(),
            info,
            meters,
            catalog: Arc::default(),
            callers: Arc::default(),
        }
    }

    /// The same server, of which no more than this may be asked.
    #[must_use]
    pub fn limited_to(self, limits: ServerLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same server, of which this becomes of tools that change.
    #[must_use]
    pub fn drifting(self, on_drift: OnDrift) -> Self {
        Self { on_drift, ..self }
    }

    /// What it is called in sentences: its alias, or its id when its names carry no prefix.
    pub(crate) fn label(&self) -> &str {
        if self.alias.is_empty() {
            self.id.as_str()
        } else {
            &self.alias
        }
    }

    /// How many tools it listed when last asked; `None` before that.
    pub fn tool_count(&self) -> Option<usize> {
        self.catalog
            .seen(crate::catalog::Kind::Tools)
            .map(|listing| listing.items.len())
    }

    /// Whether it listed its tools when last asked for them; `None` before that.
    pub fn answers(&self) -> Option<bool> {
        let tools = crate::catalog::Kind::Tools;
        if self.catalog.failed(tools) {
            return Some(false);
        }
        self.catalog.seen(tools).map(|_| true)
    }

    /// What it offers, as far as this caller is to know.
    pub(crate) fn catalog_of(&self, view: &View) -> Arc<Catalog> {
        if !self.may_list_to_callers(view) {
            return Arc::clone(&self.catalog);
        }
        // Whoever may not use it has seen nothing of it.
        let Ok(permit) = view.authorize(self, Operation::Use) else {
            return Arc::default();
        };
        let evidence = permit.evidence();
        if self.lists_to(evidence) {
            self.callers.of(evidence.acting())
        } else {
            Arc::clone(&self.catalog)
        }
    }

    /// What is known of a tool by what the server lists to this caller.
    pub(crate) fn described(&self, view: &View, tool: &str) -> Described {
        described_in(&self.catalog_of(view), tool)
    }

    /// Whether a request of this view could make a difference to what the server lists.
    pub(crate) fn may_list_to_callers(&self, view: &View) -> bool {
        let known = self.auth.discovery.is_some();
        !known && (self.auth.auth.acts_for_caller() || !view.brings_nothing())
    }

    /// Whether the server's lists are the caller's own: it is asked with the caller's credential, and
    /// we have none to ask with beside.
    pub(crate) fn lists_to(&self, evidence: &Evidence) -> bool {
        let theirs = evidence.forwarded();
        self.auth.discovery.is_none()
            && (self.auth.auth.acts_for_caller()
                || theirs.is_some_and(ForwardedHeaders::authenticates))
    }

    /// It said that its lists changed.
    pub(crate) fn changed(&self, notification: &str) {
        self.catalog.changed(notification);
        self.callers.changed(notification);
    }

    /// The same server under new rules: connections and catalogue carry over.
    #[must_use]
    pub fn carrying_over(mut self, before: &Self) -> Self {
        self.upstream = Arc::clone(&before.upstream);
        self.catalog = Arc::clone(&before.catalog);
        self.callers = Arc::clone(&before.callers);
        // What a document says is read anew on every reload; a server that runs says itself what
        // changed.
        if self.upstream.answers_itself(Method::ToolsList.as_str()) {
            self.catalog.changed("notifications/tools/list_changed");
        }
        self
    }
}

/// The picture.
#[derive(Debug)]
pub struct Snapshot {
    servers: Vec<Arc<ServerEntry>>,
    /// Ids and aliases, both exact.
    names: HashMap<String, usize>,
    aliases: HashMap<Arc<str>, usize>,
    /// Bytes of the longest alias.
    longest_alias: usize,
    groups: BTreeSet<String>,
    handed_on: HandedOn,
    asks_for_login_assertions: bool,
    approvals: ApprovalSettings,
    generation: u64,
}

impl Snapshot {
    /// A picture of these servers, in the operator's order. Names are unique: configuration has
    /// refused everything else.
    pub fn new(servers: Vec<Arc<ServerEntry>>, generation: u64) -> Self {
        let mut names = HashMap::with_capacity(servers.len() * 2);
        let mut aliases = HashMap::with_capacity(servers.len());
        let mut groups = BTreeSet::new();
        for (position, server) in servers.iter().enumerate() {
            names
                .entry(server.id.as_str().to_owned())
                .or_insert(position);
            if !server.alias.is_empty() {
                names.entry(server.alias.to_string()).or_insert(position);
            }
            aliases.entry(Arc::clone(&server.alias)).or_insert(position);
            groups.extend(server.policy.access_groups.iter().cloned());
        }
        Self {
            handed_on: HandedOn::of(&servers),
            asks_for_login_assertions: servers
                .iter()
                .any(|server| server.auth.reads_login_assertion()),
            longest_alias: aliases.keys().map(|alias| alias.len()).max().unwrap_or(0),
            servers,
            names,
            aliases,
            groups,
            approvals: ApprovalSettings::default(),
            generation,
        }
    }

    /// The same picture, with how long approvals last in it.
    #[must_use]
    pub fn approving(mut self, approvals: ApprovalSettings) -> Self {
        self.approvals = approvals;
        self
    }

    /// How long approvals last, and who may give them.
    pub const fn approvals(&self) -> &ApprovalSettings {
        &self.approvals
    }

    /// Which configuration this is; rises with every reload.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Every server, in the operator's order.
    pub fn servers(&self) -> &[Arc<ServerEntry>] {
        &self.servers
    }

    /// The server with this id or alias, byte by byte.
    pub fn named(&self, name: &str) -> Option<(usize, &Arc<ServerEntry>)> {
        let position = *self.names.get(name)?;
        Some((position, self.servers.get(position)?))
    }

    /// Whether a principal sees anything at the endpoint of this name from there. Whoever asks from
    /// outside is not told what only the inside sees.
    pub fn leads_somewhere(
        &self,
        name: &str,
        principal: &Principal,
        side: Side,
        toolsets: &Toolsets,
    ) -> bool {
        let caller = Caller { principal, side };
        let seen = |server: &ServerEntry| sees(caller, &server.policy).is_some();
        if let Some((_, server)) = self.named(name) {
            return seen(server);
        }
        let mut names = name.split(',').map(str::trim);
        names.all(|name| {
            if let Some((_, server)) = self.named(name) {
                return seen(server);
            }
            let mut servers = self.servers().iter();
            if self.has_group(name) {
                return servers
                    .any(|server| server.policy.access_groups.contains(name) && seen(server));
            }
            let tools = toolsets.get(name);
            servers.any(|server| {
                tools.is_some_and(|tools| tools.contains_key(&server.id)) && seen(server)
            })
        })
    }

    /// No alias is longer, in bytes.
    pub(crate) const fn longest_alias(&self) -> usize {
        self.longest_alias
    }

    /// The server whose tools carry this prefix.
    pub(crate) fn aliased(&self, alias: &str) -> Option<(usize, &Arc<ServerEntry>)> {
        let position = *self.aliases.get(alias)?;
        Some((position, self.servers.get(position)?))
    }

    /// Whether some server may be handed a caller's header of this name (lower case).
    pub fn asks_for(&self, header: &str) -> bool {
        self.handed_on.asks_for(header)
    }

    /// Whether some server is called with what callers' provider said when they signed in.
    pub const fn asks_for_login_assertions(&self) -> bool {
        self.asks_for_login_assertions
    }

    /// The server that `x-mcp-{name}-{header}` is addressed to, and the header.
    pub(crate) fn addressed<'h>(&self, header: &'h str) -> Option<(&Arc<ServerEntry>, &'h str)> {
        let (position, header) = self.handed_on.addressed(header)?;
        Some((self.servers.get(position)?, header))
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }
}

/// What is known of a tool by one of its server's lists.
pub(crate) fn described_in(catalog: &Catalog, tool: &str) -> Described {
    let listing = catalog.seen(crate::catalog::Kind::Tools);
    let item = listing.as_deref().and_then(|listing| listing.get(tool));
    Described {
        read_only: item.is_some_and(|item| item.read_only),
    }
}
