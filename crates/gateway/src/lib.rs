#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod bridge;
pub mod cli;
mod couriers;
pub mod lifecycle;
pub mod mock;
pub mod telemetry;
pub mod wire;

#[cfg(test)]
mod loopback;
