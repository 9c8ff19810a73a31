//! One channel to a server on which everything comes: answers, progress, news and questions of all
//! requests under way. Here they are told apart, so that nothing above notices: what belongs to a
//! request goes to its stream, by ids of ours, and the rest to the stream of the session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_mcp::{Edits, Envelope, Kind, Members, RpcError, code};
use tokio::sync::mpsc;

use crate::error::UpstreamErrorKind;
use crate::line::{Line, LineSender, line};
use crate::pending::{Owner, Pending, Restored};
use crate::server::UpstreamServer;
use crate::stream::EventStream;
use crate::transport::Reply;

/// Most streams of messages that belong to no request, on one channel.
const MOST_LISTENERS: usize = 4096;

/// Under which a message of a subscription names it (2026-07-28).
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Whose a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// One acting party's.
    Own,
    /// Several acting parties': what names no request of one of them is nobody's.
    Shared,
}

/// One channel. It knows no transport: text goes through it on both ways.
#[derive(Debug)]
pub(crate) struct Channel {
    server: Arc<UpstreamServer>,
    sharing: Sharing,
    pending: Pending,
    table: Mutex<Table>,
    /// Where messages of our own go, on transports that take one at any time.
    back: Option<mpsc::Sender<Bytes>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Requests under way, by our ids: the newest is the last.
    routes: BTreeMap<i64, Route>,
    listeners: Vec<LineSender>,
    ended: Option<UpstreamErrorKind>,
}

/// A request under way.
#[derive(Debug)]
struct Route {
    line: LineSender,
    /// Of which client of the session, if that is known.
    client: Option<Owner>,
    /// Servers ask before they answer these; lists and subscriptions they just answer.
    is_call: bool,
}

/// A message that may go out.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Its text, ids ours. `None`: there is nothing to say, because nobody would know of what.
    pub(crate) text: Option<Bytes>,
    /// Where the answer of a request will be.
    pub(crate) line: Option<Line>,
}

/// Lets a request go when nobody waits for it any more.
struct Waiting {
    channel: Weak<Channel>,
    ours: i64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.upgrade() {
            channel.let_go(self.ours);
        }
    }
}

/// What a message without an owner is.
enum Loose {
    /// Something changed: for all who listen.
    News,
    /// A word of the log: of whatever is under way.
    Word,
}

/// Why a question reached nobody.
const NOBODY: &str = "no client to ask";
const UNCLEAR: &str =
    "no client to ask: several calls are under way, and nothing says which of them this is about";

impl Channel {
    pub(crate) fn new(
        server: Arc<UpstreamServer>,
        sharing: Sharing,
        back: Option<mpsc::Sender<Bytes>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server,
            sharing,
            pending: Pending::new(),
            table: Mutex::default(),
            back,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing goes through any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.table().ended.is_some()
    }

    /// How many requests are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.table().routes.len()
    }

    /// Gives a message ids of ours. `owner` tells the parties of a shared channel apart, `client` those who
    /// share the session of one party.
    pub(crate) fn admit(
        self: &Arc<Self>,
        owner: Option<Owner>,
        client: Option<Owner>,
        body: &Bytes,
    ) -> Result<Admitted, UpstreamErrorKind> {
        let text = std::str::from_utf8(body).map_err(|_| UpstreamErrorKind::BadAnswer)?;
        let envelope = Envelope::parse(body).map_err(|_| UpstreamErrorKind::BadAnswer)?;
        let mut edits = Edits::of(text);
        match envelope.kind {
            Kind::Request { method, .. } => {
                // Before its id is given out: a dead channel has done nothing and never will.
                if self.has_ended() {
                    return Err(UpstreamErrorKind::SessionLost);
                }
                let ours = self
                    .pending
                    .admit(&envelope, &mut edits, owner)
                    .ok_or(UpstreamErrorKind::RateLimited)?;
                let waiting = Waiting {
                    channel: Arc::downgrade(self),
                    ours,
                };
                let (sender, line) = line(self.server.stream_idle, Some(Box::new(waiting)));
                let mut table = self.table();
                if table.ended.is_some() {
                    return Err(UpstreamErrorKind::SessionLost);
                }
                let route = Route {
                    line: sender,
                    client,
                    is_call: matches!(method, "tools/call" | "prompts/get" | "resources/read"),
                };
                table.routes.insert(ours, route);
                drop(table);
                Ok(Admitted {
                    text: Some(edits.finish().into()),
                    line: Some(line),
                })
            }
            Kind::Notification {
                method: "notifications/cancelled",
            } => {
                let id = envelope
                    .params()
                    .and_then(|params| params.get("requestId"))
                    .and_then(|id| Some((id, self.pending.ours(id.get(), owner)?)));
                let Some((id, ours)) = id else {
                    return Ok(Admitted {
                        text: None,
                        line: None,
                    });
                };
                edits.replace(id, ours.to_string());
                // Nothing more will come of it, as where a server closes the stream of a request.
                self.table().routes.remove(&ours);
                self.pending.forget(ours);
                Ok(Admitted {
                    text: Some(edits.finish().into()),
                    line: None,
                })
            }
            Kind::Notification { .. } | Kind::Response { .. } => Ok(Admitted {
                text: Some(body.clone()),
                line: None,
            }),
        }
    }

    /// The answer of a request once its first message is there, as other transports give it: one
    /// message, or a stream that begins with it.
    pub(crate) async fn settle(
        &self,
        mut line: Line,
        limit: Duration,
    ) -> Result<Reply, UpstreamErrorKind> {
        let first = tokio::time::timeout(limit, line.next())
            .await
            .map_err(|_| UpstreamErrorKind::Timeout)??;
        let first = first.ok_or(UpstreamErrorKind::Broken)?;
        let answers = Envelope::parse(&first)
            .is_ok_and(|envelope| matches!(envelope.kind, Kind::Response { .. }));
        if answers {
            return Ok(Reply::Message {
                status: StatusCode::OK,
                body: first,
            });
        }
        line.put_back(first);
        Ok(Reply::Stream(EventStream::of_line(
            self.server.id.clone(),
            line,
        )))
    }

    /// A stream of what belongs to no request. `None`: the channel has ended, or too many listen.
    pub(crate) fn listen(&self) -> Option<EventStream> {
        // Silence is what most of them hear.
        let (sender, line) = line(Duration::MAX, None);
        let mut table = self.table();
        table.listeners.retain(|listener| !listener.is_closed());
        if table.ended.is_some() || table.listeners.len() >= MOST_LISTENERS {
            return None;
        }
        table.listeners.push(sender);
        Some(EventStream::of_line(self.server.id.clone(), line))
    }

    /// Hands on what the server said.
    pub(crate) fn arrived(&self, text: &str) {
        match self.pending.restore(text) {
            Restored::Answer { ours, text } => {
                let text = self.relabelled(&text, Some(ours)).map_or(text, |one| one.1);
                let route = self.table().routes.remove(&ours);
                self.pending.forget(ours);
                if let Some(route) = route {
                    route.line.send(text.into());
                }
            }
            Restored::Progress { ours, text, .. } => self.to_request(ours, text),
            Restored::Notification(text) => self.notified(text),
            Restored::Request(text) => self.asked(&text),
            Restored::Stray => {
                tracing::debug!(mcp.server.id = %self.server.id, "message for nobody dropped");
            }
        }
    }

    /// What the server said is not handed on, because of what stands in it: whoever waits for it as an
    /// answer hears so, and a question is answered in the client's place.
    pub(crate) fn withheld(&self, text: &str) {
        match self.pending.restore(text) {
            Restored::Answer { ours, .. } => {
                let route = self.table().routes.remove(&ours);
                self.pending.forget(ours);
                if let Some(route) = route {
                    route.line.fail(UpstreamErrorKind::Revealing);
                }
            }
            Restored::Request(text) => {
                if let Ok(envelope) = Envelope::parse(text.as_bytes())
                    && let Kind::Request { id, .. } = envelope.kind
                {
                    let words = "the question repeats a secret and was not asked";
                    let answer = RpcError::new(code::INVALID_REQUEST, words);
                    self.say(answer.response(Some(id.as_json())));
                }
            }
            Restored::Progress { .. } | Restored::Notification(_) | Restored::Stray => {}
        }
    }

    fn notified(&self, text: String) {
        if let Some((ours, text)) = self.relabelled(&text, None) {
            return self.to_request(ours, text);
        }
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return;
        };
        let Kind::Notification { method } = envelope.kind else {
            return;
        };
        // A server that ends a subscription says which (2026-07-28, stdio).
        if method == "notifications/cancelled"
            && let Some(ours) = envelope
                .params()
                .and_then(|params| params.get("requestId")?.get().parse::<i64>().ok())
            && self.table().routes.remove(&ours).is_some()
        {
            self.pending.forget(ours);
            return;
        }
        let loose = match method {
            "notifications/message" | "notifications/cancelled" => Loose::Word,
            _ => Loose::News,
        };
        if self.sharing == Sharing::Shared && !method.ends_with("/list_changed") {
            tracing::debug!(mcp.server.id = %self.server.id, mcp.method = method, "message of a shared channel is nobody's: dropped");
            return;
        }
        self.to_whoever(&loose, text.into());
    }

    fn asked(&self, text: &str) {
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return;
        };
        let Kind::Request { id, method } = envelope.kind else {
            return;
        };
        let id = id.as_json();
        if method == "ping" && self.back.is_some() {
            return self.say(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        }
        let refusal = |why: &str| RpcError::new(code::METHOD_NOT_FOUND, why).response(Some(id));
        let refused = match self.sharing {
            Sharing::Shared => Some(refusal(NOBODY)),
            Sharing::Own => self
                .ask(&Bytes::copy_from_slice(text.as_bytes()))
                .err()
                .map(refusal),
        };
        if let Some(refused) = refused {
            self.say(refused);
        }
    }

    /// A question names no request. It is put to the client of the one call that it can be about, or of
    /// all of them; else to whoever listens for what is about none. An error says why nobody gets it.
    fn ask(&self, text: &Bytes) -> Result<(), &'static str> {
        let mut table = self.table();
        let calls: Vec<&Route> = {
            let calls: Vec<_> = table.routes.values().filter(|one| one.is_call).collect();
            if calls.is_empty() {
                table.routes.values().collect()
            } else {
                calls
            }
        };
        let meant = match calls.as_slice() {
            [.., last] if calls.len() == 1 => Some(*last),
            [first, .., last]
                if first.client.is_some() && calls.iter().all(|one| one.client == first.client) =>
            {
                Some(*last)
            }
            _ => None,
        };
        if let Some(route) = meant {
            return if route.line.send(text.clone()) {
                Ok(())
            } else {
                Err(NOBODY)
            };
        }
        let why = if calls.is_empty() { NOBODY } else { UNCLEAR };
        let mut taken = false;
        table.listeners.retain(|listener| {
            if taken {
                return !listener.is_closed();
            }
            taken = listener.send(text.clone());
            taken
        });
        if taken { Ok(()) } else { Err(why) }
    }

    /// Says something of our own, where the transport takes it.
    fn say(&self, text: String) {
        let said = self
            .back
            .as_ref()
            .is_some_and(|back| back.try_send(text.into()).is_ok());
        if !said {
            tracing::debug!(mcp.server.id = %self.server.id, "server's question stays unanswered");
        }
    }

    fn to_request(&self, ours: i64, text: String) {
        let cut_off = {
            let table = self.table();
            let route = table.routes.get(&ours);
            route.is_some_and(|route| !route.line.send(text.into()))
        };
        if cut_off {
            self.let_go(ours);
        }
    }

    /// A request that runs alone is what a word of the log is about; else everything is for those who
    /// listen, and where nobody does, for whatever was asked last.
    fn to_whoever(&self, loose: &Loose, text: Bytes) {
        let mut table = self.table();
        if matches!(loose, Loose::Word)
            && table.routes.len() == 1
            && let Some(route) = table.routes.values().next()
        {
            route.line.send(text);
            return;
        }
        let mut done = false;
        table.listeners.retain(|listener| {
            let taken = listener.send(text.clone());
            done |= taken;
            taken
        });
        if !done
            && self.sharing == Sharing::Own
            && let Some((_, route)) = table.routes.last_key_value()
        {
            route.line.send(text);
        }
    }

    /// A message of a subscription names it by our id: the caller's own comes back. Also ours.
    fn relabelled(&self, text: &str, answers: Option<i64>) -> Option<(i64, String)> {
        if !text.contains(SUBSCRIPTION) {
            return None;
        }
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let holder = match answers {
            Some(_) => Members::of(envelope.result()?).ok()?,
            None => envelope.params()?.clone(),
        };
        let meta = holder.object("_meta").ok()??;
        let label = meta.get(SUBSCRIPTION)?;
        let ours: i64 = label.get().parse().ok()?;
        if answers.is_some_and(|answers| answers != ours) {
            return None;
        }
        let mut edits = Edits::of(text);
        edits.replace(label, self.pending.theirs(ours)?);
        Some((ours, edits.finish()))
    }

    /// Nobody waits for a request any more: the server is told where it can be.
    fn let_go(&self, ours: i64) {
        if self.table().routes.remove(&ours).is_none() {
            return;
        }
        match &self.back {
            Some(back) => {
                self.pending.forget(ours);
                let note = format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{ours},"reason":"nobody waits for it"}}}}"#
                );
                if back.try_send(note.into()).is_err() {
                    tracing::debug!(mcp.server.id = %self.server.id, "request not cancelled");
                }
            }
            // Its client may still cancel it by name.
            None => self.pending.keep(ours, false),
        }
    }

    /// Nothing comes any more: whatever waits hears why, and whoever listens hears an end.
    pub(crate) fn end(&self, kind: UpstreamErrorKind) {
        let mut table = self.table();
        if table.ended.is_some() {
            return;
        }
        table.ended = Some(kind);
        let routes = std::mem::take(&mut table.routes);
        table.listeners.clear();
        drop(table);
        // What was handed over may have been carried out: it is not one to be sent again.
        let said = match kind {
            UpstreamErrorKind::SessionLost => UpstreamErrorKind::Broken,
            other => other,
        };
        for (ours, route) in routes {
            self.pending.forget(ours);
            route.line.fail(said);
        }
    }
}

#[cfg(test)]
mod tests;
