//! Clients of the revisions that open with `initialize` (2024-11-05 to 2025-11-25).

mod batch;
mod ending;
mod initialize;
mod listeners;
mod notification;
mod pushes;
mod request;
mod session;
mod sse;
mod stream;
mod terminated;
mod translated;

pub(crate) use ending::{accepted, answer, challenged, limited, step_up};
pub(crate) use initialize::{aggregate_capabilities, merged_instructions, server_info};
pub(crate) use listeners::Listeners;
pub(crate) use pushes::{NOBODY, Pushes};
pub(crate) use request::method_text;
pub(crate) use session::OpenedSessions;
pub use session::{LegacyClient, SessionRefusal};
pub(crate) use sse::SseSessions;
pub use sse::{SseRefusal, SseSession};
pub(crate) use terminated::Terminated;
pub(crate) use translated::Translation;
