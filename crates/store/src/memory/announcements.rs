//! Announcements within one process.

use async_trait::async_trait;

use crate::{Announcements, Bells, Heard, Topic};

/// Announcements that no other process hears.
#[derive(Debug, Default)]
pub struct MemoryAnnouncements {
    bells: Bells,
}

#[async_trait]
impl Announcements for MemoryAnnouncements {
    async fn announce(&self, topic: Topic) {
        self.bells.ring(topic.as_str());
    }

    fn hear(&self, topic: Topic) -> Heard {
        self.bells.hear(topic)
    }
}
