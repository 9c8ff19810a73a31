//! How a client's messages travel.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::DropGuard;

/// Reads a stream of one answer until it is dropped; `None` where there is no such stream.
pub(super) type Reading = Option<DropGuard>;

/// What arrives goes to the inbox.
#[async_trait]
pub(super) trait Line: Debug + Send + Sync {
    /// Sends one message.
    async fn send(&self, message: Value) -> anyhow::Result<Reading>;

    /// Sends answers to the server's questions, from wherever they are found.
    fn answering(&self) -> tokio::sync::mpsc::UnboundedSender<Value>;

    /// Opens the stream of what belongs to no request, where that is one of its own.
    async fn listen(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Ends the session.
    async fn close(&self);
}
