//! Tokens of other issuers: the official vectors, and forgers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken stage is a failed story"
)]

mod claims;
mod forged;
mod id_token;
mod issuer;
mod wycheproof;
