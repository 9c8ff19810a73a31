#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod aggregate;
mod answer;
mod approvals;
pub mod audit;
mod backlog;
mod barred;
mod call;
mod capable;
mod catalog;
mod challenge;
mod changes;
mod consent;
mod cursor;
mod error;
mod exchange;
mod explanation;
mod exposed;
mod filter;
mod gateway;
mod legacy;
mod limits;
mod messages;
pub mod metrics;
mod modern;
mod names;
mod open_stream;
mod outcomes;
mod pins;
mod prepare;
mod presented;
mod presenting;
mod pulse;
mod quotas;
mod relay;
mod replicas;
mod rest;
mod resuming;
mod routing;
mod selection;
mod snapshot;
mod tasks;
pub mod traces;
mod try_out;
mod uris;
mod view;
mod vigil;

pub use answer::{Answer, ByteStream, Elsewhere};
pub use approvals::{
    ApprovalError, ApprovalSettings, Held, Refused, ShownApproval, ShownCall, ShownDecision,
    Verdict,
};
pub use call::{Admission, Call, Proof};
pub use challenge::Challenge;
pub use consent::{Invitation, InvitationRefused, Wanted};
pub use error::{EngineError, Reported};
pub use explanation::{Question, explain_on};
pub use gateway::{Gateway, GatewayDeps, Standing};
pub use legacy::{LegacyClient, SessionRefusal, SseRefusal, SseSession};
pub use limits::{
    Allowance, Allowances, AllowancesUnknown, FileLimits, LimitAdmin, LimitAdminError, LimitChange,
    LimitDeps, LimitIndex, LimitKind, LimitStanding, Limited, Limiter, OnStoreFault, ScopeKind,
    budget_scope,
};
pub use pins::{
    Difference, DifferenceKind, Differences, PinDeps, PinError, PinState, Pins, ShownObjects,
    ShownPin,
};
pub use portcullis_core::Rate;
pub use portcullis_policy::{Limits, OnDrift, usd};
pub use portcullis_store::UsageRow as LimitUsage;
pub use portcullis_store::{ApprovalState, Page, PageRequest};
pub use presenting::Presenting;
pub use quotas::{Quota, QuotaRates, Quotas};
pub use replicas::{BEAT, Home, Replicas};
pub use rest::{ListedTool, ToolListing};
pub use snapshot::{ServerEntry, ServerInfo, Snapshot};
pub use view::{Target, UnknownTarget, View};
