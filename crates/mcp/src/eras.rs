//! What is said in one era made legible in the other: text in, text or a decision out, without I/O.

pub mod legacy_client;
pub mod modern_client;
