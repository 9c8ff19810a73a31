//! Clients of 2026-07-28: every request stands alone.

mod discover;
mod listen;
mod mirrored;
mod request;
