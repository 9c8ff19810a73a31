//! A server, tried out under our own identity one step after the other, so that whoever looks for a
//! fault sees which step it is. The steps are those of every call.

use std::sync::Arc;

use portcullis_credentials::{CredentialKind, Errand};
use portcullis_mcp::{Members, Revision};
use portcullis_policy::authorize_service;

use crate::error::EngineError;
use crate::exchange::{Note, Speech};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

impl Gateway {
    /// What we present: got, and not presented yet.
    pub async fn try_credential(&self, entry: &ServerEntry) -> Result<CredentialKind, EngineError> {
        let permit = authorize_service(&entry.id);
        let (evidence, auth) = (permit.evidence(), &entry.auth);
        let credential = self.credentials.obtain(evidence, auth, Errand::DISCOVER);
        Ok(credential.await?.kind())
    }

    /// `server/discover`, or `initialize` where that is not understood: the revision that is spoken.
    pub async fn try_handshake(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
    ) -> Result<String, EngineError> {
        let permit = authorize_service(&entry.id);
        let evidence = permit.evidence();
        match self.own_speech(entry, evidence).await? {
            Speech::Modern => Ok(Revision::V2026_07_28.as_str().to_owned()),
            Speech::Legacy(wish, _) => {
                let mut note = Note::default();
                let session = self.session(entry, evidence, &wish, &mut note).await?;
                let raw = serde_json::value::RawValue::from_string(
                    session.initialize_result().to_owned(),
                )
                .ok();
                let spoken = raw
                    .as_deref()
                    .and_then(|raw| Members::of(raw).ok())
                    .and_then(|members| Some(members.string("protocolVersion")?.into_owned()));
                Ok(spoken.unwrap_or_else(|| wish.revision.as_str().to_owned()))
            }
        }
    }

    /// `tools/list`, every page: how many there are.
    pub async fn try_list(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
    ) -> Result<usize, EngineError> {
        self.refresh_tools(entry).await?;
        Ok(entry.tool_count().unwrap_or_default())
    }
}
