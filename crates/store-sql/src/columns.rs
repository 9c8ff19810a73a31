//! From values to columns and back. What does not read back is corrupt, never a default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::{
    Role, ScopeSet, ServerGrants, ServerId, Timestamp, ToolGrants, ToolsByServer,
};
use portcullis_store::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::database::{Operation, Row, failed};

/// One row, read column by column under the name of the operation.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    operation: Operation,
}

impl<'r> Columns<'r> {
    pub(crate) const fn of(row: &'r Row, operation: Operation) -> Self {
        Self { row, operation }
    }

    pub(crate) fn get<T>(&self, name: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self.row {
            Row::Sqlite(row) => row.try_get(name),
            Row::Postgres(row) => row.try_get(name),
        }
        .map_err(failed(self.operation))
    }

    pub(crate) fn timestamp(&self, name: &'static str) -> Result<Timestamp, StoreError> {
        self.get(name).map(Timestamp::from_millis)
    }

    pub(crate) fn optional_timestamp(
        &self,
        name: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let millis: Option<i64> = self.get(name)?;
        Ok(millis.map(Timestamp::from_millis))
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.get(name)?;
        u64::try_from(number).map_err(|error| StoreError::corrupt(self.operation, error))
    }

    pub(crate) fn bytes32(&self, name: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes: &[u8] = self.get(name)?;
        <[u8; 32]>::try_from(bytes).map_err(|error| StoreError::corrupt(self.operation, error))
    }

    /// A seal. One that is absent or of another length is no corruption of the store but a seal that
    /// does not hold: one damaged row must not keep the others from being read.
    pub(crate) fn seal(&self, name: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes: Option<&[u8]> = self.get(name)?;
        Ok(bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or_default())
    }

    pub(crate) fn scopes(&self, name: &'static str) -> Result<ScopeSet, StoreError> {
        let text: &str = self.get(name)?;
        text.parse()
            .map_err(|error| StoreError::corrupt(self.operation, error))
    }

    pub(crate) fn role(&self, name: &'static str) -> Result<Role, StoreError> {
        let name: &str = self.get(name)?;
        Role::named(name).ok_or_else(|| StoreError::corrupt(self.operation, "not a role"))
    }

    pub(crate) fn grants(&self, name: &'static str) -> Result<ServerGrants, StoreError> {
        let text: &str = self.get(name)?;
        let column: GrantsColumn = serde_json::from_str(text)
            .map_err(|error| StoreError::corrupt(self.operation, error))?;
        Ok(ServerGrants {
            all: column.all,
            none: column.none,
            of_team: column.of_team,
            servers: column.servers,
            access_groups: column.access_groups,
            toolsets: column.toolsets,
            toolset_tools: Arc::default(),
            tools: ToolGrants {
                permissions: column.tool_permissions,
                blocked: column.blocked_tools,
            },
        })
    }
}

/// The stored form; an unknown field is a grant that we would not honour, so it is refused. What a former
/// program did not know is not there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsColumn {
    all: bool,
    servers: BTreeSet<ServerId>,
    access_groups: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    none: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_team: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    toolsets: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tool_permissions: ToolsByServer,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    blocked_tools: BTreeSet<String>,
}

pub(crate) fn grants_column(
    grants: &ServerGrants,
    operation: Operation,
) -> Result<String, StoreError> {
    serde_json::to_string(&GrantsColumn {
        all: grants.all,
        servers: grants.servers.clone(),
        access_groups: grants.access_groups.clone(),
        none: grants.none,
        of_team: grants.of_team,
        toolsets: grants.toolsets.clone(),
        tool_permissions: grants.tools.permissions.clone(),
        blocked_tools: grants.tools.blocked.clone(),
    })
    .map_err(|error| StoreError::corrupt(operation, error))
}

/// A position or a limit: what no column can hold lies behind everything.
pub(crate) fn saturated(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
