#![doc = include_str!("../README.md")]

mod binaries;
mod driver;
mod judges;
mod key_proxy;
mod process;
mod stack;
mod verifier;

pub use binaries::{binary, look_in, workspace};
pub use driver::{Driver, Target};
pub use judges::Judges;
pub use key_proxy::KeyProxy;
pub use process::{Process, free_port, http_get};
pub use stack::{Fixture, Stack};
pub use verifier::Verifier;
