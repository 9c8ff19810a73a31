//! What the other replicas have to hear of at once. Whoever misses it holds for longer to what it knew.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use portcullis_core::{PrincipalId, RequestId, ServerId};
use serde::{Deserialize, Serialize};

use super::{showing, shows};
use crate::reply::{json, text_error};
use crate::state::ServerState;

/// Where replicas receive news.
pub const NEWS: &str = "/news";

/// Longest letter with news.
pub(super) const LONGEST: usize = 64 * 1024;

/// How often somebody is told who does not answer, and the pause between.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// Somebody's account at a server is another one now, or none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionChanged {
    /// No two are the same.
    news: String,
    principal: PrincipalId,
    server: ServerId,
}

impl ServerState {
    /// A principal's account at a server was connected or disconnected: what any replica opened and learnt
    /// with the one before is forgotten.
    pub(crate) fn connection_changed(&self, principal: &PrincipalId, server: &ServerId) {
        self.gateway.connection_changed(principal, server);
        let replicas = self.gateway.replicas();
        for (id, address) in replicas.others() {
            let Ok(news) = RequestId::generate(self.clock.now(), &*self.request_ids) else {
                continue;
            };
            let changed = ConnectionChanged {
                news: news.text(),
                principal: principal.clone(),
                server: server.clone(),
            };
            let sealed = serde_json::to_vec(&changed)
                .ok()
                .and_then(|text| replicas.seal_letter(&id, &text).ok());
            let Some(letter) = sealed.map(Bytes::from) else {
                continue;
            };
            let courier = self.courier.clone();
            // Nobody waits for it.
            drop(self.gateway.see_through(async move {
                for _ in 0..TRIES {
                    let carried = courier.carry(&address, NEWS, letter.clone()).await;
                    if carried.is_ok_and(|heard| shows(&heard, news)) {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                tracing::warn!(replica = %id, "a replica did not hear that an account is another one now");
            }));
        }
    }
}

/// Takes a letter with news.
pub(super) fn hear(state: &ServerState, letter: &Bytes) -> Response<Body> {
    let replicas = state.gateway.replicas();
    let heard = std::str::from_utf8(letter)
        .ok()
        .and_then(|sealed| replicas.open_letter(sealed).ok())
        .and_then(|text| serde_json::from_slice::<ConnectionChanged>(&text).ok())
        .and_then(|changed| Some((RequestId::read(&changed.news)?, changed)))
        .filter(|(news, _)| replicas.is_first(*news));
    let Some((news, changed)) = heard else {
        return text_error(StatusCode::FORBIDDEN, "news_not_accepted");
    };
    state
        .gateway
        .connection_changed(&changed.principal, &changed.server);
    showing(json(StatusCode::OK, Bytes::new()), news)
}
