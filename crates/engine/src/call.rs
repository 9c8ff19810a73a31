//! One governed request, from the moment its caller is known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_core::{ApprovalId, Brought, Principal, RequestId, Side, Timestamp, Toolsets};
use portcullis_policy::{Caller, Circumstances, sees, shows_tool};

use crate::audit::{AuditGuard, Outcome};
use crate::limits::{Allowance, Held};
use crate::snapshot::ServerEntry;

/// What a connection proved of its caller, such as a certificate.
pub trait Proof: Send + Sync + fmt::Debug {
    /// Whether it proves at this moment what it proved when the caller was let in.
    fn holds(&self, now: Timestamp) -> bool;
}

/// How a caller was let in. What has changed since is judged anew for as long as the request lasts.
#[derive(Clone, Debug)]
pub struct Admission {
    /// On which side of the operator's border it was.
    pub side: Side,
    /// Where it came from, if that could be told.
    pub address: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
    /// By which generation of the configuration it was recognised.
    pub generation: u64,
    /// What the admission rests on beside the credential.
    pub proof: Option<Arc<dyn Proof>>,
}

impl Admission {
    /// What the policy may ask of a request beside who makes it.
    pub(crate) const fn circumstances(&self) -> Circumstances {
        Circumstances {
            address: self.address,
            now: self.at,
        }
    }
}

/// Who asks, under which id, and the event that will be recorded of it.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub id: RequestId,
    /// The verified caller.
    pub principal: Arc<Principal>,
    /// How the caller was let in.
    pub admission: Admission,
    /// What it brought for servers that ask for it.
    pub brought: Arc<Brought>,
    /// The toolsets that it may address by name.
    pub toolsets: Arc<Toolsets>,
    /// The origin (RFC 6454 §6.2) under which it reached us, if that can be told: what its person is
    /// sent to.
    pub origin: Option<Arc<str>>,
    /// The approval that the caller says it was given for this call.
    pub approval: Option<ApprovalId>,
    /// Its audit event, still open.
    pub audit: AuditGuard,
    /// What its caller may, once it was counted.
    pub(crate) allowances: Option<Vec<Allowance>>,
    /// What it holds until it ends.
    pub(crate) held: Held,
}

impl Call {
    /// Joins a verified caller and an open event.
    pub fn begin(
        id: RequestId,
        principal: Arc<Principal>,
        admission: Admission,
        mut audit: AuditGuard,
    ) -> Self {
        audit.principal(&principal);
        Self {
            id,
            principal,
            admission,
            brought: Arc::default(),
            toolsets: Arc::default(),
            origin: None,
            approval: None,
            audit,
            allowances: None,
            held: Held::default(),
        }
    }

    /// The same request, while these toolsets are there.
    #[must_use]
    pub fn among(mut self, toolsets: Arc<Toolsets>) -> Self {
        self.toolsets = toolsets;
        self
    }

    /// The same request, which came to this origin of ours.
    #[must_use]
    pub fn reaching(mut self, origin: Option<String>) -> Self {
        self.origin = origin.map(Arc::from);
        self
    }

    /// Whom the policy is asked about.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            side: self.admission.side,
        }
    }

    /// Whether the caller sees a server.
    pub fn sees(&self, server: &ServerEntry) -> bool {
        sees(self.caller(), &server.policy).is_some()
    }

    /// Whether the caller is shown a tool of a server.
    pub fn shows(&self, server: &ServerEntry, tool: &str) -> bool {
        shows_tool(self.caller(), &server.policy, tool)
    }

    /// The same request, of a caller who brought this.
    #[must_use]
    pub fn with(mut self, mut brought: Brought) -> Self {
        if let Some(on_behalf) = brought.on_behalf.as_mut().map(Arc::make_mut) {
            let subject = on_behalf.subject.clone();
            on_behalf.subject = subject.coming_from(self.admission.address);
            if let Some(claimed) = &on_behalf.claimed {
                // Who acts with a token ends with it, for as long as the request lasts.
                Arc::make_mut(&mut self.principal).marks.beside = Some(Arc::clone(claimed));
            }
        }
        let brought = Arc::new(brought);
        Self { brought, ..self }
    }

    /// One message of a batch that the request is.
    pub(crate) fn part(&mut self) -> Self {
        Self {
            id: self.id,
            principal: Arc::clone(&self.principal),
            admission: self.admission.clone(),
            brought: Arc::clone(&self.brought),
            toolsets: Arc::clone(&self.toolsets),
            origin: self.origin.clone(),
            approval: self.approval.clone(),
            audit: self.audit.part(),
            allowances: None,
            held: Held::default(),
        }
    }

    /// Ends the request before its answer is given: what it holds is free again. `false`: the event is
    /// required and could not be made durable, so the answer must not be given.
    #[must_use = "an answer that is not on record must not be given"]
    pub async fn close(mut self, outcome: Outcome) -> bool {
        self.held.give_back(outcome).await;
        self.audit.finish_before_answer(outcome).await.is_ok()
    }
}
