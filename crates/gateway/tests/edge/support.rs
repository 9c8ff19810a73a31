//! What several of these stories look at.

use portcullis_testkit::gateway::{Connection, TestGateway};

pub(crate) async fn calls(gateway: &TestGateway) -> u64 {
    gateway.mock().stats().await.calls
}

/// Writes raw bytes on one connection and returns every answer's status until it is closed.
pub(crate) async fn raw(gateway: &TestGateway, bytes: &[u8]) -> Vec<u16> {
    let mut connection = Connection::open(gateway.address()).await;
    connection.write(bytes).await;
    let mut statuses = Vec::new();
    loop {
        match connection.reply().await.status {
            0 => return statuses,
            status => statuses.push(status),
        }
    }
}
