//! The same server over HTTP+SSE: one stream that everything comes on, and POSTs that are only taken.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::live::Live;
use super::recorded::Recorded;
use super::reply::{Reply, event};
use super::{FakeUpstream, Shared, State, defaults};

/// What a story decides of it.
#[derive(Clone, Debug)]
pub struct SseSide {
    /// Every stream that was opened, in order.
    pub live: Live,
    rules: Arc<Mutex<Rules>>,
}

#[derive(Debug, Default)]
struct Rules {
    revision: String,
    endpoint: Option<String>,
    held: HashSet<String>,
    refused: VecDeque<(String, u16)>,
}

impl SseSide {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of this kind are taken, and only the story answers them.
    pub fn hold(&self, kind: &str) {
        self.rules().held.insert(kind.to_owned());
    }

    /// The next request of this kind is refused with this status.
    pub fn refuse(&self, kind: &str, status: u16) {
        self.rules().refused.push_back((kind.to_owned(), status));
    }

    /// From now on messages are to be posted there, instead of to an address of this session.
    pub fn endpoint(&self, address: &str) {
        self.rules().endpoint = Some(address.to_owned());
    }

    /// Answers a request on the stream that was opened last.
    pub fn answer(&self, request: &Recorded, result: &str) {
        self.live.message(&answer(request, result));
    }

    fn respond(&self, shared: &Shared, request: &Recorded) -> Reply {
        if request.kind == "TOKEN" {
            return Reply::Default;
        }
        let refused = {
            let mut rules = self.rules();
            let at = rules
                .refused
                .iter()
                .position(|(kind, _)| *kind == request.kind);
            at.and_then(|at| rules.refused.remove(at))
        };
        if let Some((_, status)) = refused {
            return Reply::status(status);
        }
        if request.kind == "GET" {
            let reply = self.live.open();
            let number = self.live.kept();
            let own = format!("/mcp?session={number}");
            let endpoint = self.rules().endpoint.clone().unwrap_or(own);
            self.live
                .bytes(&format!("event: endpoint\ndata: {endpoint}\n\n"));
            return reply;
        }
        let session = request.path.split_once("session=");
        let Some(number) = session.and_then(|(_, number)| number.parse::<usize>().ok()) else {
            return Reply::status(405);
        };
        let result = if self.rules().held.contains(&request.kind) {
            None
        } else {
            self.result(&shared.state(), request)
        };
        if let Some(result) = result {
            let text = event(&answer(request, &result));
            self.live.bytes_on(number.saturating_sub(1), &text);
        }
        Reply::status(202)
    }

    fn result(&self, state: &State, request: &Recorded) -> Option<String> {
        if request.kind == "initialize" {
            let revision = self.rules().revision.clone();
            return Some(format!(
                r#"{{"protocolVersion":"{revision}","capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}}},"serverInfo":{{"name":"fake","version":"1"}}}}"#
            ));
        }
        defaults::result(state, request).map(|result| format!("{{{result}}}"))
    }
}

fn answer(request: &Recorded, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        request.id()
    )
}

impl FakeUpstream {
    /// From now on it speaks HTTP+SSE and nothing else, and this revision whatever it is asked for.
    pub fn over_sse(&self, revision: &str) -> SseSide {
        let side = SseSide {
            live: Live::new(),
            rules: Arc::default(),
        };
        revision.clone_into(&mut side.rules().revision);
        let (speaking, shared) = (side.clone(), Arc::downgrade(&self.shared));
        self.first(move |request| match shared.upgrade() {
            Some(shared) => speaking.respond(&shared, request),
            None => Reply::Close,
        });
        side
    }
}
