#![doc = include_str!("../README.md")]

pub mod authorization_server;
pub mod aws;
pub mod gateway;
mod nobody;
mod patience;
pub mod upstream;
pub mod vault;

pub use nobody::Nobody;
pub use patience::{PATIENCE, eventually};
