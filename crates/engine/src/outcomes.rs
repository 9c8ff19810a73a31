//! How each server of an aggregate fared, told to the client under LiteLLM's key.

use portcullis_core::ServerId;
use serde_json::{Map, Value, json};

use crate::audit::{AuditGuard, Outcome};
use crate::consent::Wanted;
use crate::error::EngineError;

/// The member of `_meta`, as LiteLLM's clients know it.
pub(crate) const META_KEY: &str = "litellm.ai/server_outcomes";

/// Nobody opens more addresses than this at once.
const MOST_WANTED: usize = 8;

/// One server's part in an aggregate.
#[derive(Debug)]
pub(crate) struct ServerResult<T> {
    pub(crate) server: ServerId,
    pub(crate) result: Result<T, EngineError>,
}

/// The word for a failure.
pub(crate) fn word(error: &EngineError) -> &'static str {
    match error {
        EngineError::Upstream(error) => error.outcome(),
        EngineError::Credential(_)
        | EngineError::Challenged { .. }
        | EngineError::ConsentRequired(_) => "auth_required",
        EngineError::Denied(_) => "forbidden",
        EngineError::OtherEra { .. } => "upstream_error",
        _ => "internal",
    }
}

/// Puts every server's part on record.
pub(crate) fn note<T>(audit: &mut AuditGuard, results: &[ServerResult<T>]) {
    for ServerResult { server, result } in results {
        let outcome = match result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Kind(error.kind()),
        };
        audit.server_outcome(server, outcome);
    }
}

/// `{server: {status, http_status?, kind?, connect_url?}}`.
pub(crate) fn report<T>(results: &[ServerResult<T>]) -> Value {
    let mut servers = Map::new();
    for ServerResult { server, result } in results {
        let entry = match result {
            Ok(_) => json!({"status": "ok"}),
            Err(error) => {
                let mut entry = json!({"status": word(error)});
                if let (EngineError::Upstream(error), Some(object)) = (error, entry.as_object_mut())
                    && let Some(status) = error.status()
                {
                    object.insert("http_status".to_owned(), status.into());
                }
                if let (EngineError::ConsentRequired(wanted), Some(object)) =
                    (error, entry.as_object_mut())
                {
                    object.insert("kind".to_owned(), error.kind().as_str().into());
                    let url = wanted.iter().find_map(|one| one.url.as_deref());
                    object.extend(url.map(|url| ("connect_url".to_owned(), url.into())));
                }
                entry
            }
        };
        servers.insert(server.to_string(), entry);
    }
    Value::Object(servers)
}

/// An aggregate of which no server answered is an error, not an empty list.
pub(crate) fn require_one<T>(results: &[ServerResult<T>]) -> Result<(), EngineError> {
    if results.is_empty() || results.iter().any(|one| one.result.is_ok()) {
        return Ok(());
    }
    if let Some(challenge) =
        EngineError::all_challenge(results.iter().map(|one| one.result.as_ref().err()))
    {
        return Err(challenge);
    }
    let wanted: Box<[Wanted]> = results
        .iter()
        .filter_map(|one| match &one.result {
            Err(EngineError::ConsentRequired(wanted)) => Some(wanted.iter().cloned()),
            _ => None,
        })
        .flatten()
        .take(MOST_WANTED)
        .collect();
    if !wanted.is_empty() {
        return Err(EngineError::ConsentRequired(wanted));
    }
    let outcomes = results
        .iter()
        .filter_map(|one| Some((one.server.clone(), word(one.result.as_ref().err()?))))
        .collect();
    Err(EngineError::NoneAnswered(outcomes))
}
