//! Announcements by publishing: a channel of our own, and a connection that listens to it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use portcullis_store::{Announcements, Bells, Heard, Topic};
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, Script};
use tokio::sync::watch;

use crate::link::{CONNECTING, Link, RedisDeps};
use crate::step::{Keys, Lua, Step};

static ANNOUNCE: Lua = LazyLock::new(|| Script::new(include_str!("lua/announce.lua")));

/// How often a channel on which nothing is said is tried.
const TRIED_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct RedisAnnouncements {
    link: Arc<Link>,
    channel: String,
    bells: Bells,
    listening: watch::Sender<bool>,
}

impl RedisAnnouncements {
    pub(crate) fn new(link: &Arc<Link>, keys: &Keys) -> Self {
        Self {
            link: Arc::clone(link),
            channel: keys.key(&["changed"]),
            bells: Bells::default(),
            listening: watch::Sender::new(false),
        }
    }

    /// Listens until the stop.
    pub(crate) fn listen(self: &Arc<Self>, client: Client, deps: &RedisDeps) {
        let (own, stop) = (Arc::clone(self), deps.stop.clone());
        deps.tracker.spawn(async move {
            let listening = async {
                let mut failures = 0;
                loop {
                    if own.listen_once(&client).await {
                        failures = 0;
                    }
                    own.listening.send_replace(false);
                    failures += 1;
                    tokio::time::sleep(own.link.pause(failures)).await;
                }
            };
            stop.run_until_cancelled(listening).await;
        });
    }

    /// Waits until what is announced is heard.
    pub(crate) async fn listens(&self) {
        let mut listening = self.listening.subscribe();
        let _ = listening.wait_for(|listening| *listening).await;
    }

    /// Listens until the connection ends, and says whether it came about.
    async fn listen_once(&self, client: &Client) -> bool {
        let connecting = async {
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(&self.channel).await?;
            redis::RedisResult::Ok(pubsub.split())
        };
        let (sink, stream) = match tokio::time::timeout(CONNECTING, connecting).await {
            Ok(Ok(halves)) => halves,
            // The link, which has the same server, says why.
            Ok(Err(error)) => {
                tracing::debug!(%error, "nothing is heard from Redis");
                return false;
            }
            Err(_) => return false,
        };
        // Whatever was said meanwhile was missed.
        self.bells.ring_all();
        self.listening.send_replace(true);
        self.hear_from(sink, stream).await;
        true
    }

    async fn hear_from(&self, mut sink: PubSubSink, mut stream: PubSubStream) {
        loop {
            match tokio::time::timeout(TRIED_EVERY, stream.next()).await {
                Ok(Some(message)) => {
                    if let Ok(topic) = std::str::from_utf8(message.get_payload_bytes()) {
                        self.bells.ring(topic);
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    let pinged =
                        tokio::time::timeout(CONNECTING, sink.ping::<redis::Value>()).await;
                    if !matches!(pinged, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Announcements for RedisAnnouncements {
    async fn announce(&self, topic: Topic) {
        const OPERATION: &str = "announcements.announce";
        let Ok(live) = self.link.live(OPERATION) else {
            return;
        };
        let step = Step::new(OPERATION, &ANNOUNCE)
            .key(self.channel.clone())
            .text(topic.as_str());
        if let Err(error) = self.link.take(&live, step).await {
            tracing::debug!(%error, topic = topic.as_str(), "a change was not announced");
        }
    }

    fn hear(&self, topic: Topic) -> Heard {
        self.bells.hear(topic)
    }
}
