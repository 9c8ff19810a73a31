//! One request for a page, from its audit event to its answer.

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use portcullis_core::RequestId;
use portcullis_engine::Quota;
use portcullis_engine::audit::{AuditGuard, CallerText, Outcome, Surface};
use url::Url;

use super::{Frame, SignedIn, Trouble, cookies, frame, layout, session};
use crate::reply::text_error;
use crate::state::ServerState;

/// A request for a page, on record from its beginning.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) state: ServerState,
    pub(crate) parts: Parts,
    pub(crate) audit: AuditGuard,
    id: RequestId,
    cookies: Vec<HeaderValue>,
}

/// What a visit comes to when nothing is wrong.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page.
    Page(Box<Response<Body>>),
    /// Another place, to be fetched (RFC 9110 §15.4.4): never the form once more.
    SeeOther(String),
}

impl Answer {
    /// This page.
    pub(crate) fn page<T: Template>(page: &T) -> Result<Self, Trouble> {
        Self::page_leading_to(page, None)
    }

    /// This page, whose form is answered with a redirect to somewhere else.
    pub(crate) fn page_leading_to<T: Template>(
        page: &T,
        leads_to: Option<&Url>,
    ) -> Result<Self, Trouble> {
        let response = layout::html(StatusCode::OK, page, leads_to);
        response
            .map(|response| Self::Page(Box::new(response)))
            .ok_or_else(Trouble::unavailable)
    }
}

impl Visit {
    /// Opens the event; the response, if there is one, is the refusal. The body comes back beside it.
    pub(crate) fn open(
        state: ServerState,
        request: Request,
        method: &'static str,
    ) -> Result<(Self, Body), Box<Response<Body>>> {
        let (parts, body) = request.into_parts();
        let mut audit = state.open_event(&parts, Surface::Page, state.client_address(&parts))?;
        audit.method(CallerText::fixed(method));
        let id = audit
            .request_id()
            .ok_or_else(|| Box::new(text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")))?;
        let visit = Self {
            state,
            parts,
            audit,
            id,
            cookies: Vec::new(),
        };
        Ok((visit, body))
    }

    /// Counts this request, by the network that it comes from.
    pub(super) fn one_more(&self, quota: Quota) -> Result<(), Trouble> {
        let counted = self.state.one_more(quota, &self.parts);
        counted.map_err(Trouble::too_often)
    }

    /// Who is signed in in this browser; they are on record then. A cookie that stands for nobody any
    /// more is taken back.
    pub(crate) async fn session(&mut self) -> Result<Option<SignedIn>, Trouble> {
        let found = session(&self.state, &self.parts).await?;
        match &found {
            Some(signed_in) => self.audit.principal(&signed_in.principal),
            None if self.cookie(cookies::SESSION).is_some() => {
                self.set_cookie(cookies::clear(cookies::SESSION));
            }
            None => {}
        }
        Ok(found)
    }

    /// A cookie of this browser's.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        cookies::cookie(&self.parts.headers, name)
    }

    pub(super) fn set_cookie(&mut self, cookie: Option<HeaderValue>) {
        self.cookies.extend(cookie);
    }

    /// The frame of a page for this person, or for nobody.
    pub(crate) fn frame(&self, who: Option<&SignedIn>) -> Result<Frame, Trouble> {
        frame(&self.state, self.id, who)
    }

    /// Ends the visit. What cannot be put on record is not answered, where that is required.
    pub(crate) async fn end(self, said: Result<Answer, Trouble>) -> Response<Body> {
        let Self {
            state,
            mut audit,
            id,
            cookies,
            ..
        } = self;
        let outcome = match &said {
            Ok(_) => Outcome::Ok,
            Err(trouble) => {
                audit.denied(trouble.reason);
                trouble.kind.into()
            }
        };
        if audit.finish_before_answer(outcome).await.is_err() {
            return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        }
        let made = match said {
            Ok(Answer::Page(response)) => Some(*response),
            Ok(Answer::SeeOther(place)) => see_other(&place),
            Err(trouble) => frame(&state, id, None)
                .ok()
                .and_then(|frame| trouble.response(frame)),
        };
        let Some(mut response) = made else {
            return text_error(StatusCode::INTERNAL_SERVER_ERROR, "internal");
        };
        for cookie in cookies {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

fn see_other(place: &str) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let place = HeaderValue::from_str(place).ok()?;
    response.headers_mut().insert(LOCATION, place);
    layout::guard(&mut response);
    Some(response)
}
