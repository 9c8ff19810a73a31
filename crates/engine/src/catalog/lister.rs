//! Who asks a server for its lists, and where the answer is kept: always together, so that what one
//! caller was shown is never what another one is shown.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_policy::{Evidence, Operation, authorize_service};

use super::{Catalog, Kind, ListVersion};
use crate::error::EngineError;
use crate::snapshot::ServerEntry;
use crate::view::View;

#[derive(Clone, Debug)]
pub(crate) struct Lister {
    pub(super) entry: Arc<ServerEntry>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) evidence: Evidence,
}

impl Lister {
    /// Ourselves, where the server knows us; else the caller.
    pub(super) fn of(view: &View, entry: &Arc<ServerEntry>) -> Result<Self, EngineError> {
        if !entry.may_list_to_callers(view) {
            return Ok(Self::service(entry));
        }
        let permit = view.authorize(entry, Operation::Use)?;
        Ok(Self::heard_by(entry, permit.evidence()))
    }

    /// As whom a server is asked that whoever has this evidence listens to.
    pub(crate) fn heard_by(entry: &Arc<ServerEntry>, evidence: &Evidence) -> Self {
        if !entry.lists_to(evidence) {
            return Self::service(entry);
        }
        Self {
            catalog: entry.callers.of(evidence.acting()),
            entry: Arc::clone(entry),
            evidence: evidence.clone(),
        }
    }

    /// Which version of a list was seen last.
    pub(crate) fn version(&self, kind: Kind) -> ListVersion {
        let shelf = self.catalog.shelf(kind);
        ListVersion {
            read: shelf.read.load(Ordering::Acquire),
            shown: shelf.shown.load(Ordering::Acquire),
        }
    }

    /// Ourselves.
    pub(super) fn service(entry: &Arc<ServerEntry>) -> Self {
        Self {
            entry: Arc::clone(entry),
            catalog: Arc::clone(&entry.catalog),
            evidence: authorize_service(&entry.id).evidence().clone(),
        }
    }
}
