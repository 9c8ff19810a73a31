#![doc = include_str!("../README.md")]

pub mod gateway;
mod patience;
pub mod upstream;

pub use patience::{PATIENCE, eventually};
