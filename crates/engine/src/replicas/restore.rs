//! A session whose home is gone: what its client had set at its servers is set again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::HeaderMap;
use portcullis_mcp::{Edits, Envelope};
use portcullis_policy::Operation;
use serde_json::json;

use super::homes::{AtServer, SessionState};
use crate::call::Call;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::gateway::Gateway;
use crate::legacy::LegacyClient;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// How long the first request of a session that moved waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// At how many servers at a time.
const AT_A_TIME: usize = 16;

impl Gateway {
    pub(super) async fn restore(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        client: &LegacyClient,
        state: &SessionState,
    ) {
        let servers = state.servers.iter().filter_map(|(server, at)| {
            let entry = view.server(server)?;
            Some((Arc::clone(entry), at))
        });
        let setting = futures_util::stream::iter(servers).for_each_concurrent(
            AT_A_TIME,
            |(entry, at)| async move {
                if let Err(error) = self.restore_at(call, view, client, &entry, at).await {
                    tracing::info!(mcp.server.id = %entry.id, error = %error, "what a session's client had set is not set again");
                }
            },
        );
        if tokio::time::timeout(PATIENCE, Box::pin(setting))
            .await
            .is_err()
        {
            tracing::info!("what a session's client had set took too long to set again");
        }
    }

    async fn restore_at(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        client: &LegacyClient,
        entry: &Arc<ServerEntry>,
        at: &AtServer,
    ) -> Result<(), EngineError> {
        let permit = view.authorize(entry, Operation::Use)?;
        if self.translates(entry, permit.evidence()).await? {
            return self.set_again(call, view, client, entry, at);
        }
        let level = at.level.iter().map(|level| {
            let params = json!({"level": level});
            (Operation::Use, "logging/setLevel", params)
        });
        let resources = at.resources.iter().map(|uri| {
            let params = json!({"uri": uri});
            (Operation::Read, "resources/subscribe", params)
        });
        for (operation, method, params) in level.chain(resources) {
            // The rights of today, as for any request.
            let permit = view.authorize(entry, operation)?;
            let wish = client.wish(entry.upstream.server().push)?;
            let text = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let text = text.to_string();
            let envelope = Envelope::parse(text.as_bytes()).map_err(|_| EngineError::KeyRing)?;
            let (evidence, mut note) = (permit.evidence(), Note::default());
            let opened = self
                .exchange(
                    entry,
                    evidence,
                    &Speech::Legacy(wish, client.digest),
                    &envelope,
                    Edits::of(&text),
                    HeaderMap::new(),
                    &mut note,
                )
                .await;
            let opened = match opened {
                Ok(opened) => opened,
                Err(error) if self.proved_stateless(entry, evidence, &error).await => {
                    return self.set_again(call, view, client, entry, at);
                }
                Err(error) => return Err(error),
            };
            let session = match &opened {
                Opened::Legacy(session, _) => Some(Arc::clone(session)),
                Opened::Modern(..) => None,
            };
            self.whole_answer(entry, evidence, opened).await?;
            if let Some(session) = session {
                self.listen_if_wanted(call, entry, evidence, &session, client);
            }
        }
        Ok(())
    }
}
