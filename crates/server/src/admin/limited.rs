//! Limits that a body names beside what they are of: a key, a team, a person. They are written first, and taken back
//! when the rest is refused, so that nothing is ever there without the limits that were asked for.

use portcullis_core::Principal;
use portcullis_engine::audit::Change;
use portcullis_engine::{LimitAdmin, LimitAdminError, LimitChange, ScopeKind};
use serde_json::{Map, Value};

/// Why something was not done together with its limits.
#[derive(Debug)]
pub(super) enum NotDone<E> {
    /// The limits were refused; nothing was done.
    Limits(LimitAdminError),
    /// The rest was refused.
    Rest {
        error: E,
        /// Limits that could not be taken back.
        left: Option<LimitChange>,
    },
}

/// What a scope is to be limited to.
#[derive(Debug)]
pub(super) struct Limiting<'a> {
    pub(super) limits: &'a LimitAdmin,
    pub(super) scope: ScopeKind,
    pub(super) id: &'a str,
    /// What is said of it; none: the limits stay as they are.
    pub(super) members: &'a Map<String, Value>,
    pub(super) by: &'a Principal,
}

impl Limiting<'_> {
    /// Changes the limits, and does the rest.
    pub(super) async fn around<T, E>(
        &self,
        rest: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Option<LimitChange>), NotDone<E>> {
        let written = if self.members.is_empty() {
            None
        } else {
            let change = self
                .limits
                .change(self.scope, self.id, self.members, self.by);
            Some(change.await.map_err(NotDone::Limits)?)
        };
        self.then(written, rest).await
    }

    /// The same for what nobody has yet: nothing was ever said of it.
    pub(super) async fn around_new<T, E>(
        &self,
        rest: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Option<LimitChange>), NotDone<E>> {
        let written = if self.members.is_empty() {
            None
        } else {
            let begun = self
                .limits
                .begin(self.scope, self.id, self.members, self.by);
            Some(begun.await.map_err(NotDone::Limits)?)
        };
        self.then(written, rest).await
    }

    async fn then<T, E>(
        &self,
        written: Option<LimitChange>,
        rest: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Option<LimitChange>), NotDone<E>> {
        let error = match rest.await {
            Ok(done) => return Ok((done, written)),
            Err(error) => error,
        };
        let mut left = None;
        if let Some(written) = written
            && let Err(error) = self.limits.take_back(written.clone(), self.by).await
        {
            tracing::error!(
                kind = self.scope.as_str(),
                id = ?self.id,
                error = &error as &dyn std::error::Error,
                "limits stay as they were to be, although the rest was refused"
            );
            left = Some(written);
        }
        Err(NotDone::Rest { error, left })
    }
}

/// A change of limits, as the record has it.
pub(super) fn on_record(change: &LimitChange) -> Change {
    let told = Change::of("limits", &format!("{} {}", change.kind(), change.id()));
    let told = told.now(change.to()).fields(&change.members);
    match change.from {
        Some(from) => told.was(from),
        None => told,
    }
}
