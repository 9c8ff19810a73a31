//! Obligations of [`crate::Announcements`].

use std::time::Duration;

use crate::{Heard, Stores, Topic};

/// Longer than any backend takes. Nobody waits for it but where the promise is broken.
const PATIENCE: Duration = Duration::from_secs(20);

async fn hears(heard: &mut Heard, who: &str) {
    let heard = tokio::time::timeout(PATIENCE, heard.changed()).await;
    assert!(heard.is_ok(), "{who} heard nothing");
}

pub(super) async fn what_is_announced_is_heard_by_all_who_listen(stores: Stores) {
    let (mut one, mut other) = (
        stores.announcements.hear(Topic::KEYS),
        stores.announcements.hear(Topic::KEYS),
    );
    for _ in 0..2 {
        stores.announcements.announce(Topic::KEYS).await;
        hears(&mut one, "one").await;
        hears(&mut other, "the other").await;
    }
}

pub(super) async fn a_topic_is_heard_by_those_alone_who_listen_to_it(stores: Stores) {
    let mut keys = stores.announcements.hear(Topic::KEYS);
    let mut sessions = stores.announcements.hear(Topic::SESSIONS);
    stores.announcements.announce(Topic::KEYS).await;
    stores.announcements.announce(Topic::SESSIONS).await;
    hears(&mut sessions, "who listens to sessions").await;
    hears(&mut keys, "who listens to keys").await;
    // Announcements come in order: were the first one heard here, it had come before the second.
    stores.announcements.announce(Topic::REVOCATIONS).await;
    stores.announcements.announce(Topic::KEYS).await;
    hears(&mut keys, "who listens to keys").await;
    assert!(!sessions.has_news(), "keys are no sessions");
}

pub(super) async fn what_was_announced_before_is_not_heard(stores: Stores) {
    let mut early = stores.announcements.hear(Topic::KEYS);
    stores.announcements.announce(Topic::KEYS).await;
    hears(&mut early, "who listened").await;
    let late = stores.announcements.hear(Topic::KEYS);
    assert!(!late.has_news(), "what is over was heard");
}
