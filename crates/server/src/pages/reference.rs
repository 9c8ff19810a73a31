//! `/docs`: the admin API, read to people. Made of the OpenAPI document alone, without a script.

use std::sync::LazyLock;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation as Described, Parameter};

use super::{Answer, Frame, ReturnTo, Trouble, Visit};
use crate::openapi;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage {
    frame: Frame,
    document: &'static str,
    groups: &'static [Group],
}

/// Operations about one thing.
struct Group {
    name: String,
    operations: Vec<Operation>,
}

/// One operation.
struct Operation {
    method: &'static str,
    path: String,
    summary: String,
    role: String,
    parameters: Vec<(String, String)>,
    answers: Vec<(String, String)>,
}

/// The same for everybody and for as long as the process runs.
static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(groups);

pub(super) async fn show(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "docs") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = shown(&mut visit).await;
    visit.end(said).await
}

async fn shown(visit: &mut Visit) -> Result<Answer, Trouble> {
    let Some(signed_in) = visit.session().await? else {
        return Ok(Answer::SeeOther(ReturnTo::of(Some("/docs")).by_login()));
    };
    Answer::page(&ReferencePage {
        frame: visit.frame(Some(&signed_in))?,
        document: openapi::PATH,
        groups: &GROUPS,
    })
}

fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, mut item) in openapi::document().paths.paths {
        for (method, described) in openapi::operations(&mut item) {
            let tag = described.tags.iter().flatten().next();
            let name = tag.cloned().unwrap_or_default();
            let operation = operation(method, &path, described);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    name,
                    operations: vec![operation],
                }),
            }
        }
    }
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    groups
}

fn operation(method: &'static str, path: &str, described: &Described) -> Operation {
    let role = described
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("x-portcullis-role")?.as_str());
    let parameters = described.parameters.iter().flatten();
    let parameters = parameters.filter_map(|parameter| match parameter {
        RefOr::T(Parameter {
            name, description, ..
        }) => Some((name.clone(), description.clone().unwrap_or_default())),
        RefOr::Ref(_) => None,
    });
    let answers = described.responses.responses.iter();
    let answers = answers.filter_map(|(status, told)| match told {
        RefOr::T(told) => Some((status.clone(), told.description.clone())),
        RefOr::Ref(_) => None,
    });
    Operation {
        method,
        path: path.to_owned(),
        summary: described.summary.clone().unwrap_or_default(),
        role: role.unwrap_or_default().to_owned(),
        parameters: parameters.collect(),
        answers: answers.collect(),
    }
}
