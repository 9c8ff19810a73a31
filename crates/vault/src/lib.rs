#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod book;
mod canary;
mod derived;
mod hashicorp;
mod key_ring;
mod mac;
mod rows;
mod sealing;
mod secrets;
mod secrets_manager;
mod stored;

pub use book::{Found, SecretBook, SecretStores};
pub use hashicorp::{Login, VaultKv, VaultSettings};
pub use key_ring::{KeyRing, KeyRingError, RingKeyId};
pub use mac::MacPurpose;
pub use rows::SealedBox;
pub use secrets::{EnvSource, FileSource, SecretError, SecretRef, SecretSource, resolve};
pub use secrets_manager::SecretsManager;
pub use stored::{Fields, NotAPlace, SecretStore, StoreError, StoreKind, StoredRef};
