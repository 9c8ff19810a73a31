#![doc = include_str!("../README.md")]
#![expect(
    clippy::indexing_slicing,
    reason = "members of JSON that is written here; one that is missing is null"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "messages and params are made for whoever takes them"
)]

pub mod client;
pub mod conversation;
pub mod feature;
pub mod matrix;
mod methods;
pub mod revision;
pub mod schema;
pub mod server;
mod sse;

pub use feature::Feature;
pub use revision::{Face, Revision, Transport};
