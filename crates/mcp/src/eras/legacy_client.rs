//! A client with a session in front of a stateless server.
//!
//! The client's requests are stamped with what each stateless request says of its client
//! ([`request`]), answers lose what only 2026-07-28 knows ([`read`]), and what the server asks
//! before it answers becomes requests to the client whose answers go into the next attempt
//! ([`Asked`], [`Retry`]).

mod answer;
mod capabilities;
mod hello;
mod news;
mod object;
mod questions;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{NotLegible, Reading, plain, read, unable};
pub use capabilities::declared;
pub use hello::{Hello, hello};
pub use news::{Listened, acknowledged, changes, listen, news};
pub use questions::{Asked, MOST_QUESTIONS, Question, Retry, Unaskable};
pub use request::{Stamp, request};
