//! Servers that people connect accounts of their own to, as far as one of them sees them.

use std::sync::Arc;

use portcullis_core::{Principal, Side};
use portcullis_credentials::UpstreamAuth;
use portcullis_policy::{Caller, sees};

use crate::snapshot::{ServerEntry, Snapshot};

impl Snapshot {
    /// The server of this name, if this principal may see it from where they are, and if there is an
    /// account to connect. Anything else looks like a name that does not exist.
    pub fn connectable(
        &self,
        principal: &Principal,
        side: Side,
        name: &str,
    ) -> Option<&Arc<ServerEntry>> {
        let (_, entry) = self.named(name)?;
        is_connectable(principal, side, entry).then_some(entry)
    }

    /// All of them, in the operator's order.
    pub fn all_connectable(
        &self,
        principal: &Principal,
        side: Side,
    ) -> impl Iterator<Item = &Arc<ServerEntry>> {
        let servers = self.servers().iter();
        servers.filter(move |entry| is_connectable(principal, side, entry))
    }
}

impl ServerEntry {
    /// Whether it is called with accounts that people connect.
    pub(crate) const fn connects_people(&self) -> bool {
        matches!(self.auth.auth, UpstreamAuth::AuthorizationCode(_))
    }
}

fn is_connectable(principal: &Principal, side: Side, entry: &ServerEntry) -> bool {
    entry.connects_people() && sees(Caller { principal, side }, &entry.policy).is_some()
}
