//! One governed request, from the moment its caller is known.

use std::sync::Arc;

use portcullis_core::{Brought, Principal, RequestId, Side};
use portcullis_policy::Caller;

use crate::audit::{AuditGuard, Outcome};

/// Who asks, under which id, and the event that will be recorded of it.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub id: RequestId,
    /// The verified caller.
    pub principal: Arc<Principal>,
    /// Where the caller is.
    pub side: Side,
    /// What it brought for servers that ask for it.
    pub brought: Arc<Brought>,
    /// Its audit event, still open.
    pub audit: AuditGuard,
}

impl Call {
    /// Joins a verified caller and an open event.
    pub fn begin(
        id: RequestId,
        principal: Arc<Principal>,
        side: Side,
        mut audit: AuditGuard,
    ) -> Self {
        audit.principal(&principal);
        Self {
            id,
            principal,
            side,
            brought: Arc::default(),
            audit,
        }
    }

    /// Whom the policy is asked about.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            side: self.side,
        }
    }

    /// The same request, of a caller who brought this.
    #[must_use]
    pub fn with(self, brought: Brought) -> Self {
        let brought = Arc::new(brought);
        Self { brought, ..self }
    }

    /// Ends the request before its answer is given. `false`: the event is required and could not be
    /// made durable, so the answer must not be given.
    #[must_use = "an answer that is not on record must not be given"]
    pub async fn close(self, outcome: Outcome) -> bool {
        self.audit.finish_before_answer(outcome).await.is_ok()
    }
}
