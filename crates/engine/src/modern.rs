//! Clients of 2026-07-28: every request stands alone.

mod across;
mod discover;
mod listen;
mod mirrored;
mod request;

pub(crate) use across::{Ears, ParkedCalls, wish};
pub(crate) use listen::farewell;
