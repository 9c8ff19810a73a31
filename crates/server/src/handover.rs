//! Requests of which another replica holds what they are about: they go to it as they came, and its
//! answer comes back as it is given.
//!
//! Whoever hands over has admitted the caller already; the owner admits it anew, by the same headers,
//! address and certificate, so that nothing is decided on another replica's word. A request is handed over
//! once: what arrives by hand and belongs elsewhere still is refused.
//!
//! The owner says at once that it takes a request, and records it from then on. Until it has said so, the
//! record is ours.

mod letter;
mod news;
mod receive;
mod reply;
mod seldom;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use portcullis_core::{ReplicaId, RequestId};
use portcullis_engine::{Answer, Call, Elsewhere, Home, LegacyClient, View};

use crate::mcp::unknown_session;
use crate::reply::{answer, text_error};
use crate::state::ServerState;

pub use news::NEWS;
pub(crate) use receive::HandedOver;
pub use receive::Receiver;

/// Where replicas receive what is handed over to them.
pub const PATH: &str = "/handover";

/// Brings a letter to another replica.
#[async_trait]
pub trait Courier: Send + Sync + std::fmt::Debug {
    /// Posts `letter` to `path` ([`PATH`] or [`NEWS`]) at `address` and returns when the other one says
    /// that it takes it, which is soon or never. Dropping the answer ends the request there.
    async fn carry(
        &self,
        address: &str,
        path: &'static str,
        letter: Bytes,
    ) -> Result<Response<Body>, Undelivered>;
}

/// Why nobody took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Nobody listens there: nothing was sent.
    Unreachable,
    /// It was sent, perhaps, or refused.
    NotTaken,
}

/// On an answer: the id that stood in the letter, sealed. Whoever shows it has opened the letter; anybody
/// else may have got the address of a replica that is gone.
static TAKEN: HeaderName = HeaderName::from_static("portcullis-taken");

fn showing(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_bytes(&id.digits()) {
        response.headers_mut().insert(&TAKEN, id);
    }
    response
}

fn shows(response: &Response<Body>, id: RequestId) -> bool {
    let shown = response.headers().get(&TAKEN);
    shown.is_some_and(|shown| shown.as_bytes() == id.digits())
}

/// How often a session is asked for its home anew because the one that was named is gone.
const HOMES: usize = 4;

/// Gives an engine's answer; or that of the replica whose request it is.
pub(crate) async fn settled(
    state: &ServerState,
    parts: &Parts,
    body: &[u8],
    given: Answer,
) -> Response<Body> {
    let mut elsewhere = match given {
        Answer::Elsewhere(elsewhere) => *elsewhere,
        given => return answer(state, parts, given),
    };
    if parts.extensions.get::<HandedOver>().is_none() {
        match hand_over(state, parts, body, &elsewhere.owner, elsewhere.call).await {
            Ok(response) => return response,
            Err((call, _)) => elsewhere.call = *call,
        }
    }
    answer(state, parts, elsewhere.refuse().await)
}

/// The call, if the session that it belongs to is at home here; its answer otherwise.
pub(crate) async fn at_home(
    state: &ServerState,
    parts: &Parts,
    body: &[u8],
    mut call: Call,
    view: &View,
    client: &LegacyClient,
    id: Option<&str>,
) -> Result<Call, Box<Response<Body>>> {
    // Legacy clients read the body of a refusal only under this status.
    let in_band = id.map(|_| StatusCode::OK);
    let mut gone = None;
    for _ in 0..HOMES {
        let owner = match state.gateway.home(&call, view, client).await {
            Ok(Home::Here) => return Ok(call),
            Ok(Home::At(owner)) => owner,
            Err(refusal) => return Err(Box::new(unknown_session(call, refusal, id).await)),
        };
        let by_hand = parts.extensions.get::<HandedOver>().is_some();
        let tried = if by_hand {
            Err((Box::new(call), Undelivered::NotTaken))
        } else {
            hand_over(state, parts, body, &owner, call).await
        };
        match tried {
            Ok(response) => return Err(Box::new(response)),
            Err((unsent, Undelivered::Unreachable)) => call = *unsent,
            Err((unsent, Undelivered::NotTaken)) => {
                let refused = Elsewhere::new(*unsent, owner, in_band, id).refuse().await;
                return Err(Box::new(answer(state, parts, refused)));
            }
        }
        gone = Some(owner);
    }
    let owner = gone.unwrap_or_else(|| state.gateway.replica_id().clone());
    let refused = Elsewhere::new(call, owner, in_band, id).refuse().await;
    Err(Box::new(answer(state, parts, refused)))
}

/// Hands a request over. On `Err` it is still ours, and its event open.
async fn hand_over(
    state: &ServerState,
    parts: &Parts,
    body: &[u8],
    owner: &ReplicaId,
    call: Call,
) -> Result<Response<Body>, (Box<Call>, Undelivered)> {
    let replicas = state.gateway.replicas();
    let Some(address) = replicas.address_of(owner).await else {
        return Err((Box::new(call), Undelivered::Unreachable));
    };
    let Some(letter) = letter::write(replicas, owner, call.id, parts, body) else {
        return Err((Box::new(call), Undelivered::NotTaken));
    };
    let courier = state.courier.clone();
    // Seen through, whoever stops waiting: otherwise nobody could say on whose record it is.
    let carried = state.gateway.see_through(async move {
        match courier.carry(&address, PATH, letter).await {
            Ok(taken) if shows(&taken, call.id) => {
                call.audit.handed_over();
                Ok(taken)
            }
            Ok(_) => {
                tracing::error!(
                    "somebody who is no replica answers at the address of one: is a process of another \
                     gateway there?"
                );
                Err((Box::new(call), Undelivered::NotTaken))
            }
            Err(why) => Err((Box::new(call), why)),
        }
    });
    match carried.await {
        Ok(Ok(taken)) => Ok(reply::read(taken).await.unwrap_or_else(|| {
            // On record there, whatever became of it.
            text_error(StatusCode::BAD_GATEWAY, "replica_lost")
        })),
        Ok(Err((call, why))) => {
            if why == Undelivered::Unreachable {
                replicas.suspect(owner);
            }
            Err((call, why))
        }
        Err(_) => Ok(text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")),
    }
}
