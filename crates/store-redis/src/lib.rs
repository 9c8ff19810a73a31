#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod announcements;
mod concurrency;
mod counters;
mod failure;
mod leases;
mod link;
mod one_time;
mod server;
mod settings;
mod shared_tokens;
mod step;
mod stores;
#[cfg(feature = "testing")]
pub mod testing;

pub use link::{RedisDeps, RedisState};
pub use settings::{RedisSettings, RedisUrl, UrlError};
pub use stores::{OpenError, RedisStores};
