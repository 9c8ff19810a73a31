//! How a request ends: on record first, and then with its answer.

use bytes::Bytes;
use http::StatusCode;
use portcullis_core::ScopeSet;
use portcullis_mcp::RpcError;

use crate::answer::Answer;
use crate::audit::Outcome;
use crate::call::Call;
use crate::challenge::Challenge;
use crate::error::EngineError;
use crate::limits::Limited;
use crate::relay::error_answer;

/// 202, once it is on record.
pub(crate) async fn accepted(call: Call) -> Answer {
    let id = call.id;
    if call.close(Outcome::Ok).await {
        Answer::Accepted
    } else {
        let (status, _, body) = error_answer(&EngineError::AuditUnavailable, id, None);
        Answer::json(status, body)
    }
}

/// Gives an error, once it is on record.
pub(crate) async fn refuse(call: Call, error: &EngineError, id: Option<&str>) -> Answer {
    let (status, outcome, text) = error_answer(error, call.id, id);
    answer(call, status, outcome, text, id.unwrap_or("null")).await
}

/// Tells which scopes would help, once it is on record: with 403 in every era, because that is what
/// a client asks its authorization server for more upon.
pub(crate) async fn step_up(
    call: Call,
    outcome: Outcome,
    text: String,
    id: &str,
    required: &ScopeSet,
) -> Answer {
    match answer(call, StatusCode::FORBIDDEN, outcome, text, id).await {
        Answer::Json { status, body, .. } if status == StatusCode::FORBIDDEN => {
            Answer::InsufficientScope {
                body,
                required: required.clone(),
            }
        }
        unavailable => unavailable,
    }
}

/// 401 once it is on record, whoever asks for what: that is what a client gets a token upon.
pub(crate) async fn challenged(
    mut call: Call,
    outcome: Outcome,
    text: String,
    id: &str,
    challenge: Challenge,
) -> Answer {
    challenge.record(&mut call.audit);
    match answer(call, StatusCode::UNAUTHORIZED, outcome, text, id).await {
        Answer::Json { status, body, .. } if status == StatusCode::UNAUTHORIZED => {
            Answer::Unauthenticated { body, challenge }
        }
        unavailable => unavailable,
    }
}

/// 429 once it is on record, in every era: what a client waits upon.
pub(crate) async fn limited(
    call: Call,
    outcome: Outcome,
    text: String,
    id: &str,
    limited: &Limited,
) -> Answer {
    match answer(call, StatusCode::TOO_MANY_REQUESTS, outcome, text, id).await {
        Answer::Json { status, body, .. } if status == StatusCode::TOO_MANY_REQUESTS => {
            Answer::Limited {
                body,
                retry_after_secs: limited.retry_after_secs(),
            }
        }
        unavailable => unavailable,
    }
}

/// Gives a whole answer, once it is on record.
pub(crate) async fn answer(
    mut call: Call,
    status: StatusCode,
    outcome: Outcome,
    text: String,
    id: &str,
) -> Answer {
    call.audit.add_response_bytes(text.len() as u64);
    let request = call.id;
    if call.close(outcome).await {
        return Answer::json(status, Bytes::from(text));
    }
    let reported = EngineError::AuditUnavailable.report(request);
    Answer::json(reported.status, RpcError::response(&reported.rpc, Some(id)))
}
