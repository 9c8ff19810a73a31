//! The beginning and the end of sessions that the client does not see: the gateway forgets a session
//! after a day, and a client over standard input and output has no way to learn of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use portcullis_mcp::Envelope;

use super::Bridge;
use super::exchange::Came;
use super::session::Open;

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

impl Bridge {
    /// Opens a session in the place of one that the gateway does not know any more, with the client's
    /// own `initialize`. Whether there is one.
    pub(super) async fn reopened(&self, lost: &Open) -> bool {
        let _turn = self.session.reopening.lock().await;
        if self.session.now().is_some_and(|now| now.id != lost.id) {
            return true;
        }
        let opened = self.posted(HeaderMap::new(), lost.hello.clone()).await;
        let Ok(Came::Message(StatusCode::OK, headers, body)) = opened else {
            return false;
        };
        let answer = Envelope::parse(&body).ok();
        let Some(answer) = answer.filter(|answer| answer.result().is_some()) else {
            return false;
        };
        self.session.opened(lost.hello.clone(), &headers, &answer);
        let Some(now) = self.session.now().filter(|now| now.id != lost.id) else {
            return false;
        };
        tracing::info!("the session was over; there is a new one");
        let initialized = Bytes::from_static(INITIALIZED.as_bytes());
        self.posted(now.headers(), initialized).await.is_ok()
    }

    /// Ends the session at the gateway.
    pub(super) async fn end_session(&self) {
        if let Some(open) = self.session.close()
            && let Err(error) = self.door.delete(open.headers()).await
        {
            tracing::debug!("the session was not ended: {error}");
        }
    }
}
