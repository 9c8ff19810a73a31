#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod aggregate;
mod answer;
pub mod audit;
mod backlog;
mod barred;
mod call;
mod catalog;
mod challenge;
mod consent;
mod cursor;
mod error;
mod exchange;
mod filter;
mod gateway;
mod legacy;
pub mod metrics;
mod modern;
mod names;
mod open_stream;
mod outcomes;
mod prepare;
mod presenting;
mod pulse;
mod quotas;
mod relay;
mod rest;
mod routing;
mod snapshot;
mod tasks;
mod try_out;
mod view;
mod vigil;

pub use answer::{Answer, ByteStream};
pub use call::{Admission, Call, Proof};
pub use challenge::Challenge;
pub use consent::{Invitation, InvitationRefused, Wanted};
pub use error::{EngineError, Reported};
pub use gateway::{Gateway, GatewayDeps, Standing};
pub use legacy::{LegacyClient, SessionRefusal};
pub use portcullis_policy::Rate;
pub use presenting::Presenting;
pub use quotas::{Quota, QuotaRates, Quotas};
pub use rest::{ListedTool, ToolListing};
pub use snapshot::{ServerEntry, ServerInfo, Snapshot};
pub use view::{Target, UnknownTarget, View};
