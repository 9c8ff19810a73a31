//! Every store trait over one database.

use std::sync::Arc;

use portcullis_store::Stores;

use crate::api_keys::SqlApiKeys;
use crate::audit::SqlAudit;
use crate::clients::SqlClients;
use crate::connections::{SqlConnections, SqlUpstreamClients};
use crate::consents::SqlConsents;
use crate::database::Database;
use crate::grants::SqlGrants;
use crate::id_tokens::SqlIdTokens;
use crate::leases::SqlLeases;
use crate::meta::SqlMeta;
use crate::one_time::SqlOneTimes;
use crate::replicas::{SqlReplicas, SqlSessionHomes};
use crate::revocations::SqlRevocations;
use crate::sessions::SqlSessions;
use crate::signing_keys::SqlSigningKeys;

impl Database {
    pub(crate) fn stores(&self) -> Stores {
        Stores {
            api_keys: Arc::new(SqlApiKeys::new(self.clone())),
            audit: Arc::new(SqlAudit::new(self.clone())),
            sessions: Arc::new(SqlSessions::new(self.clone())),
            meta: Arc::new(SqlMeta::new(self.clone())),
            revocations: Arc::new(SqlRevocations::new(self.clone())),
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
        }
    }
}
