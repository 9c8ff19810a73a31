//! What browsers are answered.

use portcullis_testkit::gateway::Reply;

/// Where an answer sends the browser.
#[track_caller]
pub(crate) fn sent(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap()
}

/// A page that says no, and leads nowhere.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, says: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("location"), None, "{reply:?}");
    assert!(reply.text().contains(says), "{reply:?}");
}
