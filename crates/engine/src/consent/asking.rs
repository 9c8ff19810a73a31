//! The stateless form (2026-07-28, SEP-2322): `input_required`, and the retry that comes with the
//! client's answer. Accepting means that the client will show the address, not that anything was
//! connected: the call is simply made again.

use std::time::Duration;

use portcullis_core::{ErrorKind, Principal, Purpose, Sha256};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Members, Method, ModernMeta, PushPolicy, code,
    digest_without,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, json};

use super::Opening;
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::view::View;

/// What the keys of our questions begin with, and so those of their answers.
const KEY: &str = "portcullis/";
const APPROVAL_KEY: &str = "portcullis/approval/";
/// How long a person may take; the address itself is good for less.
const STATE_LIFETIME: Duration = Duration::from_hours(1);

/// A retry after our question.
#[derive(Debug)]
pub(crate) enum Resumed {
    /// The request as it was before we asked.
    Request(String),
    /// The client's user does not want to.
    Declined(Declined),
}

/// That a client's user did not open what they were asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declined {
    /// In which word.
    pub(crate) word: &'static str,
    /// What it was asked for.
    pub(crate) kind: ErrorKind,
}

/// What the request had, of the two members that a retry replaces (each round's answers replace the
/// ones before): a server may have asked something itself before the account was disconnected.
#[derive(Serialize, Deserialize)]
struct Before {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Box<RawValue>>,
}

impl Gateway {
    /// The result that asks a stateless client to send its user to the addresses; `None` where the
    /// client cannot, or the method has no such result.
    pub(crate) fn modern_question(
        &self,
        call: &Call,
        view: &View,
        method: Option<Method>,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
        openings: Option<&[Opening]>,
    ) -> Result<Option<String>, EngineError> {
        let Some(method) = method.filter(|method| may_ask(*method) && opens_urls(meta)) else {
            return Ok(None);
        };
        let Some(openings) = openings else {
            return Ok(None);
        };
        let mut questions = Map::new();
        for one in openings {
            let params = json!({"mode": "url", "url": one.url, "message": one.reason});
            let question = json!({"method": "elicitation/create", "params": params});
            questions.insert(format!("{KEY}{}", one.key), question);
        }
        let none = Members::default();
        let params = envelope.params().unwrap_or(&none);
        let before = Before {
            state: params.get("requestState").map(ToOwned::to_owned),
            responses: params.get("inputResponses").map(ToOwned::to_owned),
        };
        let before = serde_json::to_vec(&before).map_err(|_| EngineError::KeyRing)?;
        let binding = binding(&call.principal, view, method, params);
        let expires = self.clock.now().after(STATE_LIFETIME);
        let state = self
            .sealer
            .seal(Purpose::McpConsentState, &binding, expires, &before)
            .map_err(|_| EngineError::KeyRing)?;
        let result = json!({
            "resultType": "input_required",
            "inputRequests": questions,
            "requestState": state,
        });
        Ok(Some(result.to_string()))
    }

    /// What a request says that is a retry after a question of ours; `None`: it is none.
    pub(crate) fn resumed(
        &self,
        call: &Call,
        view: &View,
        method: Option<Method>,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Resumed>, EngineError> {
        let Some(method) = method.filter(|method| may_ask(*method)) else {
            return Ok(None);
        };
        let (Some(params), Some(raw_params)) = (envelope.params(), envelope.raw_params()) else {
            return Ok(None);
        };
        let Some(sealed) = params.string("requestState") else {
            return Ok(None);
        };
        let binding = binding(&call.principal, view, method, params);
        let now = self.clock.now();
        // What does not open may be a server's own, which is bound to other things.
        let Ok(before) = self
            .sealer
            .open(Purpose::McpConsentState, &binding, now, &sealed)
        else {
            return Ok(None);
        };
        if let Some(declined) = declined(params)? {
            return Ok(Some(Resumed::Declined(declined)));
        }
        let before: Before = serde_json::from_slice(&before).map_err(|_| EngineError::KeyRing)?;
        let rest = params.rewrite(|name| name != "requestState" && name != "inputResponses");
        let mut with_before = Edits::of(&rest);
        for (name, raw) in [
            ("requestState", before.state),
            ("inputResponses", before.responses),
        ] {
            if let Some(raw) = raw {
                with_before.insert_top(name, raw.get());
            }
        }
        let mut edits = Edits::of(envelope.text);
        edits.replace(raw_params, with_before.finish());
        Ok(Some(Resumed::Request(edits.finish())))
    }
}

/// The three requests that a server may answer with a question (2026-07-28 schema).
const fn may_ask(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
    )
}

fn opens_urls(meta: &ModernMeta<'_>) -> bool {
    // Whether a server may ask its clients anything is the operator's word; this question is ours.
    let everything = PushPolicy {
        sampling: true,
        elicitation: true,
    };
    ClientCapabilities::narrowed(meta.capabilities.get(), everything)
        .is_ok_and(|declared| declared.opens_urls())
}

/// Nobody else, on no other endpoint, with no other parameters may come with the answer.
fn binding(principal: &Principal, view: &View, method: Method, params: &Members<'_>) -> [u8; 32] {
    let asked = digest_without(params, &["_meta", "inputResponses", "requestState"]);
    Sha256::new()
        .part(principal.id.as_str().as_bytes())
        .part(view.label().as_bytes())
        .part(method.as_str().as_bytes())
        .part(&asked)
        .finish()
}

/// Whether, and in which word, the client's user said no. An answer that is missing is asked for
/// again, if it is still needed; one that cannot be read is an error.
fn declined(params: &Members<'_>) -> Result<Option<Declined>, EngineError> {
    let malformed = |what: &str| {
        let text = format!("params.inputResponses{what}: not an answer to an elicitation");
        protocol(code::INVALID_PARAMS, text)
    };
    let Some(responses) = params.object("inputResponses").map_err(|_| malformed(""))? else {
        return Ok(None);
    };
    let ours = responses.iter();
    for (name, raw) in ours.filter(|(name, _)| name.starts_with(KEY)) {
        let at = format!("[\"{name}\"]");
        let answer = Members::of(raw).map_err(|_| malformed(&at))?;
        let word = match answer.string("action").as_deref() {
            Some("accept") => continue,
            Some("decline") => "declined",
            Some("cancel") => "cancelled",
            _ => return Err(malformed(&at)),
        };
        let kind = if name.starts_with(APPROVAL_KEY) {
            ErrorKind::ApprovalRequired
        } else {
            ErrorKind::ConsentRequired
        };
        return Ok(Some(Declined { word, kind }));
    }
    Ok(None)
}
