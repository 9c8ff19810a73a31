//! Keys from their making to their end, as callers, operators and attackers see them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod administration;
mod announced;
mod at_the_door;
mod forged_rows;
mod house;
