//! Clients of the revisions that open with `initialize` (2025-03-26 to 2025-11-25).

mod initialize;
mod listeners;
mod pushes;
mod request;
mod session;
mod stream;
mod terminated;

pub(crate) use initialize::{aggregate_capabilities, merged_instructions, server_info};
pub(crate) use listeners::Listeners;
pub(crate) use pushes::Pushes;
pub(crate) use request::{accepted, answer, challenged, method_text, step_up};
pub(crate) use session::OpenedSessions;
pub use session::{LegacyClient, SessionRefusal};
pub(crate) use terminated::Terminated;
