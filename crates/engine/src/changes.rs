//! "Our list changed": read anew before anybody is told, and told only to those for whom it did. A list
//! is read once for all streams that hear of it, and at most once a second, however often a server says
//! so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use portcullis_mcp::{Envelope, Kind as MessageKind};
use portcullis_policy::Evidence;
use tokio::task::JoinHandle;

use crate::catalog::{Kind, ListVersion, Lister};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// What a server says, and what it is about.
const LISTS: [(&str, &[Kind]); 3] = [
    ("notifications/tools/list_changed", &[Kind::Tools]),
    ("notifications/prompts/list_changed", &[Kind::Prompts]),
    (
        "notifications/resources/list_changed",
        &[Kind::Resources, Kind::Templates],
    ),
];

/// A list of one server, as one stream knows it.
struct Known {
    kinds: &'static [Kind],
    /// Which versions of it the stream's client could have seen.
    versions: Vec<ListVersion>,
    /// The server's words, while the list is read.
    heard: Option<Reading>,
    /// Its words, where it spoke again meanwhile.
    again: Option<String>,
}

struct Reading {
    text: String,
    /// Gives the versions then, unless the list cannot be read. A task: a stream whose client does not
    /// read must not hold up those who wait for the same list.
    reading: JoinHandle<Option<Vec<ListVersion>>>,
}

/// What one stream knows of one server's lists, and which of them are being read.
pub(crate) struct Changes {
    gateway: Arc<Gateway>,
    lister: Lister,
    known: [Known; LISTS.len()],
}

impl Changes {
    /// From now on: what was listed before is known.
    pub(crate) fn since_now(
        gateway: &Arc<Gateway>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
    ) -> Self {
        let lister = Lister::heard_by(entry, evidence);
        let known = LISTS.map(|(_, kinds)| Known {
            kinds,
            versions: kinds.iter().map(|kind| lister.version(*kind)).collect(),
            heard: None,
            again: None,
        });
        Self {
            gateway: Arc::clone(gateway),
            lister,
            known,
        }
    }

    /// Takes a notification that a list changed, which is already noted in the catalogue; anything else
    /// is given back.
    pub(crate) fn take(&mut self, text: String) -> Option<String> {
        let Some(position) = list_of(&text) else {
            return Some(text);
        };
        let Self {
            gateway,
            lister,
            known,
        } = self;
        if let Some(known) = known.get_mut(position) {
            if known.heard.is_some() {
                known.again = Some(text);
            } else {
                known.read(gateway, lister, text);
            }
        }
        None
    }

    /// The next notification that the client is to have. Cancelling this loses none.
    pub(crate) async fn next(&mut self) -> String {
        std::future::poll_fn(|context| {
            let Self {
                gateway,
                lister,
                known,
            } = self;
            for known in known {
                while let Some(heard) = &mut known.heard {
                    let Poll::Ready(now) = Pin::new(&mut heard.reading).poll(context) else {
                        break;
                    };
                    let told = known.learn(now.ok().flatten());
                    match (told, known.again.take()) {
                        // Whoever lists now sees what the later words are about too.
                        (Some(told), again) => return Poll::Ready(again.unwrap_or(told)),
                        (None, Some(text)) => known.read(gateway, lister, text),
                        (None, None) => {}
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// What has been heard and not been read yet, for whoever cannot wait for it.
    pub(crate) fn unread(&mut self) -> Vec<String> {
        let heard = self.known.iter_mut().filter_map(|known| {
            let heard = known.heard.take();
            known.again.take().or(heard.map(|heard| heard.text))
        });
        heard.collect()
    }
}

impl Known {
    fn read(&mut self, gateway: &Arc<Gateway>, lister: &Lister, text: String) {
        let (gateway, lister, kinds) = (Arc::clone(gateway), lister.clone(), self.kinds);
        let tracker = gateway.tracker.clone();
        let reading = tracker.spawn(async move {
            let reading = kinds.iter().map(|kind| gateway.relist(&lister, *kind));
            let read = futures_util::future::join_all(reading).await;
            read.into_iter().collect()
        });
        self.heard = Some(Reading { text, reading });
    }

    /// The list was read, or could not be; gives what the client is to be told, if anything. Nothing is
    /// told only of a change that is known and not for the client to see: what did not change for us may
    /// have changed in the client's own session.
    fn learn(&mut self, now: Option<Vec<ListVersion>>) -> Option<String> {
        let text = self.heard.take()?.text;
        let Some(now) = now else {
            return Some(text);
        };
        let before = std::mem::replace(&mut self.versions, now);
        let is_seen = |(before, now): (&ListVersion, &ListVersion)| before.shown != now.shown;
        let seen = before.iter().zip(&self.versions).any(is_seen);
        (seen || before == self.versions).then_some(text)
    }
}

/// Which list a message says has changed.
fn list_of(text: &str) -> Option<usize> {
    if !text.contains("list_changed") {
        return None;
    }
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let MessageKind::Notification { method } = envelope.kind else {
        return None;
    };
    LISTS.iter().position(|(name, _)| *name == method)
}
