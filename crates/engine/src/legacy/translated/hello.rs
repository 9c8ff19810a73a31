//! `initialize` in front of a server that opens no sessions.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::eras::legacy_client::{self, Hello, Retry, Stamp};
use portcullis_mcp::{Edits, Envelope, Method};
use portcullis_policy::Evidence;

use super::super::LegacyClient;
use super::own_info;
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::error::EngineError;
use crate::exchange::{Note, Speech, revealing};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// The only request of its exchange.
const ID: i64 = 1;

impl Gateway {
    /// The `InitializeResult` made of what the server says of itself, asked for this caller.
    pub(in super::super) async fn stateless_hello(
        self: &Arc<Self>,
        call: &mut Call,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        client: &LegacyClient,
    ) -> Result<String, EngineError> {
        let wish = client.wish(entry.upstream.server().push)?;
        let stamp = Stamp {
            id: ID,
            capabilities: &legacy_client::declared(&wish.capabilities, client.revision),
            client_info: own_info(),
            level: None,
        };
        let bare = Envelope::parse(br#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#)
            .map_err(|_| bad_answer(entry))?;
        let text = legacy_client::request(Method::Discover, &bare, &stamp, &Retry::default());
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(entry))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static(Method::Discover.as_str()),
        );
        let mut note = Note::of(&call.audit);
        let asking = async {
            let note = &mut note;
            let edits = Edits::of(&text);
            let opened = self
                .exchange(
                    entry,
                    evidence,
                    &Speech::Modern,
                    &envelope,
                    edits,
                    headers,
                    note,
                )
                .await?;
            self.whole_answer(entry, evidence, opened).await
        };
        let answer = self
            .while_standing(&call.principal, &call.admission, Box::pin(asking))
            .await;
        note.record(&mut call.audit);
        let answer = answer?;
        if note
            .presented
            .is_some_and(|credential| credential.appears_in(answer.as_bytes()))
        {
            return Err(revealing(entry));
        }
        match legacy_client::hello(&answer, client.revision, entry.id.as_str()) {
            Ok(Hello::Result(result)) => Ok(result),
            Ok(Hello::OtherRevisions) => Err(EngineError::OtherEra {
                server: entry.id.clone(),
                speaks_modern: true,
            }),
            Ok(Hello::Refused(_)) | Err(_) => Err(bad_answer(entry)),
        }
    }
}
