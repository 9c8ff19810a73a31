//! Keys and settings of these stories.

use portcullis_testkit::gateway::{Ask, Reply, TestGateway};

/// Loopback is where the stories' clients come from: here it is the operator's proxy.
pub(crate) const BEHIND_A_PROXY: &str =
    "general_settings:\n  use_x_forwarded_for: true\n  mcp_trusted_proxy_ranges: ['127.0.0.0/8']\n";

pub(crate) async fn challenge(gateway: &TestGateway, ask: Ask) -> String {
    let reply = gateway.anonymous().ask(ask).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    challenge_of(&reply)
}

pub(crate) fn challenge_of(reply: &Reply) -> String {
    reply.header("www-authenticate").unwrap().to_owned()
}
