//! `/approvals/{id}`: one call that waits for an approval. Whoever may decide sees what is asked for and
//! decides; whoever asked sees how it stands; for anybody else there is nothing.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use portcullis_core::{ApprovalId, ErrorKind};
use portcullis_engine::audit::Target;
use portcullis_engine::{ApprovalError, ApprovalState, ShownApproval, Verdict};

use super::layout::short;
use super::{Answer, Form, Frame, ReturnTo, SignedIn, Trouble, Visit};
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalPage {
    frame: Frame,
    action: String,
    tool: String,
    server: String,
    /// What is to be judged, for those who may.
    asked: Option<Asked>,
    /// How it stands.
    pending: bool,
    standing: &'static str,
    until: String,
    reason: Option<String>,
    /// The token of the form, for whoever may decide now.
    decides: Option<String>,
    /// The person's own call, which somebody else has to decide.
    own: bool,
}

/// What whoever decides has to know.
struct Asked {
    name: String,
    principal: String,
    arguments: String,
    rule: String,
}

pub(crate) async fn show(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "approvals/show") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = shown(&mut visit, &ApprovalId::from(id)).await;
    visit.end(said).await
}

async fn shown(visit: &mut Visit, id: &ApprovalId) -> Result<Answer, Trouble> {
    let Some(signed_in) = visit.session().await? else {
        let here = ReturnTo::of(Some(visit.parts.uri.path()));
        return Ok(Answer::SeeOther(here.by_login()));
    };
    let found = visit.state.gateway.approval(&signed_in.principal, id).await;
    page(visit, &signed_in, &found?)
}

fn page(visit: &mut Visit, signed_in: &SignedIn, shown: &ShownApproval) -> Result<Answer, Trouble> {
    visit.audit.target(Target::approval(&shown.line()));
    visit.audit.approval(shown.id.as_str());
    let what = shown.what.as_ref().ok_or_else(Trouble::unavailable)?;
    let (state, role) = (&visit.state, signed_in.principal.role);
    let own_allowed = state.gateway.snapshot().approvals().own;
    let own = shown.may_be_of(&signed_in.principal) && !own_allowed;
    let may_decide = role.decides_approvals() && shown.is_open();
    let decides = if may_decide && !own {
        Some(signed_in.form_token(state, &act(&shown.id))?)
    } else {
        None
    };
    let asked = role.sees_approvals().then(|| Asked {
        name: short(&what.name),
        principal: short(&what.principal),
        arguments: visible(&what.arguments),
        rule: short(&what.rule),
    });
    let reason = shown.decision.as_ref();
    let page = ApprovalPage {
        frame: visit.frame(Some(signed_in))?,
        action: path_of(&shown.id),
        tool: short(&what.tool),
        server: short(&what.server),
        asked,
        pending: shown.state == ApprovalState::Pending,
        standing: standing(shown.state),
        until: shown.expires_at.to_string(),
        reason: reason.and_then(|decision| decision.reason.as_deref().map(visible)),
        decides,
        own: own && may_decide,
    };
    Answer::page(&page)
}

pub(crate) async fn decide(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "approvals/decide") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = decided(&mut visit, &ApprovalId::from(id), body).await;
    visit.end(said).await
}

async fn decided(visit: &mut Visit, id: &ApprovalId, body: Body) -> Result<Answer, Trouble> {
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let Some(signed_in) = visit.session().await? else {
        let back = ReturnTo::of(Some(&path_of(id)));
        return Ok(Answer::SeeOther(back.by_login()));
    };
    let Some(what @ ("approve" | "deny")) = form.get("act") else {
        return Err(Trouble::not_a_form());
    };
    signed_in.require_form_token(&visit.state, &act(id), form.get("token"))?;
    let verdict = Verdict {
        granted: what == "approve",
        reason: form.get("reason").map(str::to_owned),
    };
    visit.audit.target(Target::approval(id.as_str()));
    let by = &signed_in.principal;
    let decided = visit.state.gateway.decide_approval(by, id, &verdict).await;
    let decided = decided?;
    visit.audit.target(Target::approval(&decided.line()));
    visit.audit.approval(decided.id.as_str());
    visit.audit.allowed(crate::admin::rule(by.role));
    // Fetched anew: nobody decides twice by loading the page again.
    Ok(Answer::SeeOther(path_of(id)))
}

fn path_of(id: &ApprovalId) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
    format!("/approvals/{id}")
}

/// What a form's token is for.
fn act(id: &ApprovalId) -> String {
    format!("decide approval {id}")
}

const fn standing(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Pending => "It waits for somebody to decide.",
        ApprovalState::Granted => "It was approved. The call can be made now.",
        ApprovalState::Denied => "It was not approved. The call cannot be made.",
        ApprovalState::Redeemed => "It was approved, and the call was made.",
        ApprovalState::Expired => "Its time is over. Make the call again to ask anew.",
    }
}

/// Somebody else's text as it really is: what is not seen, or turns the direction of what stands around
/// it, is written out, so that nobody approves something else than what they read.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        let is_hidden = char.is_control()
            || char.is_whitespace()
            || matches!(char, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}');
        if is_hidden && !matches!(char, ' ' | '\n') {
            shown.push_str("\\u{");
            shown.push_str(&hex_of(char));
            shown.push('}');
        } else {
            shown.push(char);
        }
    }
    shown
}

fn hex_of(char: char) -> String {
    format!("{:x}", u32::from(char))
}

impl From<ApprovalError> for Trouble {
    fn from(error: ApprovalError) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::no_such_page(),
            ErrorKind::Forbidden => Self::not_yours_to_decide(),
            ErrorKind::Conflict => Self::decided_already(),
            ErrorKind::Invalid => Self::not_a_form(),
            _ => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an approval can neither be shown nor decided"
                );
                Self::unavailable()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_out() {
        assert_eq!(visible("{\"a\": \"b\"}\nü 漢"), "{\"a\": \"b\"}\nü 漢");
        assert_eq!(
            visible("a\u{202e}b\u{200b}\t\r"),
            "a\\u{202e}b\\u{200b}\\u{9}\\u{d}"
        );
        assert_eq!(visible("x\u{e0041}\u{a0}"), "x\\u{e0041}\\u{a0}");
    }
}
