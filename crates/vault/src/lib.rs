#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod canary;
mod derived;
mod key_ring;
mod mac;
mod rows;
mod sealing;
mod secrets;

pub use key_ring::{KeyRing, KeyRingError, RingKeyId};
pub use mac::MacPurpose;
pub use rows::SealedBox;
pub use secrets::{EnvSource, FileSource, SecretError, SecretRef, SecretSource, resolve};
