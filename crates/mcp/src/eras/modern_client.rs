//! A client of 2026-07-28 and a server that opens with `initialize` (2024-11-05 to 2025-11-25).
//!
//! The server fixes at the handshake what the client says with each request, asks by requests of its
//! own what the client expects as `input_required`, and says nothing of who it is or how long an
//! answer keeps. [`Conversation`] stands between both for one call; whoever drives it has the streams.

mod answer;
mod conversation;
mod introduction;
mod level;
mod question;
mod request;
mod subscription;

pub use answer::tool;
pub use conversation::{Conversation, Heard, Terms};
pub use introduction::Introduction;
pub use level::LogLevel;
pub use question::{Given, input_required};
pub use request::{capabilities, request};
pub use subscription::Subscription;

#[cfg(test)]
mod tests;
