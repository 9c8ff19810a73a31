//! Vouching for callers: every request carries a token of ours that says who asks for what, so that
//! a server trusts one issuer instead of many (LiteLLM's `mcp_jwt_signer`).
//!
//! A token is made for one errand and never kept: its `jti` is its own and its scope is that of the
//! request.

mod broker;
mod key_book;
mod signer;
mod verifier;

pub use broker::SigningBroker;
pub use key_book::{KeyBook, PublishedKey};
pub use signer::{Audience, ChannelToken, Scopes, Signer, SignerTerms};
pub use verifier::{JudgesSubjects, SubjectFault, VerifiesSubjects};
