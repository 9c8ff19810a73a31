//! What we say of a caller in a token of our own: the claims and the scope of one request to one
//! server (RFC 9068, RFC 8693 §4).

mod claims;
mod scope;

pub use claims::{ClaimRules, Issue, OUR_CLAIMS, SubjectSource, Unvouchable, vouched_claims};
pub use scope::{NameTooLong, errand_scope, full_scope};
