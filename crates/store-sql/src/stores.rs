//! Every store trait over one database.

use std::sync::Arc;

use portcullis_store::Stores;
use portcullis_store::memory::{MemoryAnnouncements, MemorySharedTokens};

use crate::api_keys::SqlApiKeys;
use crate::approvals::SqlApprovals;
use crate::audit::SqlAudit;
use crate::budgets::SqlBudgets;
use crate::clients::SqlClients;
use crate::concurrency::SqlConcurrency;
use crate::connections::{SqlConnections, SqlUpstreamClients};
use crate::consents::SqlConsents;
use crate::counters::SqlCounters;
use crate::database::Database;
use crate::directory::SqlDirectory;
use crate::grants::SqlGrants;
use crate::id_tokens::SqlIdTokens;
use crate::leases::SqlLeases;
use crate::limits::SqlLimits;
use crate::meta::SqlMeta;
use crate::one_time::SqlOneTimes;
use crate::pins::SqlPins;
use crate::replicas::{SqlReplicas, SqlSessionHomes};
use crate::revocations::SqlRevocations;
use crate::servers::SqlServers;
use crate::sessions::SqlSessions;
use crate::signing_keys::SqlSigningKeys;
use crate::usage::SqlUsage;

impl Database {
    pub(crate) fn stores(&self) -> Stores {
        Stores {
            directory: Arc::new(SqlDirectory::new(self.clone())),
            api_keys: Arc::new(SqlApiKeys::new(self.clone())),
            audit: Arc::new(SqlAudit::new(self.clone())),
            sessions: Arc::new(SqlSessions::new(self.clone())),
            meta: Arc::new(SqlMeta::new(self.clone())),
            revocations: Arc::new(SqlRevocations::new(self.clone())),
            servers: Arc::new(SqlServers::new(self.clone())),
            signing_keys: Arc::new(SqlSigningKeys::for_upstream(self.clone())),
            clients: Arc::new(SqlClients::new(self.clone())),
            grants: Arc::new(SqlGrants::new(self.clone())),
            authorization_keys: Arc::new(SqlSigningKeys::for_authorization(self.clone())),
            one_time: Arc::new(SqlOneTimes::new(self.clone())),
            leases: Arc::new(SqlLeases::new(self.clone())),
            consents: Arc::new(SqlConsents::new(self.clone())),
            id_tokens: Arc::new(SqlIdTokens::new(self.clone())),
            connections: Arc::new(SqlConnections::new(self.clone())),
            upstream_clients: Arc::new(SqlUpstreamClients::new(self.clone())),
            replicas: Arc::new(SqlReplicas::new(self.clone())),
            session_homes: Arc::new(SqlSessionHomes::new(self.clone())),
            approvals: Arc::new(SqlApprovals::new(self.clone())),
            // A hint and a cache: no rows.
            shared_tokens: Arc::new(MemorySharedTokens::default()),
            announcements: Arc::new(MemoryAnnouncements::default()),
            counters: Arc::new(SqlCounters::new(self.clone())),
            concurrency: Arc::new(SqlConcurrency::new(self.clone())),
            budgets: Arc::new(SqlBudgets::new(self.clone())),
            limits: Arc::new(SqlLimits::new(self.clone())),
            pins: Arc::new(SqlPins::new(self.clone())),
            usage: Arc::new(SqlUsage::new(self.clone())),
        }
    }
}
